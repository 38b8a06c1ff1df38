"""A garage's bundle on the whole system: rules that act on a date, and a flow that collects until a visit is agreed on."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from events import backend, conversation, dialogue, followup, message, rules, timer
from libs.testkit.nouns import IST, MORNING
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

GARAGE = Path(__file__).parent / "garage"


async def service_due(asha: Person, due: str, **more: Any) -> None:
    data = {"contact_id": asha.id, "car": asha.invoice, "due_date": due}
    await asha.town.event("service_due", data | more)


async def test_a_follow_up_begins_on_its_date_and_a_newer_one_replaces_it(fresh_town: FreshTown):
    town = await fresh_town(config=GARAGE)
    asha = await town.somebody()
    await service_due(asha, "2026-03-10")
    scheduled = await asha.sees(followup.Scheduled)
    assert scheduled.event.due_at == datetime(2026, 3, 7, 10, tzinfo=IST)
    shown = await town.shows("/api/v1/followups", lambda body: bool(body["items"]), contact_id=asha.id)
    assert shown["items"][0]["status"] == "deferred"

    await service_due(asha, "2026-03-12")
    replaced = await asha.sees(followup.Cancelled)
    assert replaced.stream == scheduled.stream
    newer = (await asha.sees(followup.Scheduled, times=2)).event
    assert await asha.facts(message.Accepted) == []

    await town.clock.set(datetime(2026, 3, 7, 10, tzinfo=IST) + timedelta(minutes=1))
    await town.log.wait(lambda fact: isinstance(fact.event, timer.Fired))
    assert await asha.facts(conversation.Opened) == []
    await town.clock.set(newer.due_at)
    await asha.sees(message.Accepted)
    assert len(await asha.facts(followup.Joined)) == 1

    await asha.says("14 March ko, subah... morning")
    await asha.sees(conversation.ProcessMoved, to_state="booked")
    [told] = [each for each in await town.writes("/promises") if asha.invoice in each["path"]]
    assert told["body"] == {"promised_date": "2026-03-14", "part": "morning"}
    await asha.sees(conversation.Closed)
    assert (await asha.received())[-1]["text"].startswith("Booked as PRM-")


async def test_what_was_to_begin_later_is_cancelled_before_its_date(fresh_town: FreshTown):
    town = await fresh_town(config=GARAGE)
    asha = await town.somebody()
    await service_due(asha, "2026-03-10")
    await asha.sees(followup.Scheduled)
    await town.event("service_done", {"car": asha.invoice, "contact_id": asha.id})
    await asha.sees(followup.Cancelled)
    await town.clock.set(datetime(2026, 3, 8, tzinfo=IST))
    await town.log.wait(lambda fact: isinstance(fact.event, timer.Fired))
    assert await asha.facts(conversation.Opened) == []


async def test_questions_are_asked_one_by_one_and_an_answer_is_corrected(fresh_town: FreshTown):
    town = await fresh_town(config=GARAGE)
    asha = await town.somebody()
    await service_due(asha, "2026-02-18")
    evaluated = await asha.sees(rules.Evaluated)
    assert evaluated.event.matched[0].why[-1] == "2026-02-15T10:00+05:30 has passed: at once"
    await asha.sees(message.Accepted)
    await asha.says("Hello, 20 February")
    await asha.sees(dialogue.SlotFilled, slot="visit_date")
    await asha.sees(message.Accepted, times=2)
    assert "In the morning or in the afternoon?" in (await asha.received())[-1]["text"]
    await asha.says("no, I meant March")
    await asha.sees(dialogue.SlotFilled, corrected=True)
    await asha.sees(message.Accepted, times=3)
    await asha.says("afternoon please")
    await asha.sees(backend.CallCompleted, endpoint="record_promise")
    [told] = [each for each in await town.writes("/promises") if asha.invoice in each["path"]]
    assert told["body"] == {"promised_date": "2026-03-20", "part": "afternoon"}
    slots = {"visit_date": "2026-03-20", "part_of_day": "afternoon"}
    path = f"/api/v1/conversations/{await asha.conversation()}"
    await town.shows(path, lambda body: body["bindings"][0]["state_data"].get("slots") == slots)


async def test_claude_plans_with_the_flows_tools_and_asks_an_operator_before_it_writes(fresh_town: FreshTown):
    town = await fresh_town(config=GARAGE)
    asha = await town.somebody()
    data = {"contact_id": asha.id, "car": asha.invoice, "due_date": "2026-02-24", "part": "TAPE-48"}
    await town.event("breakdown", data)
    asked = await asha.sees(dialogue.ApprovalRequested)
    assert asked.event.payload == {"invoice_id": asha.invoice, "promised_date": "2026-02-24"}
    assert await town.writes("/promises") == []
    path = f"/api/v1/conversations/{await asha.conversation()}/approvals/{asked.event.approval}"
    assert (await town.post(path, {"approved": True})).status_code == 202
    ended = await asha.sees(dialogue.PlanEnded)
    assert (ended.event.how, ended.event.summary) == ("reached", "Called check_stock, record_promise.")
    [told] = [each for each in await town.writes("/promises") if asha.invoice in each["path"]]
    assert told["body"] == {"promised_date": "2026-02-24"}
    await asha.sees(message.Accepted)
    assert (await asha.received())[0]["text"] == f"{asha.name} TAPE-48 1400"
    chosen = await asha.facts(dialogue.PlanChose)
    assert all(each.event.cost.micros > 0 for each in chosen)
    assert [each.event.tool for each in chosen] == ["check_stock", "record_promise", "finish"]


async def test_a_second_follow_up_of_a_key_says_why_it_is_declined(fresh_town: FreshTown):
    town = await fresh_town(start_at=MORNING)
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.owes(days_overdue=18)
    declined = await asha.sees(followup.Declined)
    assert declined.event.reason == "a follow-up of this key is open"
    [opened] = await asha.facts(followup.Opened)
    assert declined.event.instead == opened.subject_id
