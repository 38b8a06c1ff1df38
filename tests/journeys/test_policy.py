"""The contact policy at work: deferred to the next allowed minute and sent then, or refused with its reason; never broken."""

import shutil
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from events import conversation, followup, message, reach
from events.base import Recorded
from events.followup import AttemptStarted, AttemptUnanswered
from libs.testkit.nouns import IST
from services.cli.settings import SHIPPED_BUNDLE
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = datetime(2026, 2, 16, 20, 30, tzinfo=IST)
NEXT_MORNING = datetime(2026, 2, 17, 8, 0, tzinfo=IST)
ATTEMPTS_PER_MATTER = 8
OTHER = "INV-2026-7777"


async def test_a_reminder_at_half_past_eight_waits_for_eight_in_the_morning_and_goes_out_once(fresh_town: FreshTown):
    town = await fresh_town(start_at=LATE)
    asha = await town.somebody()
    await asha.owes()
    deferred = await asha.sees(followup.Deferred)
    assert deferred.event.until == NEXT_MORNING
    whatsapp = next(each for each in deferred.event.decisions if each.channel == "whatsapp")
    assert "hours" in {check.rule for check in whatsapp.checks if check.verdict == "deferred"}
    assert await asha.received() == []

    await town.clock.set(NEXT_MORNING - timedelta(minutes=2))
    ravi = await town.somebody()
    await ravi.owes()
    await ravi.sees(followup.Deferred)
    assert await asha.received() == []

    await town.clock.set(NEXT_MORNING)
    await asha.sees(message.Accepted)
    await ravi.sees(message.Accepted)
    assert len(await asha.received()) == 1
    assert len(await asha.facts(AttemptStarted)) == 1


async def test_a_contact_who_writes_at_night_is_answered_at_night(fresh_town: FreshTown):
    town = await fresh_town(start_at=LATE)
    asha = await town.somebody()
    await asha.owes()
    await asha.sees(followup.Deferred)
    await asha.says("hello, koi hai?")
    asked = await asha.sees(conversation.MessageRequested)
    await asha.sees(message.Accepted)
    assert asked.event.purpose == "answer"
    assert {check.rule for check in asked.event.allowed_by.checks if check.verdict == "exempt"} >= {"hours"}


async def test_without_a_consent_nobody_is_written_to_and_a_person_is_told_why(town: Town):
    asha = await town.somebody(consent=False)
    await asha.owes()
    exhausted = await asha.sees(followup.Exhausted)
    reasons = {each.channel: each.reason for each in exhausted.event.skipped}
    assert "consent" in reasons["whatsapp"]
    assert "not enabled" in reasons["voice"]
    await asha.sees(conversation.Escalated)
    assert await asha.received() == []


async def test_two_matters_keep_the_minimum_gap(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await asha.was_reminded()
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    deferred = await asha.sees(followup.Deferred)
    first = (await asha.facts(AttemptStarted))[0].envelope.occurred_at
    assert timedelta(minutes=240) <= deferred.event.until - first <= timedelta(minutes=241)
    assert len(await asha.received()) == 1
    await town.clock.set(deferred.event.until)
    await asha.sees(message.Accepted, times=2)
    assert [each["template"] for each in await asha.received()] == ["payment_reminder_v1", "order_confirmation_v1"]


async def test_a_silent_contact_is_reminded_until_the_attempts_are_used_up_then_a_person_takes_over(
    fresh_town: FreshTown,
):
    town = await fresh_town()
    asha = await town.somebody()
    await asha.owes()
    for number in range(1, ATTEMPTS_PER_MATTER + 1):
        await attempt(town, asha, number)
    exhausted = await asha.sees(followup.Exhausted)
    assert f"{ATTEMPTS_PER_MATTER} of {ATTEMPTS_PER_MATTER} attempts" in str(exhausted.event.skipped)
    await asha.sees(conversation.Escalated)
    await asha.sees(conversation.Closed)
    assert len(await asha.received()) == ATTEMPTS_PER_MATTER
    assert len(await asha.facts(AttemptUnanswered)) == ATTEMPTS_PER_MATTER
    days = [fact.envelope.occurred_at.astimezone(IST) for fact in await asha.facts(AttemptStarted)]
    assert all(8 <= day.hour < 19 for day in days)


async def attempt(town: Town, asha: Person, number: int) -> None:
    """The attempt of this number is made, deferred or not, and nobody answers it."""
    past = 0
    while True:
        [seen] = await town.log.wait(partial(leads_on, asha, number, past))
        if isinstance(seen.event, AttemptStarted):
            break
        past = seen.pos
        await town.clock.set(max(seen.event.due_at, town.clock.now()))
    waits = await asha.sees(conversation.TimerSet, purpose="no_reply", name=str(number))
    await town.clock.set(max(waits.event.due_at, town.clock.now()))
    await asha.sees(AttemptUnanswered, number=number)


def leads_on(asha: Person, number: int, past: int, fact: Recorded[Any]) -> bool:
    """Whether a fact is the attempt of this number, or a deferral behind a position."""
    match fact.event:
        case AttemptStarted():
            return asha.is_about(fact) and fact.event.number == number
        case conversation.TimerSet(purpose="deferred"):
            return asha.is_about(fact) and fact.pos > past
        case _:
            return False


async def test_two_invoices_that_wait_for_the_morning_are_one_message_and_a_promise_is_for_both(fresh_town: FreshTown):
    town = await fresh_town(start_at=LATE)
    asha = await town.somebody()
    other = {"id": OTHER, "contact_id": asha.id, "amount": 9900, "due_date": "2026-01-31"}
    await town.told("erp/invoices", other)
    await asha.owes()
    await asha.owes(invoice_number=OTHER, amount=9900)
    await asha.sees(followup.Deferred, times=2)
    await town.clock.set(NEXT_MORNING)
    await asha.sees(message.Read)
    [received] = await asha.received()
    assert received["template"] == "payment_reminder_several_v1"
    assert all(invoice in received["text"] for invoice in (asha.invoice, OTHER))
    await asha.sees(conversation.ProcessMoved, to_state="reminded", times=2)
    await asha.says("20 February tak dono kar denge")
    await asha.sees(conversation.ProcessMoved, to_state="promised", times=2)
    await asha.sees(message.Accepted, times=2)
    await asha.sees(conversation.OutcomeHeard, outcome="confirmed", times=2)
    promised = {each["path"].split("/")[-2]: each["body"]["promised_date"] for each in await town.writes("/promises")}
    assert promised == {asha.invoice: "2026-02-20", OTHER: "2026-02-20"}
    assert len(await asha.facts(conversation.MessageRequested)) == 2


async def test_a_debt_is_named_after_the_contact_said_who_they_are(fresh_town: FreshTown, tmp_path: Path):
    town = await fresh_town(config=confirming(tmp_path / "confirming"))
    asha, ravi = await town.somebody(), await town.somebody()
    for each in (asha, ravi):
        await each.owes()
        asked = await each.sees(conversation.MessageRequested)
        assert asked.event.identifies
        await each.sees(message.Read)
    await asha.says("Haan ji, bol rahi hoon")
    await asha.sees(reach.PersonConfirmed)
    await asha.sees(message.Accepted, times=2)
    question, _ = await asha.received()
    assert (question["template"], asha.invoice in question["text"]) == ("confirm_person_v1", False)
    who, what = await asha.facts(conversation.TurnRequested)
    assert (asha.invoice in repr(who.event), asha.invoice in what.event.instructions) == (False, True)

    await ravi.says("Nahi, galat number hai")
    await ravi.sees(reach.PersonDenied)
    await ravi.sees(followup.Exhausted)
    await ravi.sees(message.Accepted, times=2)
    said = [each["text"] for each in await ravi.received()]
    assert "Sorry to have troubled you" in said[-1]
    assert not [text for text in said if ravi.invoice in text or "52" in text]


def confirming(folder: Path) -> Path:
    """The shipped bundle, in a folder of its own, that asks who it is before a debt is named in writing."""
    shutil.copytree(SHIPPED_BUNDLE, folder)
    policy = (folder / "policy.yaml").read_text()
    assert "text: registered_address" in policy
    (folder / "policy.yaml").write_text(policy.replace("text: registered_address", "text: confirm"))
    return folder
