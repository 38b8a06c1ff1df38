"""What the demo tells on each channel: whom it is about, what must be seen, and what the contact does by themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from events import backend, business, conversation, followup, inbound, message, rules, timer, turn
from events.values import Channel

IST = timezone(timedelta(hours=5, minutes=30))
START = datetime(2026, 2, 16, 10, 30, tzinfo=IST)
PAYDAY = datetime(2026, 2, 20, 10, 0, tzinfo=IST)

A_DAY_EARLY = PAYDAY - timedelta(days=1)

Sees = Callable[[Any], bool]
Wanted = Literal["whatsapp", "email", "chat", "sms", "voice", "all"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that must be seen, and what it is called."""

    title: str
    sees: Sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An overdue invoice of one contact: `morning` until the promise, `afterwards` until it is settled.

    `before` is seen before the ERP says anything. `prepared` and `payday` are told to the emulators (method, path below `/_sandbox`, body) before each of the two.
    """

    title: str
    contact: str
    invoice: str
    amount: int
    morning: tuple[Step, ...]
    afterwards: tuple[Step, ...]
    before: tuple[Step, ...] = ()
    prepared: tuple[tuple[str, str, Any], ...] = ()
    payday: tuple[tuple[str, str, Any], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    """What the ERP says of the invoice beside that."""
    later: datetime = PAYDAY
    later_title: str = "20 February, the day of the promise: the invoice is paid, and the check is due"
    wanders_over: tuple[Channel, ...] = ()
    by_phone: bool = False

    @property
    def event(self) -> Mapping[str, Any]:
        """What the ERP posts."""
        data = {
            "invoice_number": self.invoice,
            "contact_id": self.contact,
            "amount": self.amount,
            "currency": "INR",
            "due_date": "2026-01-30",
            "days_overdue": 17,
            **self.more,
        }
        return {
            "event_name": "invoice_overdue",
            "event_id": f"demo-overdue-{self.invoice}",
            "source": "demo-erp",
            "data": data,
        }


def story_of(wanted: Wanted) -> Story:
    """The story of one channel, or of one matter that wanders over all of them."""
    return _wandering() if wanted == "all" else _on(wanted)


ADDRESSES: Mapping[Channel, str] = {
    "whatsapp": "+919876543210",
    "sms": "+919876543210",
    "email": "priya.sharma@acme.example",
    "chat": "c_123",
}
"""Where Priya is; in the story of a channel the ERP knows this address of hers only."""
NAMES: Mapping[Channel, str] = {
    "whatsapp": "WhatsApp",
    "sms": "SMS",
    "email": "e-mail",
    "chat": "the web chat",
    "voice": "the phone",
}


def _on(channel: Channel) -> Story:
    name = NAMES[channel]
    arrives = {
        "whatsapp": (Step("it was delivered", is_a(message.Delivered)), Step("it was read", is_a(message.Read))),
        "chat": (Step("it was delivered", is_a(message.Delivered)), Step("it was read", is_a(message.Read))),
        "sms": (Step("it was delivered", is_a(message.Delivered)),),
        "email": (Step("it was delivered", is_a(message.Delivered)),),
    }[channel]
    confirmed = {
        "whatsapp": (Step("the confirmation was read", is_a(message.Read)),),
        "chat": (Step("the confirmation was read", is_a(message.Read)),),
        "sms": (Step("the confirmation was delivered", is_a(message.Delivered)),),
        "email": (Step("the confirmation was delivered", is_a(message.Delivered)),),
    }[channel]
    registered = channel in ("whatsapp", "sms")
    written = () if registered else (Step("Claude (emulated) writes it", is_a(turn.Completed)),)
    consent = {"at": "2025-11-03T09:30:00Z", "evidence": "order form, box ticked"}
    contact = {
        "id": "c_123",
        "name": "Priya Sharma",
        "role": "accounts payable",
        "organization": "Acme Corp",
        "channels": [{"channel": channel, "address": ADDRESSES[channel], "consent": consent}],
    }
    prepared: list[tuple[str, str, Any]] = [("POST", "erp/contacts", contact)]
    if channel == "chat":
        prepared.append(("POST", "contacts/c_123/say", {"channel": "chat", "say": ["Namaste"]}))
    story = Story(
        title=f"Priya is reminded by {name}" if channel != "chat" else "Priya is reminded in the web chat",
        contact="c_123",
        invoice="INV-2026-0042",
        amount=52400,
        more={"preferred_channel": channel} if channel in ("chat", "sms") else {},
        prepared=tuple(prepared),
        morning=(
            *opening(channel),
            *written,
            Step(
                f"a template goes out by {name}" if registered else f"a message goes out by {name}",
                asks_for("approach", channel),
            ),
            Step("the provider took it", is_a(message.Accepted, channel=channel)),
            Step("the process moved: pending → reminded", moves("pending", "reminded")),
            *arrives,
            Step("Priya answers", is_a(inbound.Received, channel=channel)),
            *_promised(),
            Step("the promise is confirmed to Priya", asks_for("answer", channel)),
            *confirmed,
        ),
        before=_in_the_chat() if channel == "chat" else (),
        afterwards=(*checked(), *settled("Priya", channel)),
    )
    if channel == "chat":  # where only somebody who is there can be spoken to, she says herself that she has paid
        return replace(
            story,
            payday=(("POST", "contacts/c_123/say", {"channel": "chat", "say": ["Payment kar diya hai"]}),),
            later=A_DAY_EARLY,
            later_title="19 February, a day early: the invoice is paid, and Priya says so in the chat",
            afterwards=_says_paid("Priya", "chat"),
        )
    return story


def _in_the_chat() -> tuple[Step, ...]:
    return (
        Step("Priya is in the chat", is_a(inbound.Received, channel="chat")),
        Step("Claude (emulated) greets her back", is_a(turn.Completed)),
        Step("she has read it", is_a(message.Read, channel="chat")),
    )


def _wandering() -> Story:
    say = {"channel": "sms", "say": ["Payment kar diya hai"]}
    return Story(
        title="Vikram answers a mail on WhatsApp, promises in the chat, and says by SMS that he has paid",
        contact="c_131",
        invoice="INV-2026-0031",
        amount=410000,
        wanders_over=("email", "whatsapp", "chat", "sms"),
        later=A_DAY_EARLY,
        later_title="19 February, a day early: the invoice is paid, and Vikram says so by himself",
        payday=(("POST", "contacts/c_131/say", say),),
        morning=(
            *opening("email"),
            Step("a mail goes out", asks_for("approach", "email")),
            Step("the mail server took it", is_a(message.Accepted, channel="email")),
            Step("the process moved: pending → reminded", moves("pending", "reminded")),
            Step("Vikram answers on WhatsApp", is_a(inbound.Received, channel="whatsapp")),
            Step("he is answered on WhatsApp", asks_for("answer", "whatsapp")),
            Step("Vikram goes on in the chat", is_a(inbound.Received, channel="chat")),
            *_promised(),
            Step("the promise is confirmed in the chat", asks_for("answer", "chat")),
            Step("he has read it there", is_a(message.Read, channel="chat")),
        ),
        afterwards=_says_paid("Vikram", "sms"),
    )


def opening(channel: Channel) -> tuple[Step, ...]:
    return (
        Step("the event is stored", is_a(business.EventReceived, event_name="invoice_overdue")),
        Step("a rule matched, and why", lambda event: isinstance(event, rules.Evaluated) and bool(event.matched)),
        Step("a follow-up is open", is_a(followup.Opened)),
        Step("the contact policy allowed the approach", is_a(followup.AttemptStarted, channel=channel)),
    )


def _promised() -> tuple[Step, ...]:
    return (
        Step("Claude (emulated) understood a promise and its date", _promises),
        Step("the process moved: reminded → promised", moves("reminded", "promised")),
        Step("a check is scheduled", is_a(conversation.TimerSet, purpose="check")),
        Step("the ERP took the promise", confirms("record_promise")),
    )


def checked() -> tuple[Step, ...]:
    return (
        Step("the check is due", is_a(timer.Fired)),
        Step("the process moved: promised → confirmed", moves("promised", "confirmed")),
    )


def _says_paid(who: str, channel: Channel) -> tuple[Step, ...]:
    """The contact says it before we ask; the ERP is asked at once."""
    return (
        Step(
            f"{who} writes by {NAMES[channel]}" if channel == "sms" else f"{who} writes",
            is_a(inbound.Received, channel=channel),
        ),
        Step("Claude (emulated) understood that it is paid", _says("already_paid")),
        Step("the ERP is asked, and says paid", is_a(backend.CallCompleted, endpoint="check_payment")),
        Step("the process moved: acknowledged → confirmed", moves("acknowledged", "confirmed")),
        *settled(who, channel, purpose="answer"),
    )


def settled(who: str, channel: Channel, *, purpose: str = "approach") -> tuple[Step, ...]:
    return (
        Step("the follow-up is resolved", is_a(followup.Resolved)),
        Step("the ERP was told, and confirmed", confirms("record_outcome")),
        Step(f"{who} is thanked", asks_for(purpose, channel)),
        Step("the conversation is closed", is_a(conversation.Closed, reason="resolved")),
    )


def is_a(kind: type[Any], /, **about: Any) -> Sees:
    def sees(event: Any) -> bool:
        return isinstance(event, kind) and all(getattr(event, name) == value for name, value in about.items())

    return sees


def moves(before: str, after: str) -> Sees:
    return is_a(conversation.ProcessMoved, from_state=before, to_state=after)


def asks_for(purpose: str, channel: Channel) -> Sees:
    return is_a(conversation.MessageRequested, purpose=purpose, channel=channel)


def _says(intent: str) -> Sees:
    return lambda event: isinstance(event, turn.Completed) and intent in event.intents


def _promises(event: Any) -> bool:
    if not isinstance(event, turn.Completed) or not {"promise_to_pay", "will_pay"}.intersection(event.intents):
        return False
    return event.extracted_info.get("payment_date") == "2026-02-20"


def confirms(endpoint: str) -> Sees:
    return is_a(backend.CallCompleted, kind="write", endpoint=endpoint)
