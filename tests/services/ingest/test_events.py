"""`POST /api/v1/events`: one durable fact an event, however often and in whatever notation it is told."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from libs.kit.embedded import PostgresServer
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE_OVERDUE
from libs.testkit.servers import MASTER
from services.ingest.cloudevents import BATCH
from tests.services.ingest.conftest import FOLLOWUPS, OVERDUE, Ingest, publish_to, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem details of a refusal."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    return told


async def test_an_event_is_answered_once_it_is_stored(ingest: Ingest):
    answer = await ingest.post(OVERDUE)
    assert answer.status_code == 202
    assert answer.json().keys() == {"event_id", "duplicate"}
    [fact] = await ingest.facts()
    assert (fact.type, fact.event.event_name) == ("business.event_received.v1", "invoice_overdue")
    assert fact.event.data == INVOICE_OVERDUE
    assert fact.event.external_id == answer.json()["event_id"]


async def test_the_callers_id_is_the_answers_id(ingest: Ingest):
    answer = await ingest.post({**OVERDUE, "event_id": ingest.id, "source": "acme"})
    assert answer.json() == {"event_id": ingest.id, "duplicate": False}


async def test_without_any_id_each_post_is_an_event_of_its_own(ingest: Ingest):
    first, second = [(await ingest.post(OVERDUE)).json() for _ in range(2)]
    assert first["event_id"] != second["event_id"]
    assert (first["duplicate"], second["duplicate"]) == (False, False)
    assert len(await ingest.facts()) == 2


@pytest.mark.parametrize(
    "again",
    [
        OVERDUE,
        {"data": dict(reversed(INVOICE_OVERDUE.items())), "event_name": "invoice_overdue"},
        {**OVERDUE, "data": {**INVOICE_OVERDUE, "amount": 52400.0}},
    ],
    ids=["the same bytes", "other order of keys", "52400.0"],
)
async def test_equal_content_under_the_same_id_is_a_duplicate(ingest: Ingest, again: dict[str, Any]):
    await ingest.post({**OVERDUE, "event_id": ingest.id})
    answer = await ingest.post({**again, "event_id": ingest.id})
    assert (answer.status_code, answer.json()) == (202, {"event_id": ingest.id, "duplicate": True})
    assert len(await ingest.facts()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {**OVERDUE, "data": {**INVOICE_OVERDUE, "amount": 52400.5}},
        {**OVERDUE, "data": {**INVOICE_OVERDUE, "amount": "52400"}},
        {**OVERDUE, "event_name": "invoice_paid"},
        {**OVERDUE, "occurred_at": "2026-02-16T10:30:00+05:30"},
    ],
    ids=["amount", "type", "name", "time"],
)
async def test_other_content_under_the_same_id_is_refused(ingest: Ingest, other: dict[str, Any]):
    await ingest.post({**OVERDUE, "event_id": ingest.id})
    answer = await ingest.post({**other, "event_id": ingest.id})
    assert answer.status_code == 422
    assert "other content" in problem(answer)["title"]
    assert len(await ingest.facts()) == 1


async def test_one_id_of_two_sources_is_two_events(ingest: Ingest):
    answers = [await ingest.post({**OVERDUE, "event_id": ingest.id, "source": source}) for source in ("acme", "zenith")]
    assert [answer.json()["duplicate"] for answer in answers] == [False, False]
    assert len(await ingest.facts()) == 2


async def test_an_idempotency_key_counts_with_and_without_its_quotes(ingest: Ingest):
    first = await ingest.post(OVERDUE, headers={"idempotency-key": f'"{ingest.id}"'})
    second = await ingest.post(OVERDUE, headers={"idempotency-key": ingest.id})
    assert (first.json()["duplicate"], second.json()["duplicate"]) == (False, True)
    assert first.json()["event_id"] == second.json()["event_id"]
    other = await ingest.post({**OVERDUE, "event_name": "another"}, headers={"idempotency-key": ingest.id})
    assert other.status_code == 422


async def test_of_many_at_once_under_one_key_one_wins(ingest: Ingest):
    answers = await asyncio.gather(*(ingest.post({**OVERDUE, "event_id": ingest.id}) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 11
    assert len(await ingest.facts()) == 1


async def test_of_two_contents_at_once_under_one_key_one_is_refused(ingest: Ingest):
    other = {**OVERDUE, "event_name": "invoice_paid"}
    answers = await asyncio.gather(*(ingest.post({**each, "event_id": ingest.id}) for each in (OVERDUE, other)))
    assert sorted(answer.status_code for answer in answers) == [202, 422]
    assert len(await ingest.facts()) == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"not json", 400),
        (b'{"event_name": "\xff"}', 400),
        (b'{"event_name": "x", "data": {"a": NaN}}', 400),
        (b'{"event_name": "x", "data": {"a": %s' % (b"[" * 100_000), 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b'{"event_name": "x"}', 422),
        (b'{"event_name": 7, "data": {}}', 422),
        (b'{"event_name": "x", "data": []}', 422),
        (b'{"event_name": "x", "data": {}, "surprise": 1}', 422),
        (b'{"event_name": "", "data": {}}', 422),
        (b'{"event_name": "x\\u0000", "data": {}}', 422),
        (b'{"event_name": "x", "data": {}, "event_id": ""}', 422),
        (b'{"event_name": "x", "data": {}, "event_id": "%s"}' % (b"i" * 201), 422),
        (b'{"event_name": "x", "data": {}, "occurred_at": "yesterday"}', 422),
        (b'{"event_name": "x", "data": {}, "occurred_at": "2026-02-16T10:30:00"}', 422),
        (b'{"event_name": "x", "data": {"a": %s1%s}}' % (b"[" * 80, b"]" * 80), 422),
    ],
)
async def test_a_malformed_body_is_refused_and_nothing_is_stored(ingest: Ingest, content: bytes, status: int):
    answer = await ingest.post(content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    problem(answer)
    assert await ingest.facts() == []


async def test_a_refusal_names_the_field(ingest: Ingest):
    answer = await ingest.post({"event_name": "x", "data": "none"})
    [finding] = problem(answer)["errors"]
    assert (finding["in"], finding["path"]) == ("body", "$.data")


@pytest.mark.parametrize("value", [1e22, 2**70, -0.0, 0.1, 12345678901234567890, [], {}, None, "₹", "नमस्ते"])
async def test_any_json_value_can_be_carried_and_is_found_again(ingest: Ingest, value: Any):
    event = {"event_name": "x", "data": {"value": value}, "event_id": ingest.id}
    assert (await ingest.post(event)).json()["duplicate"] is False
    assert (await ingest.post(event)).json()["duplicate"] is True
    [fact] = await ingest.facts()
    assert fact.event.data == {"value": value}


@pytest.mark.parametrize("length", [1, 200])
async def test_ids_have_one_to_two_hundred_characters(ingest: Ingest, length: int):
    answer = await ingest.post({**OVERDUE, "event_id": ("é" * 150 + ingest.id.rjust(50, "0"))[-length:]})
    assert answer.status_code == 202


@pytest.mark.parametrize("key", ["", "k" * 201, '""'])
async def test_an_idempotency_key_of_another_length_is_refused(ingest: Ingest, key: str):
    answer = await ingest.post(OVERDUE, headers={"idempotency-key": key})
    assert answer.status_code == 422
    assert problem(answer)["errors"][0]["path"] == "Idempotency-Key"


async def test_data_up_to_256_kib_is_taken_and_more_is_not(ingest: Ingest):
    room = 256 * 1024 - len(msgspec.json.encode({"text": ""}))
    assert (await ingest.post({"event_name": "x", "data": {"text": "a" * room}})).status_code == 202
    refused = await ingest.post({"event_name": "x", "data": {"text": "a" * (room + 1)}})
    assert refused.status_code == 413
    assert "262144 bytes" in problem(refused)["detail"]


async def test_a_body_over_one_mebibyte_is_refused(ingest: Ingest):
    answer = await ingest.post(content=b" " * (1024 * 1024 + 1), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    problem(answer)
    assert await ingest.facts() == []


@pytest.mark.parametrize("media_type", ["application/xml", "multipart/form-data", "image/png"])
async def test_another_media_type_is_refused(ingest: Ingest, media_type: str):
    answer = await ingest.post(content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 415
    problem(answer)


async def test_json_that_calls_itself_a_form_is_taken(ingest: Ingest):
    content = msgspec.json.encode(OVERDUE)
    answer = await ingest.post(content=content, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 202


async def test_another_method_is_refused(ingest: Ingest):
    assert (await ingest.client.get("/api/v1/events")).status_code == 405


async def test_the_stored_data_is_sealed(ingest: Ingest):
    await ingest.post({"event_name": "x", "data": {"name": "Priya Sharma"}})
    stored = await ingest.store.pool.fetch("SELECT data FROM log.event WHERE pos > $1", ingest.since)
    assert not any(b"Priya" in row["data"] for row in stored)


async def test_while_postgres_is_away_callers_see_503_and_then_the_same_id_is_stored_once(
    embedded_postgres: PostgresServer,
):
    event = {**OVERDUE, "event_id": "erp-1"}
    cloud_events = [{"specversion": "1.0", "id": f"erp-{n}", "source": "acme", "type": "x", "data": {}} for n in (2, 3)]
    batch: dict[str, Any] = {"content": msgspec.json.encode(cloud_events), "headers": {"content-type": BATCH}}
    async with (
        Store.open(embedded_postgres.url, master=MASTER) as store,
        Store.open(embedded_postgres.url, master=MASTER, role="converse_ingest", name="ingest") as own,
    ):
        await publish_to(store)
        async with serving(store, own) as ingest:
            assert (await ingest.post(OVERDUE)).status_code == 202
            await embedded_postgres.kill()
            refused = [await ingest.post(event), await ingest.post({"contact_id": "c", "reason": "r"}, FOLLOWUPS)]
            refused.append(await ingest.post(**batch))
            for answer in refused:
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) >= 1
                problem(answer)
            await embedded_postgres.start()
            async with asyncio.timeout(60):
                while (answer := await ingest.post(event)).status_code == 503:
                    problem(answer)
            assert answer.json()["event_id"] == "erp-1"
            assert (await ingest.post(event)).json()["duplicate"] is True
            assert (await ingest.post(**batch)).status_code == 202
            assert [each["duplicate"] for each in (await ingest.post(**batch)).json()] == [True, True]
            stored = [fact.event.external_id for fact in await ingest.facts("business")]
            assert [stored.count(f"erp-{n}") for n in (1, 2, 3)] == [1, 1, 1]
