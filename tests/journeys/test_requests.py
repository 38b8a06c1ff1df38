"""What comes in over HTTP: taken once, or refused with problem details and nothing stored; never a server error."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import business, followup, operator
from tests.journeys.signed import WEBHOOK, headers, said, signed
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS, FOLLOWUPS, CONTEXT = "/api/v1/events", "/api/v1/followups/trigger", "/api/v1/context/trigger"
POSTS = [EVENTS, FOLLOWUPS, CONTEXT]
KB = 1024

EVENT: dict[str, Any] = {"event_name": "nothing_happened", "data": {"n": 1}}
ASKED: dict[str, Any] = {"contact_id": "c_404", "reason": "Test call"}
GIVEN: dict[str, Any] = {"conversation_id": "none", "trigger_type": "intent", "trigger_value": "promise_to_pay"}

NO_BODY_FOR_ANY: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("no JSON", b"{"),
    ("half a string", b'{"event_name": "inv'),
    ("not UTF-8", b'{"event_name": "\xff\xfe", "data": {}}'),
    ("UTF-16", '{"event_name": "a", "data": {}}'.encode("utf-16")),
    ("a NUL byte", b"\x00"),
    ("two documents", b"{}{}"),
    ("a list", b"[]"),
    ("a number", b"1"),
    ("null", b"null"),
    ("an empty object", b"{}"),
    ("NaN", b'{"event_name": "a", "data": {"amount": NaN}}'),
    ("deep nesting", b'{"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    ("a lone surrogate", b'{"event_name": "\\ud800", "data": {}}'),
    ("a form", b"event_name=invoice_overdue&data=1"),
    ("XML", b"<event/>"),
]

WRONG_FIELDS: list[tuple[str, Any]] = [
    (EVENTS, EVENT | {"event_name": ""}),
    (EVENTS, EVENT | {"event_name": "x" * 201}),
    (EVENTS, EVENT | {"event_name": "in\u0000voice"}),
    (EVENTS, EVENT | {"event_name": 7}),
    (EVENTS, EVENT | {"event_id": ""}),
    (EVENTS, EVENT | {"event_id": "x" * 201}),
    (EVENTS, EVENT | {"event_id": "line\nbreak"}),
    (EVENTS, EVENT | {"event_id": 7}),
    (EVENTS, EVENT | {"source": ""}),
    (EVENTS, EVENT | {"source": "x" * 201}),
    (EVENTS, EVENT | {"data": []}),
    (EVENTS, EVENT | {"data": "text"}),
    (EVENTS, EVENT | {"data": None}),
    (EVENTS, EVENT | {"occurred_at": "yesterday"}),
    (EVENTS, EVENT | {"occurred_at": "2026-02-16T10:30:00"}),
    (EVENTS, EVENT | {"surprise": True}),
    (FOLLOWUPS, ASKED | {"contact_id": ""}),
    (FOLLOWUPS, ASKED | {"contact_id": "x" * 201}),
    (FOLLOWUPS, ASKED | {"contact_id": None}),
    (FOLLOWUPS, ASKED | {"reason": 5}),
    (FOLLOWUPS, ASKED | {"channel_priority": ["fax"]}),
    (FOLLOWUPS, ASKED | {"channel_priority": "voice"}),
    (FOLLOWUPS, ASKED | {"priority": "soon"}),
    (FOLLOWUPS, ASKED | {"process_type": "gardening", "entity_id": "1", "flow": "general_followup"}),
    (FOLLOWUPS, ASKED | {"process_type": "payment_collection"}),
    (FOLLOWUPS, ASKED | {"flow": "no_such_flow"}),
    (FOLLOWUPS, ASKED | {"business_context": []}),
    (FOLLOWUPS, {"reason": "nobody"}),
    (CONTEXT, GIVEN | {"trigger_type": "wish"}),
    (CONTEXT, GIVEN | {"trigger_value": ""}),
    (CONTEXT, GIVEN | {"trigger_value": "x" * 201}),
    (CONTEXT, GIVEN | {"conversation_id": ""}),
    (CONTEXT, GIVEN | {"conversation_id": "x" * 201}),
    (CONTEXT, GIVEN | {"extra_data": []}),
    (CONTEXT, {"trigger_type": "intent"}),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [body for _, body in NO_BODY_FOR_ANY], ids=[name for name, _ in NO_BODY_FOR_ANY])
async def test_a_body_that_is_none_is_refused_with_problem_details(town: Town, path: str, body: bytes):
    before = await head(town)
    refused(await town.client.post(path, content=body, headers={"content-type": "application/json"}))
    assert await head(town) == before


@pytest.mark.parametrize(("path", "body"), WRONG_FIELDS, ids=lambda part: json.dumps(part)[:70])
async def test_a_field_that_cannot_be_meant_is_refused_with_its_path(town: Town, path: str, body: Any):
    before = await head(town)
    answer = await town.post(path, body)
    refused(answer)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("$")
    assert await head(town) == before


@settings(max_examples=40)
@given(body=JSON)
async def test_no_json_makes_the_server_fail(town: Town, body: Any):
    for path in POSTS:
        answer = await town.client.post(path, content=json.dumps(body).encode())
        assert answer.status_code < 500, answer.text
        if answer.status_code != 202:
            refused(answer)


@settings(max_examples=40)
@given(changes=st.dictionaries(st.sampled_from(["object", "entry", "id", "changes", "value", "messages"]), JSON))
async def test_no_signed_webhook_makes_the_server_fail(town: Town, changes: dict[str, Any]):
    for body in (changes, {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [changes]}]}):
        answer = await signed(town, body)
        assert answer.status_code < 500, answer.text
        if answer.status_code != 200:
            refused(answer)


@pytest.mark.parametrize("body", [body for _, body in NO_BODY_FOR_ANY], ids=[name for name, _ in NO_BODY_FOR_ANY])
async def test_a_signed_webhook_of_no_shape_is_refused(town: Town, body: bytes):
    before = await head(town)
    refused(await signed(town, body))
    assert await head(town) == before


async def test_a_webhook_with_a_wrong_signature_is_refused_and_nothing_is_stored(town: Town):
    asha = await town.somebody()
    raw = json.dumps(said(asha, "hello", "wamid.forged")).encode()
    before = await head(town)
    for given_headers in (
        headers(raw, "another secret"),
        headers(raw + b" "),
        headers(raw) | {"x-hub-signature-256": "sha256="},
        headers(raw) | {"x-hub-signature-256": "sha1=abc"},
        {"content-type": "application/json"},
    ):
        answer = await town.client.post(WEBHOOK, content=raw, headers=given_headers)
        refused(answer)
        assert answer.status_code == 401
    assert await head(town) == before


async def test_the_handshake_wants_the_verify_token(town: Town):
    query = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": "sandbox-verify-token"}
    right = await town.client.get(WEBHOOK, params=query)
    assert (right.status_code, right.text) == (200, "7")
    wrong = await town.client.get(WEBHOOK, params=query | {"hub.verify_token": "guess"})
    refused(wrong)
    assert wrong.status_code == 403


async def test_a_retried_event_is_one_event(town: Town):
    body = EVENT | {"event_id": "retried-1", "source": "erp"}
    first = (await town.post(EVENTS, body)).json()
    second = (await town.post(EVENTS, EVENT | {"source": "erp", "event_id": "retried-1", "data": {"n": 1.0}})).json()
    assert first == {"event_id": "retried-1", "duplicate": False}
    assert second == {"event_id": "retried-1", "duplicate": True}
    assert len(await stored(town, business.EventReceived, external_id="retried-1")) == 1


async def test_the_same_id_with_another_body_is_refused(town: Town):
    body = EVENT | {"event_id": "other-body-1"}
    assert (await town.post(EVENTS, body)).status_code == 202
    for other in (body | {"data": {"n": 2}}, body | {"event_name": "something_happened"}):
        answer = await town.post(EVENTS, other)
        refused(answer)
        assert answer.status_code == 422
    assert len(await stored(town, business.EventReceived, external_id="other-body-1")) == 1


async def test_the_same_id_of_another_source_is_another_event(town: Town):
    for source in ("erp-a", "erp-b"):
        answer = await town.post(EVENTS, EVENT | {"event_id": "shared-1", "source": source})
        assert answer.json() == {"event_id": "shared-1", "duplicate": False}


async def test_of_several_at_once_with_one_key_exactly_one_wins(town: Town):
    answers = await asyncio.gather(*(town.post(EVENTS, EVENT, headers={"idempotency-key": "race-1"}) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 7
    assert len({answer.json()["event_id"] for answer in answers}) == 1


async def test_without_an_id_each_post_is_an_event_of_its_own(town: Town):
    answers = [(await town.post(EVENTS, EVENT)).json() for _ in range(2)]
    assert answers[0]["event_id"] != answers[1]["event_id"]
    assert [answer["duplicate"] for answer in answers] == [False, False]


async def test_an_idempotency_key_makes_one_followup_of_two_posts(town: Town):
    asha = await town.somebody()
    body = {"contact_id": asha.id, "reason": "Test call"}
    answers = [await town.post(FOLLOWUPS, body, headers={"idempotency-key": '"key-1"'}) for _ in range(2)]
    assert answers[0].json()["followup_id"] == answers[1].json()["followup_id"]
    other = await town.post(FOLLOWUPS, body | {"reason": "Other"}, headers={"idempotency-key": "key-1"})
    assert other.status_code == 422
    await asha.sees(followup.Opened)
    assert len(await stored(town, operator.FollowupTriggered, contact_id=asha.id)) == 1


async def test_an_idempotency_key_makes_one_move_of_two_triggers(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    body = GIVEN | {"conversation_id": await asha.conversation(), "trigger_value": "acknowledge"}
    answers = [await town.post(CONTEXT, body, headers={"idempotency-key": "key-2"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["event_id"] for answer in answers}) == 1
    other = await town.post(CONTEXT, body | {"trigger_value": "ask_later"}, headers={"idempotency-key": "key-2"})
    assert other.status_code == 422
    assert len(await stored(town, operator.TriggerGiven, conversation=body["conversation_id"])) == 1


@pytest.mark.parametrize("key", ["x" * 200, "a b", "7"])
async def test_keys_of_up_to_200_characters_are_taken(town: Town, key: str):
    answer = await town.post(EVENTS, EVENT, headers={"idempotency-key": key})
    assert answer.status_code == 202


async def test_a_key_is_no_event_id(town: Town):
    first = await town.post(EVENTS, EVENT | {"event_id": "both-1"})
    second = await town.post(EVENTS, EVENT | {"data": {"n": 2}}, headers={"idempotency-key": "both-1"})
    assert [first.json()["duplicate"], second.json()["duplicate"]] == [False, False]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("key", ["", '""', "x" * 201])
async def test_a_key_of_no_or_too_many_characters_is_refused(town: Town, path: str, key: str):
    bodies = {EVENTS: EVENT, FOLLOWUPS: ASKED, CONTEXT: GIVEN}
    answer = await town.post(path, bodies[path], headers={"idempotency-key": key})
    refused(answer)
    assert answer.status_code == 422


async def test_ids_of_one_and_of_200_characters_are_taken(town: Town):
    for event_id in ("i", "i" * 200, "₹" * 200):
        answer = await town.post(EVENTS, EVENT | {"event_id": event_id})
        assert answer.json() == {"event_id": event_id, "duplicate": False}


async def test_too_much_data_and_too_large_a_body_are_refused(town: Town):
    before = await head(town)
    for size in (256 * KB, 1024 * KB, 4096 * KB):
        answer = await town.post(EVENTS, EVENT | {"data": {"text": "x" * size}})
        refused(answer)
        assert answer.status_code == 413
    for path in (FOLLOWUPS, CONTEXT):
        answer = await town.client.post(path, content=b'{"reason": "' + b"x" * 1024 * KB + b'"}')
        refused(answer)
        assert answer.status_code == 413
    assert await head(town) == before


async def test_just_enough_data_is_taken(town: Town):
    answer = await town.post(EVENTS, EVENT | {"data": {"t": "x" * (256 * KB - 8)}})
    assert answer.status_code == 202


async def test_an_event_whose_data_nobody_can_use_stops_nobody_else(town: Town):
    asha = await town.somebody()
    odd: list[Any] = ["\u0000", "x" * 5_000, {"deep": []}, "", None, 7]
    for contact_id in odd:
        await asha.owes(contact_id=contact_id, invoice_number=f"INV-{str(contact_id)[:9]}")
    await asha.was_reminded()
    assert len(await asha.received()) == 1


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("media_type", ["application/xml", "multipart/form-data; boundary=x", "image/png"])
async def test_another_media_type_is_refused(town: Town, path: str, media_type: str):
    answer = await town.client.post(path, content=b"{}", headers={"content-type": media_type})
    refused(answer)
    assert answer.status_code == 415


@pytest.mark.parametrize("path", [*POSTS, "/api/v1/nowhere"])
async def test_other_methods_and_paths_are_refused(town: Town, path: str):
    for method in ("DELETE", "PATCH"):
        answer = await town.client.request(method, path)
        refused(answer)
        assert answer.status_code in (404, 405)


def refused(answer: httpx.Response) -> None:
    """Problem details of RFC 9457, and not the server's fault."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]


async def head(town: Town) -> int:
    """How many facts are stored, apart from what other tests' contacts still cause."""
    facts = await town.log.now()
    return sum(fact.family in ("business", "operator") or fact.type.startswith("inbound.received") for fact in facts)


async def stored(town: Town, kind: type[Any], **about: Any) -> list[Any]:
    """The facts of a kind with these fields."""
    facts = await town.log.now()
    return [
        fact
        for fact in facts
        if isinstance(fact.event, kind) and all(getattr(fact.event, name) == value for name, value in about.items())
    ]
