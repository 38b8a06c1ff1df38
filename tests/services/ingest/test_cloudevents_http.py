"""`POST /api/v1/events` with CloudEvents: answered as the plain form is, once it is stored, in every mode."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from libs.testkit.nouns import INVOICE_OVERDUE, TENANT
from services.ingest.cloudevents import BATCH, FORMAT
from tests.services.ingest.conftest import EVENTS, FOLLOWUPS, OVERDUE, Ingest
from tests.services.ingest.test_cloudevents import MALFORMED, WRONG
from tests.services.ingest.test_events import problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIME = "2026-02-16T05:00:00Z"


def event(ingest: Ingest, **more: Any) -> dict[str, Any]:
    """A CloudEvent with this test's id."""
    needed = {"specversion": "1.0", "id": ingest.id, "source": "/erpnext/acme", "type": "invoice_overdue"}
    return {**needed, "data": INVOICE_OVERDUE, **more}


async def structured(ingest: Ingest, value: Any) -> httpx.Response:
    return await ingest.post(content=msgspec.json.encode(value), headers={"content-type": f"{FORMAT}; charset=utf-8"})


async def batched(ingest: Ingest, value: Any) -> httpx.Response:
    return await ingest.post(content=msgspec.json.encode(value), headers={"content-type": BATCH})


async def binary(ingest: Ingest, value: dict[str, Any]) -> httpx.Response:
    named = {f"ce-{name}": text for name, text in value.items() if name != "data"}
    content = msgspec.json.encode(value["data"])
    return await ingest.post(content=content, headers={**named, "content-type": "application/json"})


async def test_an_event_is_answered_as_in_the_plain_form_and_all_of_it_is_stored(ingest: Ingest):
    told = event(ingest, time=TIME, subject="चालान 7", dataschema="https://acme.example/invoice/1", partitionkey="c-7")
    answer = await structured(ingest, told)
    assert (answer.status_code, answer.json()) == (202, {"event_id": ingest.id, "duplicate": False})
    [fact] = await ingest.facts()
    stored = fact.event
    assert (stored.event_name, stored.external_id, stored.origin) == ("invoice_overdue", ingest.id, "/erpnext/acme")
    assert (stored.data, stored.happened_at.isoformat()) == (INVOICE_OVERDUE, "2026-02-16T05:00:00+00:00")
    assert stored.attributes == {
        "subject": "चालान 7",
        "dataschema": "https://acme.example/invoice/1",
        "partitionkey": "c-7",
    }


async def test_what_an_event_says_beside_its_data_is_sealed(ingest: Ingest):
    await structured(ingest, event(ingest, subject="Priya Sharma"))
    stored = await ingest.store.pool.fetch("SELECT data FROM log.event WHERE pos > $1", ingest.since)
    assert stored
    assert not any(b"Priya" in row["data"] for row in stored)


async def test_an_event_is_one_in_whichever_mode_it_comes_again(ingest: Ingest):
    told = event(ingest, time=TIME, subject="INV-7")
    answers = [
        (await binary(ingest, told)).json(),
        (await structured(ingest, told)).json(),
        *(await batched(ingest, [told])).json(),
    ]
    assert answers == [{"event_id": ingest.id, "duplicate": duplicate} for duplicate in (False, True, True)]
    assert len(await ingest.facts()) == 1


async def test_a_sender_that_changes_from_the_plain_form_doubles_nothing(ingest: Ingest):
    plain = {**OVERDUE, "event_id": ingest.id, "source": "/erpnext/acme", "occurred_at": TIME}
    assert (await ingest.post(plain)).json()["duplicate"] is False
    assert (await structured(ingest, event(ingest, time=TIME))).json() == {"event_id": ingest.id, "duplicate": True}
    assert len(await ingest.facts()) == 1


@pytest.mark.parametrize("other", [{"type": "invoice_paid"}, {"data": {}}, {"subject": "INV-8"}, {"time": TIME}])
async def test_other_content_under_the_same_id_is_refused(ingest: Ingest, other: dict[str, Any]):
    await binary(ingest, event(ingest))
    answer = await structured(ingest, event(ingest, **other))
    assert answer.status_code == 422
    assert "other content" in problem(answer)["title"]
    assert len(await ingest.facts()) == 1


async def test_one_id_of_two_sources_is_two_events(ingest: Ingest):
    sources = ("/erpnext/acme", "/erpnext/zenith")
    answers = [await binary(ingest, event(ingest, source=source)) for source in sources]
    answers += [await structured(ingest, event(ingest, source=source)) for source in sources]
    assert [answer.json()["duplicate"] for answer in answers] == [False, False, True, True]
    assert len(await ingest.facts()) == 2


async def test_of_many_at_once_in_every_mode_one_wins(ingest: Ingest):
    told = event(ingest)
    alone = (mode(ingest, told) for mode in (structured, binary) for _ in range(3))
    batches = (batched(ingest, [told, told]) for _ in range(3))
    answers = [answer.json() for answer in await asyncio.gather(*alone, *batches)]
    duplicates = [
        each["duplicate"] for answer in answers for each in (answer if isinstance(answer, list) else [answer])
    ]
    assert sorted(duplicates) == [False] + [True] * 11
    assert len(await ingest.facts()) == 1


async def test_a_batch_is_stored_in_its_order_and_answered_in_it(ingest: Ingest):
    events = [event(ingest, id=f"{ingest.id}-{number}", data={"number": number}) for number in range(40)]
    answer = await batched(ingest, events)
    assert answer.status_code == 202
    assert answer.json() == [{"event_id": each["id"], "duplicate": False} for each in events]
    assert [fact.event.data["number"] for fact in await ingest.facts()] == list(range(40))


async def test_an_empty_batch_is_an_empty_answer(ingest: Ingest):
    answer = await batched(ingest, [])
    assert (answer.status_code, answer.json()) == (202, [])


async def test_a_batch_that_is_sent_again_after_half_of_it_was_known_is_stored_once(ingest: Ingest):
    events = [event(ingest, id=f"{ingest.id}-{number}") for number in range(4)]
    await batched(ingest, events[:1])
    await structured(ingest, events[2])
    answers = [await batched(ingest, events) for _ in range(2)]
    assert [[each["duplicate"] for each in answer.json()] for answer in answers] == [
        [True, False, True, False],
        [True, True, True, True],
    ]
    assert len(await ingest.facts()) == 4


async def test_an_event_that_stands_twice_in_a_batch_is_stored_once(ingest: Ingest):
    twice = event(ingest)
    answer = await batched(ingest, [twice, twice])
    assert [each["duplicate"] for each in answer.json()] == [False, True]
    assert len(await ingest.facts()) == 1


async def test_of_a_batch_that_is_partly_wrong_the_rest_is_stored_and_the_wrong_ones_are_named(ingest: Ingest):
    def numbered(number: int, **more: Any) -> dict[str, Any]:
        return event(ingest, id=f"{ingest.id}-{number}", **more)

    await structured(ingest, numbered(3))
    events = [numbered(0), numbered(1, time="now"), numbered(2), numbered(3, type="other"), 7, numbered(0, data={})]
    refused = await batched(ingest, events)
    told = problem(refused)
    assert refused.status_code == 422
    assert [each["path"] for each in told["errors"]] == ["$[1].time", "$[3].id", "$[4]", "$[5].id"]
    first, third = ({"event_id": f"{ingest.id}-{number}", "duplicate": False} for number in (0, 2))
    assert told["answers"] == [first, None, third, None, None, None]
    assert [fact.event.external_id for fact in await ingest.facts()] == [f"{ingest.id}-{n}" for n in (3, 0, 2)]

    mended = await batched(ingest, [numbered(0), numbered(1), numbered(2)])
    assert [each["duplicate"] for each in mended.json()] == [True, False, True]


async def test_a_batch_whose_elements_are_refused_alike_has_their_status(ingest: Ingest):
    large = event(ingest, data={"text": "a" * (256 * 1024)})
    assert (await batched(ingest, [large])).status_code == 413
    assert (await batched(ingest, [event(ingest, specversion="9")])).status_code == 400
    assert await ingest.facts() == []


async def test_nothing_malformed_is_a_failure_of_ours_and_nothing_of_it_is_stored(ingest: Ingest):
    for value, status, _ in WRONG:
        content = msgspec.json.encode(value)
        answers = [
            await ingest.post(content=content, headers={"content-type": FORMAT}),
            await ingest.post(content=b"[%s]" % content, headers={"content-type": BATCH}),
        ]
        assert [answer.status_code for answer in answers] == [status, status], (value, [a.text for a in answers])
        assert all(problem(answer)["errors"] for answer in answers)
    for sent, body, status, path in MALFORMED:
        answer = await ingest.post(content=body, headers=sent[1:])  # its host is the client's
        assert answer.status_code == status, (sent, answer.text)
        assert problem(answer)["errors"][0]["path"] == path
    assert await ingest.facts() == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"id": "\\udead"}', b'{"id": 1e400}', b"NaN"]
)
@pytest.mark.parametrize("media_type", [FORMAT, BATCH])
async def test_what_is_no_json_is_refused(ingest: Ingest, content: bytes, media_type: str):
    answer = await ingest.post(content=content, headers={"content-type": media_type})
    assert answer.status_code == 400
    problem(answer)


@pytest.mark.parametrize("media_type", ["application/cloudevents+avro", "application/cloudevents-batch+protobuf"])
async def test_another_format_is_refused(ingest: Ingest, media_type: str):
    answer = await ingest.post(content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 415
    assert FORMAT in problem(answer)["detail"]


async def test_a_body_over_one_mebibyte_is_refused(ingest: Ingest):
    for media_type in (FORMAT, BATCH):
        answer = await ingest.post(content=b" " * (1024 * 1024 + 1), headers={"content-type": media_type})
        assert answer.status_code == 413
        problem(answer)


async def test_only_events_come_as_cloudevents(ingest: Ingest):
    answer = await ingest.post(content=b"{}", path=FOLLOWUPS, headers={"content-type": FORMAT})
    assert answer.status_code == 415
    problem(answer)


async def test_a_key_with_the_scope_is_needed_in_every_mode(guarded_ingest: Ingest):
    _, token = await guarded_ingest.store.tenants.create_key(TENANT, "reader", ["read"])
    for media_type in (FORMAT, BATCH):
        sent: dict[str, Any] = {"content": b"{}", "headers": {"content-type": media_type}}
        assert (await guarded_ingest.post(**sent)).status_code == 401
        sent["headers"]["authorization"] = f"Bearer {token}"
        assert (await guarded_ingest.post(**sent)).status_code == 403


async def test_the_document_shows_all_three_bodies(ingest: Ingest):
    document = (await ingest.client.get("/api/docs/openapi.json")).json()
    content = document["paths"][EVENTS]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", FORMAT, BATCH}
    assert content[FORMAT]["schema"]["required"] == ["specversion", "id", "source", "type"]
    assert content[BATCH]["schema"]["items"] == content[FORMAT]["schema"]


async def test_the_commands_of_the_guide_answer_what_it_says(ingest: Ingest):
    guide = (Path(__file__).parents[3] / "docs/events.md").read_text(encoding="utf-8")
    block = guide.split("```bash\n")[1].split("```")[0].replace("\\\n", " ")
    commands = re.findall(r"curl (.*?)\n# (\d+) (\{[^\n]*\})", block, re.DOTALL)
    assert len(commands) == 2
    for command, status, answer in commands:
        words = shlex.split(command)
        named = [words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H"]
        sent = await ingest.post(content=words[words.index("-d") + 1].encode(), headers=dict(named))
        assert (sent.status_code, sent.json()) == (int(status), json.loads(answer))
    assert len(await ingest.facts()) == 2
