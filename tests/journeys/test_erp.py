"""The ERP fails, refuses, holds follow-ups of its own: it is asked again, told once, and a person hears of what cannot be done."""

from typing import Any

import pytest

from events import backend, contact, conversation, followup, message
from libs.testkit.nouns import IST
from services.backend_sync.poll import Poller
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_tool_call_that_fails_twice_is_asked_again_and_the_flow_goes_on(town: Town):
    asha = await town.somebody()
    await fails(town, f"/payments/{asha.invoice}", status=500, times=2)
    await asha.owes()
    await asha.sees(backend.CallCompleted, endpoint="check_payment")
    await asha.sees(message.Accepted)
    assert await asha.facts(backend.CallFailed) == []


@pytest.mark.parametrize("answer", ["garbled", "dropped"])
async def test_a_tool_call_whose_answer_breaks_does_not_stop_the_reminder(town: Town, answer: str):
    asha = await town.somebody()
    await fails(town, f"/payments/{asha.invoice}", answer=answer)
    await asha.owes()
    await asha.sees(message.Accepted)


async def test_an_invoice_that_the_erp_does_not_know_takes_the_flows_way_for_errors(town: Town):
    asha = await town.somebody()
    await fails(town, f"/payments/{asha.invoice}", status=404)
    await asha.owes()
    failed = await asha.sees(backend.CallFailed, endpoint="check_payment")
    assert failed.event.status == 404
    await asha.sees(message.Accepted)


async def test_a_contact_that_the_erp_does_not_know_exhausts_the_followup_with_the_reason(town: Town):
    asha = await town.somebody(known=False)
    await asha.owes()
    missing = await asha.sees(contact.NotFound)
    assert "404" in missing.event.reason
    exhausted = await asha.sees(followup.Exhausted)
    assert "the contact is not known" in exhausted.event.reason
    assert await asha.received() == []


async def test_a_contact_look_up_that_fails_first_is_asked_again(town: Town):
    asha = await town.somebody()
    await fails(town, f"/contacts/{asha.id}", status=503, times=2)
    await asha.owes()
    await asha.sees(message.Accepted)


async def test_a_contact_who_becomes_known_later_is_written_to_when_the_erp_says_it_again(town: Town):
    asha = await town.somebody(known=False)
    await asha.owes(invoice_number=f"{asha.invoice}-A")
    await asha.sees(followup.Exhausted)
    address = {
        "channel": "whatsapp",
        "address": asha.phone,
        "consent": {"at": "2026-02-01T09:00:00Z", "evidence": "form"},
    }
    await town.told("erp/contacts", {"id": asha.id, "name": asha.name, "channels": [address]})
    await asha.owes()
    await asha.sees(message.Accepted)


@pytest.mark.parametrize(
    "fault", [{"status": 500, "times": 2}, {"answer": "dropped"}, {"answer": "dropped", "commits": False}], ids=str
)
async def test_a_writeback_that_fails_first_is_told_once_under_one_key(town: Town, fault: dict[str, Any]):
    asha = await town.somebody()
    await fails(town, f"/invoices/{asha.invoice}/outcome", **fault)
    await asha.was_reminded()
    await asha.pays(event=True)
    await asha.sees(backend.CallCompleted, endpoint="record_outcome")
    written = await outcomes(town, asha)
    assert len(written) == 1
    calls = [
        each for each in (await town.outside.get("/_sandbox/erp/calls")).json() if each["path"].endswith("/outcome")
    ]
    keys = {each["key"] for each in calls if asha.invoice in each["path"]}
    assert keys == {written[0]["key"]}


async def test_a_refused_writeback_is_for_a_person(town: Town):
    asha = await town.somebody()
    await fails(town, f"/invoices/{asha.invoice}/outcome", status=422, times=9)
    await asha.was_reminded()
    await asha.pays(event=True)
    failed = await asha.sees(backend.CallFailed, kind="write")
    assert failed.event.status == 422
    escalated = await asha.sees(conversation.Escalated, queue="backend")
    assert "record_outcome" in escalated.event.reason
    await asha.sees(followup.Resolved)


async def test_a_pending_followup_of_the_erp_is_taken_up_once_however_often_it_is_polled(town: Town):
    asha = await town.somebody()
    await pending(town, asha, process_type=None)
    for _ in range(3):
        await poller(town).poll()
    await asha.sees(message.Accepted)
    [opened] = await asha.facts(followup.Opened)
    assert (opened.event.origin, opened.event.erp_id) == ("erp", f"F-{asha.number}")
    assert len(await asha.received()) == 1


async def test_a_followup_of_the_erp_is_resolved_there_once(town: Town):
    asha = await town.somebody()
    await pending(town, asha, process_type=None)
    await poller(town).poll()
    await asha.sees(message.Read)
    await asha.says("Everything is fine, thank you")
    await asha.sees(message.Accepted, times=2)
    await asha.says("Bye")
    await asha.sees(followup.Resolved)
    await asha.sees(backend.CallCompleted, endpoint="update_followup")
    [told] = [each for each in await town.writes("/status") if f"F-{asha.number}" in each["path"]]
    assert told["method"] == "PUT"
    assert told["body"]["status"] == "resolved"
    assert told["body"]["outcome"]
    await poller(town).poll()
    await asha.sees(conversation.Closed)
    assert len(await asha.facts(followup.Opened)) == 1


async def test_a_followup_of_the_erp_with_a_process_runs_its_flow(town: Town):
    asha = await town.somebody()
    await pending(town, asha, process_type="payment_collection")
    await poller(town).poll()
    await asha.sees(message.Accepted)
    [bound] = await asha.facts(conversation.ProcessBound)
    assert bound.event.process_type == "payment_collection"


async def test_a_poll_that_fails_changes_nothing(town: Town):
    await fails(town, "/followups/pending", status=500)
    await poller(town).poll()
    await fails(town, "/followups/pending", answer="garbled")
    await poller(town).poll()
    asha = await town.somebody()
    await pending(town, asha, process_type=None)
    await poller(town).poll()
    await asha.sees(followup.Opened)


async def test_the_promise_is_recorded_at_the_erp_with_its_date(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("20 February tak kar denge")
    await asha.sees(backend.CallCompleted, endpoint="record_promise")
    [promise] = [each for each in await town.writes("/promises") if asha.invoice in each["path"]]
    assert promise["body"] == {"promised_date": "2026-02-20"}
    check = await asha.sees(conversation.TimerSet, purpose="check")
    assert check.event.due_at.astimezone(IST).date().isoformat() == "2026-02-19"


async def fails(town: Town, path: str, **fault: Any) -> None:
    """The next request whose path contains `path` goes wrong."""
    await town.told("erp/faults", {"path": path, **fault})


async def outcomes(town: Town, asha: Person) -> list[dict[str, Any]]:
    """What the ERP was told of an invoice's end."""
    return [each for each in await town.writes("/outcome") if asha.invoice in each["path"]]


async def pending(town: Town, asha: Person, *, process_type: str | None) -> None:
    """The ERP holds a follow-up that it wants settled."""
    body = {
        "id": f"F-{asha.number}",
        "contact_id": asha.id,
        "reason": "Please confirm the delivery address",
        "business_context": {
            "invoice_number": asha.invoice,
            "amount": 52400,
            "currency": "INR",
            "due_date": "2026-01-30",
        },
        "channel_priority": ["whatsapp"],
    }
    if process_type is not None:
        body |= {"process_type": process_type, "entity_type": "invoice", "entity_id": asha.invoice}
    await town.told("erp/followups", body)


def poller(town: Town) -> Poller:
    """The one that asks the ERP every five minutes; a test asks at once."""
    loops = {loop.name: loop for app in town.running.apps for loop in app.loops}
    found: Any = loops["erp poller"].run
    assert isinstance(found.__self__, Poller)
    return found.__self__
