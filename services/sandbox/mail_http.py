"""Where the SMTP server is, and the controls of mail under `/_sandbox/mail`."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, Router, get, post, put
from litestar.exceptions import ServiceUnavailableException, ValidationException
from litestar.params import FromQuery, JSONBody

from services.sandbox import mailgun
from services.sandbox.mail import Letter, PostOffice, Provider, Saying
from services.sandbox.mail_webhook import MailDelivery
from services.sandbox.smtp import MailFault

BASE = "/sandbox/mail"
"""The path to append to the origin for the base URL of email: below it `/server` tells host, port and certificate."""
PATIENCE_S = 5.0


class Callback(msgspec.Struct, frozen=True):
    """The business's `…/webhooks/email`: mails go to the secret below it, events to `/bounce`."""

    url: str


class Raw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A whole mail (base64 in JSON) that comes to `to`."""

    mail: bytes
    to: str
    sender: str = ""
    provider: Provider | None = None
    copies: int = 1


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that Mailgun tells about the mail `about` (its id)."""

    name: str
    about: str
    more: dict[str, Any] = {}
    copies: int = 1


def server(office: PostOffice) -> Router:
    """What a gateway asks of the emulator instead of being configured."""

    @get("/server")
    async def where(request: Request[Any, Any, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await office.server.listening()
        except TimeoutError as error:
            raise ServiceUnavailableException("the SMTP server does not listen") from error
        host = office.settings.smtp_host
        reached = request.url.hostname if host in ("0.0.0.0", "::") else host
        return {"host": reached, "port": office.server.port, "certificate": office.server.certificate}

    return Router(BASE, route_handlers=[where], include_in_schema=False)


def controls(office: PostOffice) -> Router:
    """What a test or a demo asks of the emulator itself."""

    @get("/messages", sync_to_thread=False)
    def messages(reference: FromQuery[str | None] = None, to: FromQuery[str | None] = None) -> list[Letter]:
        """Everything that was handed over, oldest first, of one message id of ours or to one address where asked."""
        return [
            letter for letter in office.letters if reference in (None, letter.reference) and to in (None, letter.to)
        ]

    @get("/webhooks", sync_to_thread=False)
    def webhooks() -> list[MailDelivery]:
        return list(office.webhooks.deliveries)

    @post("/faults", sync_to_thread=False)
    def faults(data: JSONBody[MailFault | list[MailFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            office.faults.add(fault)
        return {"waiting": len(office.faults)}

    @post("/inbound")
    async def inbound(data: JSONBody[Saying]) -> dict[str, str]:
        """A contact writes."""
        return {"id": await office.say(data)}

    @post("/raw")
    async def raw(data: JSONBody[Raw]) -> dict[str, str]:
        """A mail comes as it is."""
        await office.bring(data.mail, sender=data.sender, to=data.to, by=data.provider, copies=data.copies)
        return {"status": "posted"}

    @post("/mailgun")
    async def mailgun_event(data: JSONBody[Event]) -> dict[str, str]:
        """Mailgun tells of a mail."""
        letter = next((each for each in office.letters if each.id == data.about), None)
        if letter is None:
            raise ValidationException(f"there is no mail {data.about!r}")
        at = office.webhooks.deliveries[-1].at if office.webhooks.deliveries else letter.at
        event = mailgun.webhook(
            data.name, to=letter.to, message_id=letter.id, key=office.settings.mailgun_key, at=at, **data.more
        )
        await office.webhooks.post(event, at, copies=data.copies)
        return {"status": "posted"}

    @post("/unsubscribe")
    async def unsubscribe(to: FromQuery[str]) -> dict[str, int]:
        """The client of `to` follows the one-click header of the last mail."""
        letter = office.last_to(to)
        if letter is None:
            raise ValidationException(f"there is no mail to {to!r}")
        return {"status": await office.unsubscribe(letter)}

    @put("/callback", sync_to_thread=False)
    def callback(data: JSONBody[Callback]) -> dict[str, bool]:
        office.webhooks.url = data.url.rstrip("/")
        return {"subscribed": True}

    @put("/unreachable", sync_to_thread=False)
    def unreachable(data: JSONBody[list[str]]) -> dict[str, int]:
        """The addresses that do not exist: 5.1.1 after the acceptance."""
        office.unreachable = {address.lower() for address in data}
        return {"unreachable": len(office.unreachable)}

    @post("/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        office.reset()
        return {"status": "as at the start"}

    handlers = [messages, webhooks, faults, inbound, raw, mailgun_event, unsubscribe, callback, unreachable, reset]
    return Router("/_sandbox/mail", route_handlers=handlers, include_in_schema=False)
