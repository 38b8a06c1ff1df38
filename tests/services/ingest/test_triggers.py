"""What people ask for by hand: follow-ups and triggers, and who may ask."""

from typing import Any

import httpx
import pytest

from events.contact import Profile, Registered
from events.conversation import Closed, Opened, ProcessBound
from events.followup import Joined
from libs.kit import ids
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, PRIYA, TENANT
from tests.services.ingest.conftest import BUNDLE, CONTEXT, EVENTS, FOLLOWUPS, OVERDUE, Ingest

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEST_CALL: dict[str, Any] = {"contact_id": PRIYA, "reason": "Test call", "channel_priority": ["voice"]}
PROMISE: dict[str, Any] = {
    "trigger_type": "intent",
    "trigger_value": "promise_to_pay",
    "extra_data": {"extracted_info": {"payment_date": "2026-02-20"}},
}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    told: dict[str, Any] = answer.json()
    return told


async def reminded(ingest: Ingest, state: str = "reminded", conversation: str = "") -> str:
    """A conversation of Priya's about her invoice, in this state."""
    conversation = conversation or str(ids.fresh())
    profile = Profile(name="Priya Sharma")
    await ingest.tell(Registered(contact_id=PRIYA, profile=profile), stream=f"contact-{PRIYA}")
    bound = ProcessBound(
        matter=f"m-{conversation}",
        bundle=BUNDLE.hash,
        state=state,
        process_type="payment_collection",
        entity_type="invoice",
        entity_id=INVOICE,
        context=INVOICE_OVERDUE,
    )
    await ingest.tell(Opened(contact_id=PRIYA), bound, stream=f"conversation-{conversation}")
    return conversation


async def test_a_follow_up_by_hand_is_answered_at_once_with_its_id(ingest: Ingest):
    answer = await ingest.post(TEST_CALL, FOLLOWUPS)
    assert answer.status_code == 202
    told = answer.json()
    assert told.keys() == {"followup_id", "conversation_id", "event_id"}
    assert told["conversation_id"] is None
    [fact] = await ingest.facts()
    assert (fact.type, fact.event.followup) == ("operator.followup_triggered.v1", told["followup_id"])
    assert fact.stream == f"operator-{told['event_id']}"


async def test_a_follow_up_asked_for_twice_under_one_key_is_one_and_names_its_conversation(ingest: Ingest):
    key = {"idempotency-key": f'"{ingest.id}"'}
    first = (await ingest.post(TEST_CALL, FOLLOWUPS, headers=key)).json()
    await ingest.tell(Joined(conversation="conv-9"), stream=f"followup-{first['followup_id']}")
    second = (await ingest.post(TEST_CALL, FOLLOWUPS, headers=key)).json()
    assert second == {**first, "conversation_id": "conv-9"}
    assert len(await ingest.facts("operator")) == 1
    other = await ingest.post({**TEST_CALL, "reason": "another"}, FOLLOWUPS, headers=key)
    assert "other content" in problem(other, 422)["title"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"contact_id": ""}, "$.contact_id"),
        ({"channel_priority": ["pigeon"]}, "$.channel_priority[0]"),
        ({"process_type": "unheard_of", "entity_id": "1", "flow": "payment_reminder"}, "$.process_type"),
        ({"process_type": "payment_collection", "flow": "payment_reminder"}, "$.entity_id"),
        ({"process_type": "payment_collection", "entity_id": "1"}, "$.flow"),
        ({"flow": "unheard_of"}, "$.flow"),
        ({"priority": "extreme"}, "$.priority"),
        ({"business_context": []}, "$.business_context"),
    ],
)
async def test_a_follow_up_that_the_bundle_cannot_lead_is_refused(ingest: Ingest, change: dict[str, Any], path: str):
    answer = await ingest.post({**TEST_CALL, **change}, FOLLOWUPS)
    assert problem(answer, 422)["errors"][0]["path"] == path
    assert await ingest.facts() == []


async def test_what_the_bundle_does_not_have_is_told_with_what_it_has(ingest: Ingest):
    answer = await ingest.post({**TEST_CALL, "flow": "payment_remainder"}, FOLLOWUPS)
    told = problem(answer, 422)["errors"][0]["message"]
    assert told.startswith("the bundle has no flow 'payment_remainder'; there are ")
    assert "payment_reminder" in told


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (FOLLOWUPS, {**TEST_CALL, "business_context": {"text": "a" * 300_000}}),
        (CONTEXT, {**PROMISE, "conversation_id": "c", "extra_data": {"text": "a" * 300_000}}),
        (FOLLOWUPS, {**TEST_CALL, "reason": "a" * 700_000}),
    ],
    ids=["business_context", "extra_data", "the fact itself"],
)
async def test_what_is_too_large_is_refused(ingest: Ingest, path: str, body: dict[str, Any]):
    problem(await ingest.post(body, path), 413)
    assert await ingest.facts() == []


async def test_a_trigger_by_hand_is_stored(ingest: Ingest):
    conversation = await reminded(ingest)
    answer = await ingest.post({**PROMISE, "conversation_id": conversation}, CONTEXT)
    assert answer.status_code == 202, answer.text
    [fact] = await ingest.facts("operator")
    assert (fact.event.conversation, fact.event.trigger_value) == (conversation, "promise_to_pay")
    assert fact.event.extra_data == PROMISE["extra_data"]


async def test_a_trigger_under_one_key_is_stored_once_even_when_nothing_would_take_it_any_more(ingest: Ingest):
    conversation = await reminded(ingest)
    key = {"idempotency-key": ingest.id}
    body = {**PROMISE, "conversation_id": conversation}
    assert (await ingest.post(body, CONTEXT, headers=key)).json()["duplicate"] is False
    await ingest.tell(Closed(reason="resolved"), stream=f"conversation-{conversation}")
    assert (await ingest.post(body, CONTEXT, headers=key)).json()["duplicate"] is True
    assert len(await ingest.facts("operator")) == 1


async def test_an_unknown_conversation_is_404(ingest: Ingest):
    told = problem(await ingest.post({**PROMISE, "conversation_id": "nobody"}, CONTEXT), 404)
    assert "nobody" in told["detail"]


async def test_a_trigger_that_nothing_takes_is_409_with_those_that_would_be_taken(ingest: Ingest):
    conversation = await reminded(ingest, state="escalated")
    answer = await ingest.post({**PROMISE, "conversation_id": conversation}, CONTEXT)
    told = problem(answer, 409)
    assert told["title"] == "no transition"
    assert {"type": "manual", "value": "mark_paid"} in told["accepted_triggers"]
    assert await ingest.facts("operator") == []


async def test_a_trigger_whose_conditions_do_not_hold_is_409(ingest: Ingest):
    conversation = await reminded(ingest)
    body = {"conversation_id": conversation, "trigger_type": "intent", "trigger_value": "partial_payment"}
    assert (await ingest.post(body, CONTEXT)).status_code == 202
    paid = {"conversation_id": conversation, "trigger_type": "outcome", "trigger_value": "payment_status"}
    problem(await ingest.post({**paid, "extra_data": {"paid": False}}, CONTEXT), 409)
    assert (await ingest.post({**paid, "extra_data": {"paid": True}}, CONTEXT)).status_code == 202


async def test_a_closed_conversation_takes_no_trigger(ingest: Ingest):
    conversation = await reminded(ingest)
    await ingest.tell(Closed(reason="resolved"), stream=f"conversation-{conversation}")
    told = problem(await ingest.post({**PROMISE, "conversation_id": conversation}, CONTEXT), 409)
    assert told["accepted_triggers"] == []


@pytest.mark.parametrize("narrower", [{"process_type": "order_fulfillment"}, {"entity_id": "INV-1"}])
async def test_a_trigger_for_another_matter_is_409(ingest: Ingest, narrower: dict[str, Any]):
    conversation = await reminded(ingest)
    problem(await ingest.post({**PROMISE, "conversation_id": conversation, **narrower}, CONTEXT), 409)


@pytest.mark.parametrize(
    "change", [{"trigger_type": "wish"}, {"trigger_value": ""}, {"conversation_id": ""}, {"conversation_id": "a\u0000"}]
)
async def test_a_malformed_trigger_is_422(ingest: Ingest, change: dict[str, Any]):
    problem(await ingest.post({**PROMISE, "conversation_id": "c", **change}, CONTEXT), 422)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (CONTEXT, {**PROMISE, "conversation_id": "c", "trigger_type": "wish"}, "event, intent, manual, outcome, timer"),
        (FOLLOWUPS, {**TEST_CALL, "priority": "soon"}, "high, low, normal, urgent"),
    ],
)
async def test_who_sends_a_word_that_is_not_taken_is_told_which_are(
    ingest: Ingest, path: str, body: dict[str, Any], words: str
):
    assert f": there are {words}" in problem(await ingest.post(body, path), 422)["detail"]


@pytest.mark.parametrize(("path", "body"), [(EVENTS, OVERDUE), (FOLLOWUPS, TEST_CALL), (CONTEXT, PROMISE)])
async def test_in_production_loopback_needs_a_key_too(guarded_ingest: Ingest, path: str, body: dict[str, Any]):
    answer = await guarded_ingest.post(body, path)
    assert "converse keys create" in problem(answer, 401)["detail"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer", "Basic Y29udmVyc2U=", "Bearer cvk_unknown", "cvk_unknown", "Bearer é"])
async def test_a_key_that_nobody_made_opens_nothing(guarded_ingest: Ingest, header: str):
    answer = await guarded_ingest.post(OVERDUE, headers={"authorization": header.encode()})
    problem(answer, 401)


async def test_a_key_opens_what_its_scopes_name(guarded_ingest: Ingest):
    key, token = await guarded_ingest.store.tenants.create_key(TENANT, "erp", ["events:write"])
    bearer = {"authorization": f"Bearer {token}"}
    assert (await guarded_ingest.post(OVERDUE, headers=bearer)).status_code == 202
    assert "followups:write" in problem(await guarded_ingest.post(TEST_CALL, FOLLOWUPS, headers=bearer), 403)["detail"]
    [fact] = (await guarded_ingest.facts("business"))[-1:]
    assert fact.envelope.actor == key.name


async def test_an_admins_key_opens_everything(guarded_ingest: Ingest):
    _, token = await guarded_ingest.store.tenants.create_key(TENANT, "boss", ["admin"])
    bearer = {"authorization": f"bearer {token}"}
    for path, body in ((EVENTS, OVERDUE), (FOLLOWUPS, TEST_CALL)):
        assert (await guarded_ingest.post(body, path, headers=bearer)).status_code == 202


async def test_a_proxys_caller_is_not_loopback(ingest: Ingest):
    answer = await ingest.post(OVERDUE, headers={"x-forwarded-for": "203.0.113.7"})
    problem(answer, 401)
