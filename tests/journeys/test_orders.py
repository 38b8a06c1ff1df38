"""order_fulfillment, from its rules to its ends: confirmed, delayed, delivered, disputed, cancelled."""

from typing import Any

import pytest

from events import backend, conversation, followup, message
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_is_confirmed_delivered_and_completed(town: Town):
    asha = await town.somebody()
    await ordered(asha)
    assert (await asha.received())[0]["template"] == "order_confirmation_v1"
    await asha.says("Yes, the order is correct, everything is fine")
    await asha.sees(conversation.ProcessMoved, to_state="confirmed")
    await asha.sees(message.Accepted, times=2)
    await town.event("order_delivered", {"order_number": asha.order, "contact_id": asha.id})
    await asha.sees(conversation.ProcessMoved, to_state="delivered")
    await asha.says("Everything has arrived, thank you, all received in good order")
    await asha.sees(conversation.ProcessMoved, to_state="completed")
    await asha.sees(followup.Resolved)
    await asha.sees(backend.CallCompleted, endpoint="record_order_outcome")
    [told] = [each for each in await town.writes("/outcome") if asha.order in each["path"]]
    assert told["body"] == {"status": "resolved", "outcome": "completed"}
    await asha.sees(conversation.Closed, reason="resolved")


async def test_an_order_that_is_delivered_in_silence_is_completed_in_silence(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await ordered(asha)
    waits = await asha.sees(conversation.TimerSet, purpose="no_reply")
    await town.clock.set(waits.event.due_at)
    await asha.sees(conversation.ProcessMoved, to_state="confirmed")
    await town.event("order_delivered", {"order_number": asha.order, "contact_id": asha.id})
    await asha.sees(conversation.ProcessMoved, to_state="delivered")
    await asha.sees(message.Accepted, times=2)
    waits = await asha.sees(conversation.TimerSet, purpose="no_reply", times=2)
    await town.clock.set(waits.event.due_at)
    await asha.sees(conversation.ProcessMoved, to_state="completed")
    await asha.sees(conversation.Closed, reason="resolved")
    assert [each["template"] for each in await asha.received()] == ["order_confirmation_v1", "order_delivered_v1"]


async def test_a_delay_of_an_order_that_nobody_follows_opens_a_followup_of_its_own(town: Town):
    asha = await town.somebody()
    await shipped(town, asha)
    await delayed(asha)
    await asha.sees(backend.CallCompleted, endpoint="track_shipment")
    await asha.sees(message.Accepted)
    [opened] = await asha.facts(followup.Opened)
    assert opened.event.rule_id == "shipment_delayed"
    assert (await asha.received())[0]["template"] == "shipment_delayed_v1"


async def test_a_delay_of_an_order_that_is_followed_moves_its_map_and_opens_no_second_followup(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await shipped(town, asha)
    await ordered(asha)
    await delayed(asha)
    await asha.sees(conversation.ProcessMoved, to_state="delayed")
    waits = await asha.sees(followup.Deferred)
    await town.clock.set(waits.event.until)
    await asha.sees(message.Accepted, times=2)
    assert len(await asha.facts(followup.Opened)) == 1
    assert (await asha.received())[-1]["template"] == "shipment_delayed_v1"


async def test_a_delay_of_less_than_a_day_is_no_matter(town: Town):
    asha = await town.somebody()
    await delayed(asha, delay_days=0)
    ravi = await town.somebody()
    await ordered(ravi)
    assert await asha.facts(followup.Opened) == []


async def test_a_contact_who_asks_where_the_order_is_is_told_what_the_carrier_says(town: Town):
    asha = await town.somebody()
    await shipped(town, asha)
    await ordered(asha, shipment_id=f"SHP-{asha.number}")
    await asha.says("Where is my order? When will it come?")
    await asha.sees(backend.CallCompleted, endpoint="track_shipment")
    await asha.sees(message.Accepted, times=2)
    assert (await asha.received())[-1]["type"] == "text"


async def test_a_contact_who_asks_for_an_order_without_a_shipment_is_answered_too(town: Town):
    asha = await town.somebody()
    await ordered(asha)
    await asha.says("Where is my order? When will it come?")
    await asha.sees(conversation.StepEntered, step="not_shipped")
    await asha.sees(message.Accepted, times=2)


async def test_a_problem_with_an_order_ends_with_a_person(town: Town):
    asha = await town.somebody()
    await ordered(asha)
    await asha.says("There is a problem with the order: two boxes are damaged and one item is missing")
    await asha.sees(conversation.ProcessMoved, to_state="issue_reported")
    await asha.sees(backend.CallCompleted, endpoint="get_order_issues")
    await asha.sees(message.Accepted, times=2)
    await asha.says("2 pieces are broken, photo sent, 1 box is missing")
    await asha.sees(conversation.ProcessMoved, to_state="escalated")
    await asha.sees(conversation.Escalated, queue="orders")
    await asha.sees(message.Accepted, times=3)


async def test_a_contact_who_wants_a_person_gets_one(town: Town):
    asha = await town.somebody()
    await ordered(asha)
    await asha.says("I want to speak with a person please")
    escalated = await asha.sees(conversation.Escalated, queue="orders")
    assert asha.order in escalated.event.reason
    await asha.sees(message.Accepted, times=2)


@pytest.mark.parametrize("when", ["before it is confirmed", "after it is confirmed"])
async def test_a_cancelled_order_is_not_written_about_any_more(town: Town, when: str):
    asha = await town.somebody()
    await ordered(asha)
    if when.startswith("after"):
        await asha.says("Yes, the order is correct, everything is fine")
        await asha.sees(conversation.ProcessMoved, to_state="confirmed")
        await asha.sees(message.Accepted, times=2)
    written = len(await asha.received())
    await town.event("order_cancelled", {"order_number": asha.order, "contact_id": asha.id})
    await asha.sees((followup.Resolved, followup.Cancelled))
    await asha.sees(conversation.Closed)
    assert len(await asha.received()) == written


async def ordered(asha: Person, **more: Any) -> None:
    """The ERP says that they have placed an order; they have been told."""
    data = {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"}
    await asha.town.event("order_placed", data | more)
    await asha.sees(message.Accepted)
    await asha.sees(conversation.ProcessMoved, to_state="informed")


async def shipped(town: Town, asha: Person) -> None:
    """The order is with a carrier."""
    await town.told(
        "erp/shipments",
        {
            "id": f"SHP-{asha.number}",
            "order_id": asha.order,
            "carrier": "Deccan Cargo",
            "status": "in_transit",
            "eta": "2026-02-27",
        },
    )


async def delayed(asha: Person, *, delay_days: int = 3) -> None:
    """The ERP says that the order comes later."""
    await asha.town.event(
        "shipment_delayed",
        {
            "order_number": asha.order,
            "contact_id": asha.id,
            "shipment_id": f"SHP-{asha.number}",
            "delay_days": delay_days,
            "expected_date": "2026-02-27",
        },
    )
