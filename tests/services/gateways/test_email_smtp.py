"""A mail is handed over encrypted and to the right server, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from libs.channels.outcome import Accepted, Outcome, Refused, Retry
from services.gateways.email import smtp as email_smtp
from services.gateways.email.smtp import Server, hand_over
from services.sandbox.smtp import certified

MAIL = b"From: a@b.example\r\nTo: c@d.example\r\n\r\nhello\r\n"


class Box:
    """Keeps what it is given, and who is written to in one transaction."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 Ok"


@asynccontextmanager
async def serving(box: Box, *, tls: bool = False, **options: Any) -> AsyncIterator[tuple[int, str]]:
    """A server's port and certificate; `tls` from the start."""
    certificate, context = certified("127.0.0.1")
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        wanted = {
            "hostname": "mx.example",
            "loop": loop,
            "authenticator": lambda *_: AuthResult(success=True),
            **options,
        }
        return SMTP(box, **wanted) if tls else SMTP(box, tls_context=context, **wanted)

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if tls else None)
    async with server:
        yield server.sockets[0].getsockname()[1], certificate


async def sent(port: int, certificate: str | None, *, host: str = "127.0.0.1", seconds: float = 60.0) -> Outcome:
    server = Server(host, port, "asha", "secret", certificate)
    return await hand_over(
        server,
        MAIL,
        message_id="m@b.example",
        sender="b+x@b.example",
        to="c@d.example",
        seconds=seconds,
        attempt=0,
        hostname="b.example",
    )


async def test_it_is_handed_over_after_starttls_to_one_recipient():
    box = Box()
    async with serving(box, require_starttls=True, auth_required=True) as (port, certificate):
        assert await sent(port, certificate) == Accepted("m@b.example")
    assert box.mails == [("b+x@b.example", ["c@d.example"], MAIL)]


async def test_on_the_port_of_tls_it_is_encrypted_from_the_start(monkeypatch: pytest.MonkeyPatch):
    box = Box()
    async with serving(box, tls=True, auth_require_tls=False) as (port, certificate):
        monkeypatch.setattr(email_smtp, "TLS_PORT", port)
        assert await sent(port, certificate) == Accepted("m@b.example")
    assert len(box.mails) == 1


async def test_a_server_with_another_certificate_gets_nothing():
    box = Box()
    async with serving(box) as (port, _):
        assert isinstance(await sent(port, None), Retry)
        assert isinstance(await sent(port, certified("127.0.0.1")[0]), Retry)
    assert box.mails == []


async def test_a_server_that_takes_no_password_gets_nothing():
    box = Box()
    async with serving(box, auth_exclude_mechanism=["PLAIN", "LOGIN"]) as (port, certificate):
        outcome = await sent(port, certificate)
    assert isinstance(outcome, Refused)
    assert outcome.scope == "account"
    assert box.mails == []


async def test_a_server_that_says_nothing_is_given_up_before_the_effect_is():
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert isinstance(await sent(port, None, seconds=0.2), Retry)
        await left.wait()


async def test_where_nobody_listens_it_is_tried_again_soon():
    assert await sent(9, None) == Retry("SMTPConnectError in the phase connection", 10.0)
