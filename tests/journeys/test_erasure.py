"""Somebody wants to be forgotten: nothing that we keep says anything of them any more, what was open ends, and what comes late too."""

import asyncio
import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from events import contact, conversation, followup, inbound, message
from libs.testkit.nouns import TENANT
from projections import PROJECTIONS
from projections.verify import verify
from services.cli import trace
from tests.journeys.conftest import FreshTown
from tests.journeys.log import PATIENCE_S
from tests.journeys.people import Person
from tests.journeys.plain import forms
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

HER_WORDS = "Haan ji, 20 February tak kar denge, mera naya dafter Zanzibar Road par hai"
LATE_WORDS = "Kya aap mujhe bhool gaye? Timbuktu Chowk"
PICTURE = b"a picture of the house on Zanzibar Road" * 40
TABLES = """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname IN ('log', 'ops', 'keys', 'orchestrator', 'gateways', 'backend_sync', 'console', 'read')"""


async def test_who_is_erased_is_nowhere_readable_and_nobody_speaks_to_them(fresh_town: FreshTown, tmp_path: Path):
    town = await fresh_town()
    asha, ravi = await town.somebody(channels=("whatsapp", "email")), await town.somebody()
    await ravi.was_reminded()
    await journey(asha)
    secrets = [asha.name, asha.phone[1:], asha.phone[3:], asha.email, "Zanzibar Road", "tak kar denge", "Lisbon Lane"]
    async with asyncio.timeout(PATIENCE_S):  # read models follow the log
        while not await found(town, tmp_path, [asha.name, "Zanzibar Road"]) >= {"read.contacts_v1", "read.messages_v1"}:
            pass
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]

    answer = await town.post(f"/api/v1/contacts/{asha.id}/erase", {"evidence": {"letter": f"from {asha.name}"}})
    assert answer.status_code == 202, answer.text
    await asha.sees(contact.Erased)
    ended = await asha.sees(followup.Cancelled)
    assert ended.event.reason == "the contact was erased on request"
    await asha.sees(conversation.Closed)
    await town.shows(f"/api/v1/contacts/{asha.id}", lambda body: body["name"] == "[erased]")
    await nothing_is_left(town, tmp_path, secrets)
    told = await writes_once(town, f"/contacts/{asha.id}/erased")
    assert len(told) == 1

    # What comes late: an event, a message, a list.
    said = len(await asha.received())
    await asha.owes(note="she lives on Zanzibar Road")
    known = {fact.id for fact in await town.log.now()}
    await asha.says(LATE_WORDS)
    # Not by her words: they may be unreadable before we see them.
    [late] = await town.log.wait(lambda fact: isinstance(fact.event, inbound.Received) and fact.id not in known)
    await destroyed(town, late.stream)
    [read] = await town.running.store.read_stream(TENANT, late.stream)
    assert "Timbuktu" not in repr(read)
    refused = await town.post("/api/v1/contacts/import", {"items": [listed(asha)]})
    assert refused.json()["items"][0]["status"] == "refused"
    await ravi.says("I will pay on 20 February")
    await ravi.sees(conversation.ProcessMoved, to_state="promised")
    await ravi.sees(message.Accepted, times=2)
    await nothing_is_left(town, tmp_path, [*secrets, "Timbuktu"])
    assert len(await asha.received()) == said

    # The trace still says why it ended, and the read models equal the log.
    facts = await trace.facts_of(town.running.store, TENANT, await asha.conversation())
    text = trace.as_json(facts).decode()
    assert f"asks to erase {asha.id}" in text
    assert not [secret for secret in secrets if secret in text]
    for verdict in await verify(town.running.store, PROJECTIONS):
        assert verdict.equal, verdict


async def journey(asha: Person) -> None:
    """A reminder, a promise, a picture, what an operator knows and says, and a second matter that waits for its date."""
    await asha.was_reminded()
    await asha.says(HER_WORDS)
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    await asha.sees(message.Read, times=2)
    file = {"media_type": "image/jpeg", "name": "house.jpg", "data": base64.b64encode(PICTURE).decode()}
    kept = await asha.town.told("meta/media", file)
    picture = {"type": "image", "image": {"id": kept["id"], "mime_type": "image/jpeg", "sha256": kept["sha256"]}}
    await asha.town.told("meta/inbound", {"from": asha.phone, "message": picture})
    await asha.town.log.wait(lambda fact: isinstance(fact.event, inbound.Fetched))
    await asha.taken_over()
    await asha.replied("Dhanyavaad, Zanzibar Road note kar liya")
    await asha.sees(message.Accepted, times=3)
    await asha.released()
    known = {"extracted_info": {"payment_date": "2026-02-21", "address": "Lisbon Lane"}}
    trigger = {
        "conversation_id": await asha.conversation(),
        "trigger_type": "intent",
        "trigger_value": "promise_to_pay",
    }
    await asha.town.post("/api/v1/context/trigger", {**trigger, "extra_data": known})


async def destroyed(town: Town, key: str) -> None:
    """Returns once a key is destroyed."""
    sql = "SELECT destroyed_at IS NOT NULL FROM keys.data_key WHERE tenant = $1 AND name = $2"
    async with asyncio.timeout(PATIENCE_S):
        while not await town.running.store.pool.fetchval(sql, TENANT, key):
            await town.client.get("/health/live")


def listed(person: Person) -> dict[str, Any]:
    return {"id": person.id, "name": person.name, "channels": [{"channel": "whatsapp", "address": person.phone}]}


async def writes_once(town: Town, ending: str) -> list[Any]:
    """What the ERP was told on a path, once it was."""
    while not (told := await town.writes(ending)):
        await town.client.get("/health/live")
    return [each["body"] for each in told]


async def nothing_is_left(town: Town, folder: Path, secrets: list[str]) -> None:
    """Returns once no table, file or message of JetStream holds one of these; the last look is the assertion."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while await found(town, folder, secrets) or files_of(folder / "objects"):
                await town.client.get("/api/v1/stats")
    assert not await found(town, folder, secrets)
    assert not files_of(folder / "objects")


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def found(town: Town, folder: Path, secrets: list[str]) -> set[str]:
    """The tables (as text, and bytes as hexadecimal) and files that hold one of these words, behind base64 too."""
    hidden = [form for secret in secrets for form in forms(secret)]
    words = [word for form in hidden for word in (form.decode(), form.hex())]
    pool = town.running.store.pool
    places = set()
    for row in await pool.fetch(TABLES):
        sql = f"SELECT count(*) FROM {row[0]} AS t, unnest($1::text[]) AS word WHERE position(word in t::text) > 0"
        if await pool.fetchval(sql, words):
            places.add(row[0])
    content = {path: path.read_bytes() for part in ("nats", "objects") for path in files_of(folder / part)}
    places |= {path.name for path, held in content.items() for form in hidden if form in held}
    return places
