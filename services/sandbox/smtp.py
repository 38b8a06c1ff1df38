"""An SMTP server that takes mail for anybody, over STARTTLS and with a password, and fails on demand."""

import asyncio
import ipaddress
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakSet

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.sandbox.settings import MailSettings
from services.sandbox.state import Answer, Faults

NAME = "mx.sandbox.example"
_MAX_SIZE = 32 * 1024 * 1024


class MailFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` mails (to the address `to`): while they are handed over, and afterwards."""

    times: int = 1
    to: str | None = None
    refuse: str | None = None
    """The reply, such as `550 5.1.1 no such user`, with which the phase `at` is refused; nothing is sent."""
    at: Literal["connection", "login", "sender", "recipient", "content"] = "recipient"
    starttls: bool = True
    """False: the server does not offer it."""
    answer: Answer = "whole"
    """How the answer to the content reaches the sender."""
    commits: bool = True
    """Whether the mail is taken although that answer is garbled, dropped or hung."""
    seconds: float = 30.0
    rewrites_id: bool = False
    """The server gives the mail another Message-ID, as some relays do."""
    bounces: str | None = None
    """Accepted, and returned later with this status, such as 5.1.1, or `blocked`."""
    told_by: Literal["event", "report", "plain"] = "event"
    """How that is told: by SendGrid's event, by a report in a mail (RFC 3464), by a mail that keeps no form (qmail)."""
    delayed: bool = False
    """A report says that it is delayed, before it arrives."""
    complains: Literal["event", "report"] | None = None
    """The receiver marks it as spam once it has arrived."""
    silent: bool = False
    """No event ever comes."""
    copies: int = 1
    order: Literal["forwards", "backwards"] = "forwards"
    batched: bool = False
    late: float = 0.0
    """Seconds before the first event."""


class Taken(msgspec.Struct, kw_only=True):
    """A mail as it was handed over."""

    raw: bytes
    sender: str
    to: str
    at: datetime


class SmtpServer:
    """Listens once `run` is called. `take` gets each mail with what is to go wrong with it."""

    def __init__(
        self,
        settings: MailSettings,
        *,
        now: Callable[[], datetime],
        faults: Faults[MailFault],
        take: Callable[[Taken, MailFault], None],
    ) -> None:
        self._settings = settings
        self._now = now
        self._faults = faults
        self._take = take
        self._listening = asyncio.Event()
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._shut_out: WeakKeyDictionary[SMTP, str] = WeakKeyDictionary()
        self.certificate = ""
        self.port = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        self.certificate, context = certified(self._settings.smtp_host)
        server = await loop.create_server(
            lambda: self._session(context, loop), host=self._settings.smtp_host, port=self._settings.smtp_port
        )
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._listening.clear()
            server.close()
            for session in self._sessions:
                if session.transport is not None:
                    _abort(session.transport)

    async def listening(self) -> None:
        """Return once it listens."""
        await self._listening.wait()

    def _session(self, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop) -> SMTP:
        plain = self._faults.take(lambda fault: not fault.starttls) is not None
        handler = _Handler(self._now, self._faults, self._take)
        session = SMTP(
            handler,
            hostname=NAME,
            ident="sandbox",
            tls_context=None if plain else context,
            require_starttls=not plain,
            auth_required=True,
            authenticator=self._authenticate,
            data_size_limit=_MAX_SIZE,
            timeout=60,
            loop=loop,
        )
        self._sessions.add(session)
        return session

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
    ) -> AuthResult:
        fault = self._faults.take(lambda fault: fault.refuse is not None and fault.at == "login")
        if fault is not None and fault.refuse is not None:
            self._shut_out[server] = fault.refuse  # for the whole connection: a client tries every mechanism
        if (refusal := self._shut_out.get(server)) is not None:
            return AuthResult(success=False, handled=False, message=refusal)
        wanted = self._settings.smtp_password
        known = isinstance(given, LoginPassword) and (wanted is None or given.password == wanted.encode())
        return AuthResult(success=known, handled=False)  # a failure that counts as handled is never answered


class _Handler:
    """The hooks of one connection."""

    def __init__(
        self, now: Callable[[], datetime], faults: Faults[MailFault], take: Callable[[Taken, MailFault], None]
    ) -> None:
        self._now = now
        self._faults = faults
        self._take = take

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        fault = self._refusal("connection", None)
        return [fault] if fault else responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._refusal("sender", None):
            return fault
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._refusal("recipient", address):
            return fault
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        to = envelope.rcpt_tos[0]
        if refused := self._refusal("content", to):
            return refused
        fault = self._faults.take(lambda fault: fault.refuse is None and fault.starttls and fault.to in (None, to))
        fault = fault or MailFault()
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        if fault.answer == "whole" or fault.commits:
            for each in envelope.rcpt_tos:
                self._take(Taken(raw=content, sender=envelope.mail_from or "", to=each, at=self._now()), fault)
        if fault.answer == "hung":
            await asyncio.sleep(fault.seconds)  # ends when the sender gives up: the connection takes its handler along
        if fault.answer in ("dropped", "hung") and server.transport is not None:
            _abort(server.transport)
        return "2\x00< garbled" if fault.answer == "garbled" else "250 2.0.0 Ok: queued as sandbox"

    def _refusal(self, phase: str, to: str | None) -> str | None:
        fault = self._faults.take(
            lambda fault: fault.refuse is not None and fault.at == phase and (fault.to is None or fault.to == to)
        )
        return fault.refuse if fault else None


def _abort(transport: asyncio.BaseTransport) -> None:
    abort: Callable[[], Any] = getattr(transport, "abort", transport.close)
    abort()


def certified(host: str) -> tuple[str, ssl.SSLContext]:
    """A certificate (PEM) that nobody else has signed, and the context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names: list[x509.GeneralName] = [x509.DNSName(NAME), x509.DNSName("localhost")]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    began = datetime(2020, 1, 1, tzinfo=UTC)  # whatever the clock of the machine says
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = built.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.touch(mode=0o600)
        file.write_bytes(secret + certificate)
        context.load_cert_chain(file)
    return certificate.decode(), context


_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
