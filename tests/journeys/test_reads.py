"""What the API shows of a journey: lists, one conversation now and earlier, statistics; and the README's examples as written."""

import asyncio
import gc
import json
import re
import shlex
import shutil
from typing import Any

import asyncpg
import pytest

from events import conversation, followup, message
from services.cli.room import CONNECTIONS
from services.cli.settings import REPOSITORY
from tests.journeys.conftest import FreshTown
from tests.journeys.town import Town

CONTRACT = """```bash
curl -X POST http://localhost:8000/api/v1/events -H 'Content-Type: application/json' -d '{
  "event_name": "invoice_overdue",
  "data": {"invoice_number": "INV-2026-0042", "contact_id": "c_123", "amount": 52400, "currency": "INR",
           "due_date": "2026-01-30", "days_overdue": 17}}'
# 202 {"event_id": "…", "duplicate": false}
curl -X POST http://localhost:8000/api/v1/followups/trigger -H 'Content-Type: application/json' \\
  -d '{"contact_id": "c_123", "reason": "Test call", "channel_priority": ["voice"]}'
# 202 {"followup_id": "…", "conversation_id": "…" or null until opened, "event_id": "…"}
curl -X POST http://localhost:8000/api/v1/context/trigger -H 'Content-Type: application/json' \\
  -d '{"conversation_id": "…", "trigger_type": "intent", "trigger_value": "promise_to_pay",
       "extra_data": {"extracted_info": {"payment_date": "2026-02-20"}}}'
```"""
"""The examples of the interface's contract, word for word."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_conversation_is_shown_with_its_messages_bindings_and_timeline(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("20 February tak kar denge")
    await asha.sees(message.Read, times=2)
    path = f"/api/v1/conversations/{await asha.conversation()}"
    shown = await town.shows(
        path, lambda body: [m["status"] for m in body["messages"] if m["direction"] == "outbound"] == ["read"] * 2
    )
    assert shown["contact"]["id"] == asha.id
    assert (shown["status"], shown["active_channel"]) in {("open", "whatsapp"), ("waiting", "whatsapp")}
    assert [each["direction"] for each in shown["messages"]] == ["outbound", "inbound", "outbound"]
    assert shown["messages"][1]["content"] == "20 February tak kar denge"
    [binding] = shown["bindings"]
    assert (binding["process_type"], binding["entity_id"]) == ("payment_collection", asha.invoice)
    assert binding["current_state"] == "promised"
    assert shown["timeline"]
    assert shown["position"] > 0


async def test_a_conversation_can_be_seen_as_it_was(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("20 February tak kar denge")
    moved = await asha.sees(conversation.ProcessMoved, to_state="promised")
    [opened] = await asha.facts(conversation.Opened)
    path = f"/api/v1/conversations/{await asha.conversation()}"
    await town.shows(path, lambda body: body["bindings"][0]["current_state"] == "promised")
    then = await town.shows(path, at=moved.pos - 1)
    assert then["bindings"][0]["current_state"] == "reminded"
    assert [each["direction"] for each in then["messages"]] == ["outbound", "inbound"]
    at_time = await town.shows(path, at=opened.envelope.occurred_at.isoformat())
    assert at_time["bindings"][0]["current_state"] in {"pending", "reminded"}
    before = await town.client.get(path, params={"at": opened.pos - 1})
    assert before.status_code == 404


async def test_lists_filter_and_go_on_with_a_cursor(town: Town):
    people = [await town.somebody() for _ in range(3)]
    for person in people:
        await person.was_reminded()
        await town.shows("/api/v1/conversations", lambda body: len(body["items"]) == 1, contact_id=person.id)
    mine = await town.shows("/api/v1/conversations", lambda body: len(body["items"]) == 1, contact_id=people[0].id)
    assert mine["items"][0]["contact_id"] == people[0].id
    seen: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = await town.shows("/api/v1/conversations", limit=2, **more)
        seen += [each["contact_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        more = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen))
    assert {person.id for person in people} <= set(seen)


async def test_followups_and_contacts_are_shown(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    [opened] = await asha.facts(followup.Opened)
    shown = await town.shows(f"/api/v1/followups/{opened.subject_id}", lambda body: body["attempt_count"] == 1)
    assert (shown["contact_id"], shown["rule_id"], shown["status"]) == (asha.id, "overdue_reminder", "open")
    await asha.pays(event=True)
    await town.shows(f"/api/v1/followups/{opened.subject_id}", lambda body: body["status"] == "resolved")
    known = await town.shows(f"/api/v1/contacts/{asha.id}")
    assert known["name"] == asha.name


async def test_taken_over_is_shown_and_handed_back(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    path = f"/api/v1/conversations/{await asha.conversation()}"
    await asha.taken_over()
    await town.shows(path, lambda body: body["status"] == "with_operator")
    await asha.released()
    await town.shows(path, lambda body: body["status"] != "with_operator")


@pytest.mark.parametrize("path", ["conversations/no-such", "followups/no-such", "contacts/no-such"])
async def test_what_is_not_there_is_not_found(town: Town, path: str):
    answer = await town.client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("verb", ["takeover", "reply", "release"])
async def test_an_operator_cannot_act_on_a_conversation_that_is_not_there(town: Town, verb: str):
    answer = await town.client.post(
        f"/api/v1/conversations/no-such/{verb}", json={"content": "x"} if verb == "reply" else None
    )
    assert answer.status_code == 404


async def test_statistics_and_health_know_the_journey(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    stats = await town.shows("/api/v1/stats")
    assert stats
    health = (await town.client.get("/health")).json()
    assert health["status"] == "ok"
    assert health["channels"]["whatsapp"] == "sandbox"
    assert (await town.client.get("/health/ready")).status_code == 200
    assert "/api/v1/events" in (await town.client.get("/api/docs/openapi.json")).json()["paths"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_the_examples_of_the_readme_run_as_written(fresh_town: FreshTown):
    town = await fresh_town()
    commands = curls((REPOSITORY / "README.md").read_text())
    assert len(commands) >= 7
    conversation_id = ""
    for command in commands:
        if "conversation" in command and not conversation_id:
            [moved] = await town.log.wait(
                lambda fact: isinstance(fact.event, conversation.ProcessMoved) and fact.event.to_state == "promised"
            )
            conversation_id = moved.subject_id
            await town.shows(f"/api/v1/conversations/{conversation_id}", lambda body: body["position"] > 40)
        status, body = await run(town, re.sub(r"\bID\b", conversation_id, command))
        assert status == (202 if " -X POST " in command else 200), (command, body)
    for command in curls(CONTRACT):
        status, body = await run(
            town, command.replace('"conversation_id": "…"', f'"conversation_id": "{conversation_id}"')
        )
        assert status == 202, (command, body)


async def test_what_the_system_may_open_at_postgres_is_what_the_doctor_counts_with(town: Town):
    pools = [
        pool
        for pool in gc.get_objects()
        if isinstance(pool, asyncpg.Pool) and pool._connect_args[0] == town.where.database_url
    ]
    assert len(pools) == 3 * 7  # reading, writing, keys: of six services and the command line
    listeners, leads = 7, 6  # the relay leads too
    voice = 8 + 8 + 2 + 2  # its pools, listener and lead
    command = 2 + 2 + 2 + 1
    most = sum(pool.get_max_size() for pool in pools) + listeners + leads + voice + command
    assert most <= CONNECTIONS <= 1.1 * most


def curls(text: str) -> list[str]:
    """Every curl command of a document, each with its continued lines."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [
        command
        for block in blocks
        for command in re.findall(r"^curl .*?(?=^curl |\Z)", block, re.MULTILINE | re.DOTALL)
    ]


async def run(town: Town, command: str) -> tuple[int, Any]:
    """Run a curl command against this system: the HTTP status, and the JSON answered."""
    line = command.replace("\\\n", " ").replace("http://localhost:8000", town.origin)
    arguments = shlex.split(line, comments=True)
    process = await asyncio.create_subprocess_exec(
        *arguments, "-s", "-w", "\n%{http_code}", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    body, _, status = output.decode().rpartition("\n")
    return int(status), json.loads(body)
