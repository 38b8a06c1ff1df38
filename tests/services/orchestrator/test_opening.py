"""Which follow-ups begin, on the real log: what makes one pointless ends it, in whatever order we come to hear of both."""

from typing import Any

from events.business import EventReceived
from events.followup import Cancelled, Opened
from events.rules import Evaluated, MatchedFollowup
from events.values import CancelOn
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, PRIYA
from tests.services.orchestrator.neighbours import Neighbours

BY_ENTITY = CancelOn(event="invoice_cancelled", match={"entity_id": "{{invoice_number}}"})
REMINDER = MatchedFollowup(
    rule_id="overdue_reminder",
    contact_id=PRIYA,
    reason="overdue",
    dedupe_key=f"payment:{INVOICE}",
    process_type="payment_collection",
    entity_type="invoice",
    entity_id=INVOICE,
    flow="payment_reminder",
    cancel_on=[BY_ENTITY],
)


async def erp_says(neighbours: Neighbours, number: int, event_name: str, **data: Any) -> None:
    told = EventReceived(event_name=event_name, external_id=str(number), origin="erp", fingerprint="f", data=data)
    await neighbours.say(f"business-{number}", told, contact=None)


async def rules_say(neighbours: Neighbours, number: int, event_name: str, *matched: MatchedFollowup) -> None:
    said = Evaluated(event_name=event_name, business_stream=f"business-{number}", matched=list(matched), rejected=[])
    await neighbours.say(f"rules-{number}", said, contact=None)


async def test_an_event_that_came_before_rules_asked_for_what_it_makes_pointless_ends_it_all_the_same(
    neighbours: Neighbours,
):
    await erp_says(neighbours, 1, "invoice_overdue", **INVOICE_OVERDUE)
    await erp_says(neighbours, 2, "invoice_cancelled", invoice_number=INVOICE)
    await rules_say(neighbours, 1, "invoice_overdue", REMINDER)
    await rules_say(neighbours, 2, "invoice_cancelled")
    opened = await neighbours.heard(Opened)
    ended = await neighbours.heard(Cancelled)
    assert (ended.stream, ended.event.reason) == (opened.stream, "invoice_cancelled made it pointless")


async def test_an_event_that_ends_a_follow_up_and_asks_for_another_of_its_key_opens_that(neighbours: Neighbours):
    anew = MatchedFollowup(
        **{name: getattr(REMINDER, name) for name in REMINDER.__struct_fields__}
        | {"cancel_on": [CancelOn(event="invoice_overdue", match={"entity_id": "{{invoice_number}}"})]}
    )
    for number in (1, 2):
        await erp_says(neighbours, number, "invoice_overdue", **INVOICE_OVERDUE, reason=f"event {number}")
    for number in (1, 2):
        await rules_say(neighbours, number, "invoice_overdue", anew)
    ended = await neighbours.heard(Cancelled)
    newer = await neighbours.heard(Opened, business_stream="business-2")
    assert ended.stream != newer.stream
