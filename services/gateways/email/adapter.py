"""Email: out over SMTP, in through the webhooks of SendGrid and Mailgun."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import msgspec
from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from events.values import Attachment, Body
from libs.channels import email
from libs.channels.email_address import wire
from libs.channels.outcome import Outcome, Refused, Retry
from libs.config.bundle import Bundle
from libs.kit.buckets import Limits
from libs.kit.objects import ObjectErased, ObjectMissing, ObjectsAway
from libs.kit.serve import Loop
from services.gateways.desk import Desk
from services.gateways.email import door as email_door
from services.gateways.email import unsubscribe as email_unsubscribe
from services.gateways.email import webhook as email_webhook
from services.gateways.email.door import EmailDoor, door_of
from services.gateways.email.smtp import Server, hand_over
from services.gateways.port import Tools
from services.gateways.settings import EMAIL, Settings

SHARE = 0.8
"""Of the time-out that SMTP may take: what is left is for preparing and for telling the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A letter on its way out: first as it is written, then with `raw`, the envelope's `sender` and the `server`."""

    message: UUID
    letter: email.Letter
    attachments: tuple[Attachment, ...] = ()
    raw: bytes = b""
    sender: str = ""
    server: Server | None = None


class Discovered(msgspec.Struct, frozen=True):
    """Where the emulator's SMTP server is."""

    host: str
    port: int
    certificate: str


class Email:
    """The adapter of mail. A server may take its time and may ask for hours of patience (greylisting).

    A repeat would carry the same Message-ID, which many clients show once, but which every server delivers again: what is
    of unknown outcome therefore waits for evidence (a bounce, a provider's event, an answer), and after an hour counts as
    sent.
    """

    channel = EMAIL
    limits = Limits(rate=10, burst=20, concurrency=8)
    evidence = timedelta(hours=1)
    max_age = timedelta(hours=48)

    def __init__(
        self,
        settings: Settings,
        tools: Tools,
        client: httpx.AsyncClient,
        timeout: timedelta,
    ) -> None:
        self.timeout = timeout
        self._settings = settings
        self._client = client
        self._store = tools.store
        self._objects = tools.objects

    def door(self, bundle: Bundle) -> EmailDoor:
        return door_of(self._settings, bundle)

    def write(
        self, intent: Recorded[MessageRequested], door: EmailDoor, bundle: Bundle, now: datetime
    ) -> Sending | Refused:
        event = intent.event
        thread = tuple(dict.fromkeys(each for each in (event.reply_to, *event.thread) if each))
        usual = f"Message from {door.sender.name or door.domain}"
        letter = email.Letter(
            message_id=email.message_id(intent.id, door.domain),
            sender=door.sender,
            to=event.to,
            subject=email.subject(event.body.subject or _titled(event.body), usual, in_thread=bool(thread)),
            text=said(event.body),
            at=now,
            thread=thread,
            language=event.body.language or "en",
            written=_WRITTEN[event.purpose],
            feedback=f"{event.purpose}:{intent.tenant}:email:converse",
            footer=event.purpose == "approach",
        )
        refused = email.check(letter, [file.size for file in event.body.attachments])
        return refused or Sending(message=intent.id, letter=letter, attachments=tuple(event.body.attachments))

    async def prepare(self, tenant: str, request: Sending, door: EmailDoor) -> Sending | Refused | Retry:
        """Fetch what is attached, sign the addresses that lead back, and find the server."""
        files = await self._files(tenant, request.attachments)
        if isinstance(files, Refused | Retry):
            return files
        server = await self._server(door)
        if isinstance(server, Retry):
            return server
        keyring = self._store.keyring
        reply = f"{await email_door.signed(keyring, tenant, 'r', request.message)}@{door.reply_domain}"
        bounce = f"{await email_door.signed(keyring, tenant, 'b', request.message)}@{door.bounce_domain}"
        stop = f"{await email_door.signed(keyring, tenant, 'u', request.message)}@{door.reply_domain}"
        raw = email.compose(
            request.letter,
            reply_to=reply if door.reply_domain else None,
            unsubscribe=email.Unsubscribe(
                email_unsubscribe.link(door.origin, tenant, stop), stop if door.reply_domain else None
            ),
            files=files,
        )
        sender = bounce if door.bounce_domain else door.sender.address
        return replace(request, raw=raw, sender=sender, server=server)

    async def send(self, request: Sending, door: EmailDoor, attempt: int) -> Outcome:
        to = wire(request.letter.to)
        if request.server is None or to is None:
            raise ValueError("a letter is prepared before it is sent")
        return await hand_over(
            request.server,
            request.raw,
            message_id=request.letter.message_id,
            sender=request.sender,
            to=to,
            seconds=self.timeout.total_seconds() * SHARE,
            attempt=attempt,
            hostname=door.domain,
        )

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        """`POST /webhooks/email` and `/webhooks/email/bounce`, with a secret below or a tenant before; `/unsubscribe/{token}`."""
        return [
            *email_webhook.routes(desk, self.door, self._objects),
            *email_unsubscribe.routes(desk, self.door),
        ]

    def loops(self) -> Sequence[Loop]:
        return (Loop("webhook tokens", self._forget_tokens),)

    async def close(self) -> None:
        """The HTTP client is shared, and the service's; SMTP connections end with their mail."""

    async def _files(self, tenant: str, wanted: Sequence[Attachment]) -> list[email.File] | Refused | Retry:
        files: list[email.File] = []
        for number, each in enumerate(wanted, 1):
            if each.object is None or self._objects is None:
                return Refused(554, f"the file {number} is not in the object store", "message")
            try:
                content = await self._objects.get(tenant, each.object)
            except (ObjectMissing, ObjectErased) as gone:
                return Refused(554, f"the file {number} is gone: {type(gone).__name__}", "message")
            except ObjectsAway as away:
                return Retry(str(away))
            files.append(email.File(each.name or f"file-{number}", each.media_type, content))
        sizes = [len(file.content) for file in files]
        return email.too_large(sizes) or files

    async def _server(self, door: EmailDoor) -> Server | Retry:
        if door.discovery is None:
            return Server(door.host, door.port, door.username, door.password)
        try:
            answer = await self._client.get(f"{door.discovery.rstrip('/')}/server")
            found = msgspec.json.decode(answer.content, type=Discovered)
        except (httpx.HTTPError, msgspec.MsgspecError):
            return Retry("the sandbox does not say where its SMTP server is")
        return Server(found.host, found.port, door.username, door.password, found.certificate)

    async def _forget_tokens(self) -> None:
        """Drop what is too old to be repeated."""
        while True:
            await self._store.pool.execute(email_webhook.FORGET)
            await asyncio.sleep(3600)


_WRITTEN: dict[str, "email.Written"] = {"approach": "generated", "answer": "replied", "operator": "by_person"}


def _titled(body: Body) -> str | None:
    """The name of a template that is written for people to read, not an identifier."""
    return body.template_name if body.template_name and " " in body.template_name else None


def said(body: Body) -> str:
    """The words, with the choices written out: mail has no buttons that answer."""
    choices = "\n".join(f"{number}. {each.title}" for number, each in enumerate(body.choices, 1))
    return f"{body.text}\n\n{choices}" if choices else body.text
