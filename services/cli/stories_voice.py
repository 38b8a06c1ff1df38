"""What the demo tells on the phone: Priya is called, gets the invoice on WhatsApp while she speaks, and promises a day."""

from typing import Any

from events import call, conversation, message, person, phone
from services.cli.stories import (
    ADDRESSES,
    Step,
    Story,
    asks_for,
    checked,
    confirms,
    is_a,
    moves,
    opening,
    settled,
)

PHONE = ADDRESSES["whatsapp"]
CONSENT = {"at": "2025-11-03T09:30:00Z", "evidence": "order form, box ticked"}
PRIYA = {
    "id": "c_123",
    "name": "Priya Sharma",
    "role": "accounts payable",
    "organization": "Acme Corp",
    "channels": [
        {"channel": "voice", "address": PHONE, "consent": CONSENT},
        {"channel": "whatsapp", "address": PHONE, "consent": CONSENT},
    ],
}


def by_phone() -> Story:
    """The story; all of its morning happens in one call."""
    return Story(
        title="Priya is called: she asks for the invoice on WhatsApp, gets it while she speaks, and promises a day",
        by_phone=True,
        contact="c_123",
        invoice="INV-2026-0042",
        amount=52400,
        prepared=(("POST", "erp/contacts", PRIYA), ("DELETE", f"contacts/%2B{PHONE[1:]}/script", None)),
        morning=(
            # On WhatsApp she only reads: she is on the phone.
            *opening("voice"),
            Step("a call is asked for, which begins with the question who it is", _begins_with_who_it_is),
            Step("the carrier (emulated) dials", is_a(call.Dialled)),
            Step("Priya picks up", is_a(call.Answered)),
            Step("she is who was asked for: only now the debt is named", is_a(person.PersonHeard, verdict="confirmed")),
            Step("the process moved: pending → reminded", moves("pending", "reminded")),
            Step("the call goes on with the flow's step", is_a(phone.CallGuided, state="reminded")),
            Step("she asks for the invoice on WhatsApp", is_a(call.ToolCalled, tool="send_on_channel")),
            Step("it goes out while she speaks", asks_for("answer", "whatsapp")),
            Step("the provider took it", is_a(message.Accepted, channel="whatsapp")),
            Step("the agent hears that it was sent, and says so", _hears_of_it),
            Step("she promises to pay, and names the day", _promises),
            Step("the process moved: reminded → promised, during the call", moves("reminded", "promised")),
            Step("a check is scheduled", is_a(conversation.TimerSet, purpose="check")),
            Step("the ERP took the promise", confirms("record_promise")),
            Step("the call is over", is_a(call.Ended)),
            Step("the conversation knows what was said", is_a(phone.CallOver, outcome="talked")),
        ),
        afterwards=(*checked(), *settled("Priya", "whatsapp")),
    )


def _begins_with_who_it_is(event: Any) -> bool:
    if not isinstance(event, call.CallRequested) or not event.identifies:
        return False
    told = f"{event.opening} {event.instructions} {event.context}"
    return "INV-" not in told and "52400" not in told


def _hears_of_it(event: Any) -> bool:
    answers = event.answers.values() if isinstance(event, phone.CallGuided) else ()
    return any(each["status"] == "done" and "sent on whatsapp" in each["note"] for each in answers)


def _promises(event: Any) -> bool:
    meant = isinstance(event, conversation.Understood) and {"promise_to_pay", "will_pay"} & set(event.intents)
    return bool(meant) and event.extracted_info.get("payment_date") == "2026-02-20"
