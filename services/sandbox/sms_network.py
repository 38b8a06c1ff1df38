"""The mobile network behind every emulated SMS provider: what was sent, what becomes of it, and who answers."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from libs.domain.segments import Encoding, segments
from services.sandbox.contact import Contacts
from services.sandbox.contact_script import Utterance
from services.sandbox.settings import SmsSettings, SmsTemplate
from services.sandbox.sms_webhook import Webhooks
from services.sandbox.state import Answer, Background, Faults

Provider = Literal["exotel", "sns", "pinpoint"]
Fate = Literal["dlt", "dnd", "opted_out", "unreachable", "over_budget"]
"""Why a message that was taken does not arrive."""

INDIA = "+91"
STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "OPT-OUT", "ARRET", "REMOVE"})
START = frozenset({"START", "UNSTOP"})


class SmsFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` sends (to `to`, by `provider`): before, in and after the answer."""

    times: int = 1
    to: str | None = None
    provider: Provider | None = None
    refuse: str | None = None
    """Answered with this error, nothing is sent: `Throttling`, `ConflictException:REASON` (AWS), `429:40402` (Exotel)."""
    retry_after: float | None = None
    answer: Answer = "whole"
    commits: bool = True
    """Whether the message is sent although the answer is garbled, dropped or hung."""
    seconds: float = 30.0
    ends: str | None = None
    """Its last state: an event's type (`TEXT_UNKNOWN`), or a DetailedStatusCode of Exotel's (`20006`, `23035`)."""
    silent: bool = False
    before_answer: bool = False
    """The first status comes before the answer to the send."""
    copies: int = 1
    order: Literal["forwards", "backwards"] = "forwards"
    late: float = 0.0
    """Seconds of machine time before the first status."""
    form: Literal["form", "json"] = "form"
    numeric_ids: bool = False
    """Ids of digits are numbers in callbacks (which are JSON then)."""


class Message(msgspec.Struct, kw_only=True):
    """A message that a provider took: one that two requests asked for is here twice. `cost` in segments."""

    id: str
    provider: Provider
    to: str
    sender: str
    text: str
    encoding: Encoding
    segments: int
    reference: str | None
    entity_id: str | None
    template_id: str | None
    promotional: bool
    callback: str | None
    at: datetime
    states: list[str] = []
    fate: Fate | None = None


class Saying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Something that a contact says: to whoever wrote last, or to the number `to` of a `provider`."""

    sender: str
    text: str
    provider: Provider | None = None
    to: str | None = None
    id: str | None = None
    quoted: str | None = None
    copies: int = 1
    form: Literal["get", "form", "json"] = "get"
    numeric_ids: bool = False


class Voice(Protocol):
    """A provider's way of telling the business what a contact said."""

    async def hear(self, saying: Saying, id: str, quoted: Message | None, at: datetime) -> None: ...


Tell = Callable[[Message, str, SmsFault], Awaitable[None]]


class Network:
    """Everything that was sent and said. Times are business time, waits are machine time."""

    def __init__(
        self,
        settings: SmsSettings,
        *,
        now: Callable[[], datetime],
        contacts: Contacts,
        background: Background,
        webhooks: Webhooks,
    ) -> None:
        self.settings = settings
        self.now = now
        self.webhooks = webhooks
        self.background = background
        self.callback_url = settings.callback_url
        self.origin = settings.origin
        self.voices: dict[Provider, Voice] = {}
        self.faults: Faults[SmsFault] = Faults()
        self.messages: list[Message] = []
        self.requests = 0
        self.templates = settings.templates
        self.opted_out: set[str] = set()
        self.do_not_disturb: set[str] = set()
        self.unreachable: set[str] = set()
        self.budget: int | None = None
        self._contacts = contacts
        contacts.speaks("sms", self)

    def reset(self) -> None:
        """As at the start, with nothing on its way; where webhooks go stays."""
        self.background.drop()
        self.faults.clear()
        self.messages.clear()
        self.webhooks.deliveries.clear()
        self.requests = 0
        self.templates = self.settings.templates
        for numbers in (self.opted_out, self.do_not_disturb, self.unreachable):
            numbers.clear()
        self.budget = None

    def fault(self, provider: Provider, to: str) -> SmsFault:
        """What goes wrong with this send, if anything; uses it up."""
        found = self.faults.take(lambda each: each.to in (None, to) and each.provider in (None, provider))
        return found or SmsFault()

    @property
    def over_budget(self) -> bool:
        return self.budget is not None and sum(each.segments for each in self.messages) >= self.budget

    def commit(
        self,
        provider: Provider,
        *,
        id: str,
        to: str,
        sender: str,
        text: str,
        reference: str | None,
        entity_id: str | None,
        template_id: str | None,
        promotional: bool,
        callback: str | None = None,
    ) -> Message:
        """The provider has taken it."""
        counted = segments(text)
        message = Message(
            id=id,
            provider=provider,
            to=to,
            sender=sender,
            text=text,
            encoding=counted.encoding,
            segments=counted.count,
            reference=reference,
            entity_id=entity_id,
            template_id=template_id,
            promotional=promotional,
            callback=callback,
            at=self.now(),
        )
        message.fate = self._fate(message)
        self.messages.append(message)
        return message

    async def carry(self, message: Message, fault: SmsFault, way: Sequence[str], tell: Tell) -> None:
        """The way of a message, told state by state; whoever gets it may answer."""
        states = list(way)[1:] if fault.before_answer else list(way)
        if fault.order == "backwards":
            states.reverse()
        await asyncio.sleep(fault.late)
        for state in states:
            if state == way[-1]:
                await asyncio.sleep(self.settings.delivered_after)
            message.states.append(state)
            if not fault.silent:
                await tell(message, state, fault)
        if message.fate is None and fault.ends is None:
            self._contacts.hear(
                "sms", message.to, message.text, template=message.template_id, id=message.id, account=message.sender
            )

    async def say(self, saying: Saying | Utterance) -> None:
        """A contact says something, by the provider whose message came last, or by the one that is named."""
        if isinstance(saying, Utterance):
            words = "STOP" if saying.unsubscribe else saying.press.title if saying.press else saying.text
            if words is None:
                return  # a file: SMS carries none
            await self.say(Saying(sender=saying.address, text=words))
            return
        sender = "+" + re.sub(r"\D", "", saying.sender)
        last = next((each for each in reversed(self.messages) if each.to == sender), None)
        provider = saying.provider or (last.provider if last else self.settings.default_provider)
        if provider != "exotel":
            self._obey(sender, saying.text)
        quoted = next((each for each in self.messages if each.id == saying.quoted), last)
        quoted = quoted if quoted is not None and quoted.provider == provider else None
        said = msgspec.structs.replace(saying, sender=sender)
        id = saying.id or (str(secrets.randbelow(10**15)) if saying.numeric_ids else secrets.token_hex(16))
        await self.voices[provider].hear(said, id, quoted, self.now())

    def _obey(self, sender: str, text: str) -> None:
        """AWS keeps a list of who opted out by its keywords; the message is told all the same."""
        word = text.strip().upper()
        if word in STOP:
            self.opted_out.add(sender)
        elif word in START:
            self.opted_out.discard(sender)

    def _fate(self, message: Message) -> Fate | None:
        if self.over_budget:
            return "over_budget"
        if message.to in self.opted_out:
            return "opted_out"
        if message.to.startswith(INDIA) and not self._registered(message):
            return "dlt"
        if message.promotional and message.to in self.do_not_disturb:
            return "dnd"
        return "unreachable" if message.to in self.unreachable else None

    def _registered(self, message: Message) -> bool:
        """Whether DLT knows the text under these ids, byte for byte but for `{#var#}` of 30 characters at most."""
        if not message.entity_id or not message.template_id:
            return False
        return self.templates is None or any(_matches(message, each) for each in self.templates)


def _matches(message: Message, template: SmsTemplate) -> bool:
    if (message.entity_id, message.template_id) != (template.entity_id, template.template_id):
        return False
    if template.header not in (None, message.sender):
        return False
    fixed = (re.escape(part) for part in template.body.split("{#var#}"))
    return re.fullmatch("(?s:.{1,30})".join(fixed), message.text) is not None
