"""An emulator of Meta's Graph API for WhatsApp: takes messages, delivers them, lets contacts answer, fails on demand."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import msgspec

from services.sandbox import meta_templates, meta_webhook
from services.sandbox.contact import Contacts
from services.sandbox.contact_script import Choice, File
from services.sandbox.deepgram import Deepgram, Utterance
from services.sandbox.meta_media import Media, Shelf
from services.sandbox.meta_mouth import WhatsAppMouth
from services.sandbox.meta_send import GraphError, Outgoing, ReadMark, check
from services.sandbox.meta_templates import TemplateEvent
from services.sandbox.meta_webhook import Saying, Webhooks
from services.sandbox.settings import MetaSettings, Template
from services.sandbox.state import Answer, Background, Faults

Call = Literal["send", "mark", "upload", "media", "download", "templates"]
"""A message; a read mark; a file that comes; the place of one; the file itself; the list of templates."""

SERVICE_WINDOW = timedelta(hours=24)
SERVICE_BILLED_FROM = datetime(2026, 10, 1, tzinfo=UTC)
"""Until then answers inside the window are free. Source: two resellers."""
DEFAULT_PHONE_ID = "106540352242922"


class MetaFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` calls `on` something: before, in and after the answer; sends also `to` a wa_id."""

    times: int = 1
    on: Call = "send"
    to: str | None = None
    refuse: int | None = None
    """Answered with this error code; nothing is sent."""
    details: str = "said by the sandbox"
    retry_after: float | None = None
    """Seconds, in the header of the refusal."""
    answer: Answer = "whole"
    commits: bool = True
    """Whether the message is sent although the answer is garbled, dropped or hung."""
    seconds: float = 30.0
    fails: int | None = None
    """Accepted, and failed with this error code afterwards."""
    silent: bool = False
    """No status ever comes."""
    late: float = 0.0
    """Seconds until the first status comes."""
    before_answer: bool = False
    """The first status comes before the answer to the send."""
    copies: int = 1
    order: Literal["forwards", "backwards"] = "forwards"
    batched: bool = False
    numeric_ids: bool = False
    corrupt: bool = False
    """A downloaded file is not the one that was announced."""


class Message(msgspec.Struct, kw_only=True):
    """A message that was sent: one that two requests asked for is here twice."""

    id: str
    phone_id: str
    to: str
    type: str
    text: str
    template: str | None
    category: str
    reference: str | None
    reply_to: str | None
    at: datetime
    choices: list[tuple[str, str]] = msgspec.field(default_factory=list)
    file: str | None = None
    file_name: str | None = None
    payloads: list[str] = msgspec.field(default_factory=list)
    states: list[str] = msgspec.field(default_factory=list)


class Meta:
    """One Graph API with everything that was sent over it. Times are business time, waits are machine time."""

    def __init__(
        self,
        settings: MetaSettings,
        *,
        now: Callable[[], datetime],
        client: httpx.AsyncClient,
        contacts: Contacts,
        ears: Deepgram,
        background: Background,
    ) -> None:
        self.settings = settings
        self.contacts = contacts
        self.webhooks = Webhooks(settings, client, background)
        self.faults: Faults[MetaFault] = Faults()
        self.messages: list[Message] = []
        self.read_marks: list[str] = []
        self.typing: list[str] = []
        self.shelf = Shelf(now)
        self.requests = 0
        self.templates: tuple[Template, ...] | None = settings.templates
        self.unreachable: set[str] = set()
        self._background = background
        self._now = now
        self._last_inbound: dict[tuple[str, str], datetime] = {}
        self._last_sent: dict[tuple[str, str], datetime] = {}
        self._talks_to: dict[str, str] = {}
        self._ears = ears
        contacts.speaks("whatsapp", WhatsAppMouth(self.say, self.keep))

    def reset(self) -> None:
        """As at the start, with nothing on its way; the callback URL stays."""
        self._background.drop()
        self.faults.clear()
        self.messages.clear()
        self.read_marks.clear()
        self.typing.clear()
        self.shelf.clear()
        self.webhooks.deliveries.clear()
        self.requests = 0
        self.templates = self.settings.templates
        self.unreachable.clear()
        self._last_inbound.clear()
        self._last_sent.clear()
        self._talks_to.clear()

    async def take(
        self, version: str, phone_id: str, token: str | None, raw: bytes
    ) -> tuple[dict[str, Any], MetaFault]:
        """The answer to a send or a read mark, and how it is to reach the caller; raises `GraphError`."""
        self.requests += 1
        self.admit_to(version, phone_id, token)
        wanted = check(raw, self.templates, self.settings.display_number, self.shelf.has)
        if isinstance(wanted, ReadMark):
            fault = self.fault("mark")
            self.read_marks.append(wanted.message_id)
            if wanted.typing:
                self.typing.append(wanted.message_id)
            return {"success": True}, fault
        fault = self.fault("send", wanted.to)
        if fault.answer != "whole" and not fault.commits:
            return {}, fault
        self._keep_pair_rate(phone_id, wanted.to)
        message = self._commit(phone_id, wanted)
        if fault.before_answer:
            await self._tell(message, ["sent"], fault)
        self._background.start(self._carry(message, fault))
        return _accepted(message), fault

    def fault(self, call: Call, to: str | None = None) -> MetaFault:
        """What befalls a call; raises `GraphError` where it is refused."""
        fault = self.faults.take(
            lambda fault: fault.on == call and (fault.to is None or fault.to.removeprefix("+") == to)
        )
        if fault is not None and fault.refuse is not None:
            raise GraphError(fault.refuse, fault.details, retry_after=fault.retry_after)
        return fault or MetaFault()

    def keep(self, file: File) -> Media:
        """A file that somebody sends, to be fetched; what is spoken in it Deepgram's emulator will hear."""
        if file.spoken is not None:
            digest = hashlib.sha256(file.content).hexdigest()
            self._ears.teach(Utterance(transcript=file.spoken, sha256=digest))
        return self.shelf.keep(file.content, file.media_type, file.name)

    async def change(self, field: str, value: dict[str, Any]) -> None:
        """Meta tells of something that is no message, by webhook."""
        phone_id = self.settings.phone_id or DEFAULT_PHONE_ID
        body = meta_webhook.change(field, value, self.settings.display_number, phone_id)
        await self.webhooks.post(body, self._now())

    async def template(self, event: TemplateEvent) -> None:
        """Meta does something to a template, and tells it. Raises ValueError for one that is not there."""
        self.templates = meta_templates.changed(self.templates or (), event)
        category = next(each.category for each in self.templates if each.name == event.name)
        await self.webhooks.post(meta_templates.webhook(event, category, self._now()), self._now())

    async def say(self, saying: Saying) -> str:
        """A contact says something to the business, by webhook; opens the service window. Gives the wamid."""
        sender = saying.sender.removeprefix("+")
        phone_id = saying.phone_id or self._talks_to.get(sender) or self.settings.phone_id or DEFAULT_PHONE_ID
        at = self._now()
        self._last_inbound[phone_id, _person(sender)] = at
        wamid = saying.id or _wamid(sender)
        content = saying.message or {"type": "text", "text": {"body": saying.text or ""}}
        value = meta_webhook.inbound(
            wamid,
            sender,
            saying.name or self.contacts.name(sender),
            at,
            content,
            quoted=saying.quoted,
            hidden=saying.hide_phone,
        )
        await self._post(phone_id, value, at, copies=saying.copies, numeric=saying.numeric_ids)
        return wamid

    def number(self, phone_id: str) -> dict[str, str]:
        """What Meta tells of a number of the business."""
        shown = "+" + self.settings.display_number
        return {"id": phone_id, "display_phone_number": shown, "verified_name": "Acme", "quality_rating": "GREEN"}

    def admit(self, token: str | None) -> None:
        """Let a caller in by its token; raises `GraphError`."""
        if not token or (self.settings.access_token is not None and token != self.settings.access_token):
            raise GraphError(190, "Invalid OAuth access token")

    def admit_to(self, version: str, phone_id: str, token: str | None) -> None:
        """The same to a number of the business."""
        self.admit(token)
        if not version.startswith("v"):
            raise GraphError(2500, f"Unknown path components: /{version}", 400)
        if self.settings.phone_id is not None and phone_id != self.settings.phone_id:
            raise GraphError(100, f"Object with ID '{phone_id}' does not exist or lacks permissions", 400)

    def _keep_pair_rate(self, phone_id: str, to: str) -> None:
        last, rate = self._last_sent.get((phone_id, to)), self.settings.pair_rate
        if rate is not None and last is not None and self._now() - last < timedelta(seconds=rate):
            raise GraphError(131056, "too many messages sent from this number to the same number in a short time")

    def _commit(self, phone_id: str, wanted: Outgoing) -> Message:
        message = Message(
            id=_wamid(wanted.to), phone_id=phone_id, at=self._now(), states=[], **msgspec.structs.asdict(wanted)
        )
        self.messages.append(message)
        self._last_sent[phone_id, wanted.to] = message.at
        self._talks_to[wanted.to] = phone_id
        return message

    def _failure(self, message: Message) -> int | None:
        """The code with which Meta fails a message that it has accepted."""
        if message.to in self.unreachable:
            return 131026
        return 131047 if message.type != "template" and not self._window_is_open(message) else None

    def _window_is_open(self, message: Message) -> bool:
        last = self._last_inbound.get((message.phone_id, _person(message.to)))
        return last is not None and message.at < last + SERVICE_WINDOW

    def _is_billable(self, message: Message) -> bool:
        free = message.category in ("service", "utility") and self._window_is_open(message)
        return not free or message.at >= SERVICE_BILLED_FROM

    async def _carry(self, message: Message, fault: MetaFault) -> None:
        """The way of a message to the contact, told by webhooks; then the contact answers."""
        error = fault.fails if fault.fails is not None else self._failure(message)
        states = ["failed"] if error is not None else ["sent", "delivered", "read"]
        if fault.before_answer and error is None:
            states = states[1:]
        if fault.order == "backwards":
            states.reverse()
        await asyncio.sleep(fault.late)
        if fault.silent:
            message.states += states
        elif fault.batched:
            await self._tell(message, states, fault, error)
        else:
            for state in states:
                await asyncio.sleep(self._wait_before(state))
                await self._tell(message, [state], fault, error)
        if error is None:
            self.contacts.hear(
                "whatsapp",
                message.to,
                message.text,
                template=message.template,
                id=message.id,
                account=message.phone_id,
                choices=[Choice(*each) for each in message.choices],
            )

    def _wait_before(self, state: str) -> float:
        return {"delivered": self.settings.delivered_after, "read": self.settings.read_after}.get(state, 0.0)

    async def _tell(self, message: Message, states: list[str], fault: MetaFault, error: int | None = None) -> None:
        at = self._now()
        message.states += states
        parts = [
            meta_webhook.status(
                message.id,
                message.to,
                state,
                at,
                reference=message.reference,
                category=message.category,
                billable=self._is_billable(message),
                error=error if state == "failed" else None,
            )
            for state in states
        ]
        value = meta_webhook.statuses(message.to, parts)
        await self._post(message.phone_id, value, at, copies=fault.copies, numeric=fault.numeric_ids)

    async def _post(self, phone_id: str, value: dict[str, Any], at: datetime, *, copies: int, numeric: bool) -> None:
        body = meta_webhook.envelope(phone_id, self.settings.display_number, value)
        await self.webhooks.post(meta_webhook.numeric(body) if numeric else body, at, copies=copies)


def _accepted(message: Message) -> dict[str, Any]:
    if message.to.isdigit():
        person = {"input": message.to, "wa_id": message.to, "user_id": meta_webhook.user_id(message.to)}
    else:
        person = {"input": message.to, "user_id": message.to}
    sent: dict[str, Any] = {"id": message.id}
    if message.type == "template":
        sent["message_status"] = "accepted"
    return {"messaging_product": "whatsapp", "contacts": [person], "messages": [sent]}


def _person(to: str) -> str:
    """The user id, which a contact has with and without a phone."""
    return meta_webhook.user_id(to) if to.isdigit() else to


def _wamid(person: str) -> str:
    """An id that was never given before, also not by an emulator that ran earlier."""
    name, random = person.removeprefix("+").encode(), secrets.token_hex(9).upper().encode()
    told = b"\x1c\x18" + bytes([len(name)]) + name + b"\x15\x02\x00\x11\x18" + bytes([len(random)]) + random + b"\x00"
    return "wamid." + base64.b64encode(told).decode()
