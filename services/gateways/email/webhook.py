"""What SendGrid and Mailgun post: mails, bounces and complaints among them, and events. Proven first, then stored once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from litestar import Request, Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from events.base import Event
from events.values import Attachment
from libs.channels import email_events
from libs.channels.email import (
    File,
    Form,
    Ignored,
    Mail,
    Malformed,
    NoMore,
    Progress,
    Upload,
    message_of,
    normal,
    read_mailgun,
    read_sendgrid,
    read_token,
)
from libs.channels.email_form import read_form
from libs.channels.email_verify import (
    MailgunSignature,
    basic_password,
    verify_mailgun,
    verify_secret,
    verify_sendgrid,
)
from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.objects import Objects, ObjectsAway
from libs.kit.problems import Problem
from libs.kit.requests import durably
from services.gateways.desk import Desk
from services.gateways.email import door as email_door
from services.gateways.email import facts as email_facts
from services.gateways.email import unsubscribe as email_unsubscribe
from services.gateways.email.door import EmailDoor
from services.gateways.settings import EMAIL

log = structlog.get_logger(__name__)

MAX_WEBHOOK = 32 * 1024 * 1024  # bytes; SendGrid's bound is 30 MB for the whole message, Mailgun's 25
_ASIDE = 8 * 1024  # bytes; what takes longer to read is read in a thread
_PATHS = [
    f"/webhooks/{prefix}email{path}"
    for prefix in ("", "{tenant:str}/")
    for path in ("", "/{secret:str}", "/bounce", "/bounce/{secret:str}")
]
_SEEN = """INSERT INTO gateways.webhook_token (tenant, token, content) VALUES ($1, $2, $3)
ON CONFLICT (tenant, token) DO UPDATE SET token = excluded.token RETURNING content"""
FORGET = "DELETE FROM gateways.webhook_token WHERE seen_at < now() - interval '2 days'"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came, with the secret of its path."""

    content_type: str
    raw: bytes
    headers: Mapping[str, str]
    secret: str | None

    @property
    def is_json(self) -> bool:
        return self.content_type.partition(";")[0].strip().lower() == "application/json"


def routes(
    desk: Desk, door_of: Callable[[Bundle], EmailDoor], objects: Objects | None
) -> Sequence[ControllerRouterHandler]:
    """`POST /webhooks/email` and `/webhooks/email/bounce`: both take whatever either provider posts."""

    @post(_PATHS, status_code=200, tags=["webhooks"], request_max_body_size=MAX_WEBHOOK)
    async def email_webhook(
        request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT, secret: FromPath[str | None] = None
    ) -> Response[None]:
        """A mail (as a form) or events (as JSON); 200 means that all of it is stored."""
        door = await desk.door(tenant, door_of)
        came = Delivery(request.headers.get("content-type", ""), await request.body(), request.headers, secret)
        counter = Counter(desk, tenant, door, objects)
        await durably(counter.events(came) if came.is_json else counter.mail(came))
        return Response(None, status_code=200)

    return [email_webhook]


@dataclass(frozen=True, slots=True)
class Counter:
    """Where one tenant's mail is taken in."""

    desk: Desk
    tenant: str
    door: EmailDoor
    objects: Objects | None

    async def events(self, came: Delivery) -> None:
        """SendGrid's array of events, or Mailgun's event. Raises Problem."""
        if came.raw.lstrip()[:1] == b"{":
            try:
                given = email_events.read_mailgun_signature(came.raw)
            except Malformed as malformed:
                raise self._unproven("a webhook of Mailgun carries its signature") from malformed
            await self._admit_mailgun(given, hashlib.sha256(came.raw).digest())
            told = self._read(partial(email_events.read_mailgun, came.raw), refusal=406)
        else:
            if not verify_sendgrid(came.raw, came.headers, self.door.sendgrid_public_key):
                raise self._unproven("X-Twilio-Email-Event-Webhook-Signature must sign timestamp and raw body")
            told = self._read(partial(email_events.read_sendgrid, came.raw))
        await asyncio.gather(*(self._hear(each) for each in told))

    async def mail(self, came: Delivery) -> None:
        """A mail that a provider took for us. Raises Problem."""
        given = came.secret if came.secret is not None else basic_password(came.headers.get("authorization"))
        trusted = verify_secret(given, self.door.webhook_secret)
        trusted = trusted or verify_sendgrid(came.raw, came.headers, self.door.sendgrid_public_key)
        try:
            form = await _aside(len(came.raw), read_form, came.content_type, came.raw)
        except Malformed as malformed:
            if not trusted:
                raise self._unproven("the form carries no signature that can be read") from malformed
            raise self._problem(malformed) from malformed
        signature = _signature(form)
        if signature is not None:
            await self._admit_mailgun(signature, _digest(form))
        elif not trusted:
            raise self._unproven(
                "give the secret as the last part of the path, or as the password of basic authentication"
            )
        read = read_mailgun if signature is not None else read_sendgrid
        ours = (normal(self.door.sender.address),)
        try:
            mail = await _aside(len(came.raw), partial(read, ours=ours), form)
        except Malformed as malformed:
            raise self._problem(malformed, 406 if signature is not None else None) from malformed
        await self._take(mail, _whole(form))

    async def _take(self, mail: Mail, raw: bytes | None) -> None:
        tokens = [token for address in mail.recipients if (token := read_token(address))]
        keyring = self.desk.store.keyring
        proven = [
            (token.purpose, await email_door.proven(keyring, self.tenant, token, "r", "b", "u")) for token in tokens
        ]
        by_purpose = {purpose: message for purpose, message in reversed(proven) if message is not None}
        reference = next((by_purpose[each] for each in ("r", "b", "u") if each in by_purpose), None)
        if mail.report is not None and await self._report(mail, reference):
            return
        if "u" in by_purpose:
            await email_unsubscribe.take(self.desk, self.tenant, by_purpose["u"], mail.sender.address or None)
            return
        if not mail.sender.address:
            self.desk.count(EMAIL, "nobody")
            return
        await self._receive(mail, reference, raw)

    async def _receive(self, mail: Mail, reference: UUID | None, raw: bytes | None) -> None:
        """A contact's mail: the fact first, then its files, then that they are there."""
        announced = [_attachment(file) for file in mail.files]
        event = email_facts.received(
            mail,
            account=self.door.sender.address,
            digest=await self.desk.digest(self.tenant, EMAIL, mail.sender.address),
            reference=reference,
            files=announced,
        )
        await self._store(mail.id, event)
        if self.objects is not None and (mail.files or raw):
            await self._keep(self.objects, mail, announced, raw)
        if mail.left_out:
            self.desk.count(EMAIL, "file_left_out")
            log.warning("a mail had more files than are kept", left_out=mail.left_out)
        if reference is not None:
            told = email_facts.answered(reference, domain=self.door.domain, at=self.desk.clock.now())
            await self._store(f"{mail.id} answers", told)

    async def _keep(self, objects: Objects, mail: Mail, announced: list[Attachment], raw: bytes | None) -> None:
        """Put the files, and the mail as it came (`raw`), under the key of the fact. Raises Problem 503."""
        stream = self.desk.stream(EMAIL, mail.id)
        try:
            if raw is not None:
                await objects.put(self.tenant, stream, "raw", raw)
            kept = [
                email_facts.kept(each, await objects.put(self.tenant, stream, str(number), file.content))
                for number, (each, file) in enumerate(zip(announced, mail.files, strict=True))
            ]
        except ObjectsAway as away:
            raise Problem(503, "The files cannot be kept now", str(away), headers={"retry-after": "10"}) from away
        if kept:
            await self.desk.add(self.tenant, EMAIL, mail.id, email_facts.fetched(kept))

    async def _report(self, mail: Mail, proven: UUID | None) -> bool:
        """Take what a bounce or complaint says; False where it does not say of which mail of ours."""
        report = mail.report
        if report is None:
            return False
        reference = proven or message_of(report.original)
        told = email_facts.reported(report, domain=self.door.domain, reference=reference, at=self.desk.clock.now())
        if told is None:
            return False
        await self._store(f"{mail.id} {report.told}", told)
        if report.told == "complaint" and reference is not None:
            # To whom it went is read in our own log: anybody can write that somebody complained.
            to = await email_unsubscribe.receiver(self.desk.store, self.tenant, reference)
            if to is not None:
                await self._hear(NoMore(mail.id, normal(to), "complaint", reference))
        return True

    async def _hear(self, told: Progress | NoMore | Ignored) -> None:
        match told:
            case Progress():
                event = email_facts.progressed(told, domain=self.door.domain)
                if event is not None:
                    await self._store(f"{told.id} {told.state}", event)
            case NoMore():
                digest = await self.desk.digest(self.tenant, EMAIL, told.address)
                await self._store(f"{told.id} no more", email_facts.no_more(told, digest=digest))
            case Ignored(name):
                self.desk.count(EMAIL, "event_ignored")
                log.debug("an event that changes nothing", event_name=name)

    async def _store(self, provider_id: str, event: Event) -> None:
        await self.desk.take(self.tenant, EMAIL, provider_id, event)

    async def _admit_mailgun(self, given: MailgunSignature, content: bytes) -> None:
        """Raises Problem 401 for what Mailgun did not sign, and for a signature that came with other content before."""
        if not verify_mailgun(given, self.door.mailgun_signing_key, self.desk.clock.now()) or len(given.token) > 200:
            raise self._unproven("signature must be Mailgun's HMAC of timestamp and token, not older than 12 hours")
        first = await self.desk.store.pool.fetchval(_SEEN, self.tenant, given.token, content)
        if first != content:
            raise self._unproven("this token came with other content before")

    def _read(self, read: Callable[[], list[email_events.Told]], refusal: int | None = None) -> list[email_events.Told]:
        try:
            return read()
        except Malformed as malformed:
            raise self._problem(malformed, refusal) from malformed

    def _unproven(self, detail: str) -> Problem:
        self.desk.refuse(EMAIL, "signature")
        return Problem(401, "The signature is wrong", detail)

    def _problem(self, malformed: Malformed, status: int | None = None) -> Problem:
        """Mailgun repeats everything but 406; SendGrid what is no success of events, and of mails only 5xx."""
        self.desk.refuse(EMAIL, "shape")
        unread = malformed.path in ("$", "Content-Type")
        return Problem(
            status or (400 if unread else 422),
            "The webhook has the wrong shape",
            str(malformed),
            errors=[{"in": "body", "path": malformed.path, "message": malformed.problem}],
        )


def _attachment(file: File) -> Attachment:
    return Attachment(
        media_type=file.media_type,
        name=file.name,
        size=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
    )


def _signature(form: Form) -> MailgunSignature | None:
    """What Mailgun signs a route's form with; None for a form of SendGrid's."""
    given = [form.get(name) for name in ("timestamp", "token", "signature")]
    if not all(isinstance(each, bytes) for each in given):
        return None
    timestamp, token, signature = (each.decode("utf-8", "replace") for each in given if isinstance(each, bytes))
    return MailgunSignature(timestamp, token, signature)


def _digest(form: Form) -> bytes:
    """What a form says, whatever its boundary and the order of its fields."""
    digest = hashlib.sha256()
    for name, field in sorted(form.items()):
        content = field.content if isinstance(field, Upload) else field
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()


def _whole(form: Form) -> bytes | None:
    """The mail as its sender's server wrote it, where the provider passes it on."""
    field = form.get("email") or form.get("body-mime")
    return field.content if isinstance(field, Upload) else field


async def _aside(size: int, work: Callable[..., Any], *args: Any) -> Any:
    """Read here, or in a thread where it would hold up everybody else."""
    return await asyncio.to_thread(work, *args) if size > _ASIDE else work(*args)
