"""The bundle from the command line: published, compared, shown, drawn, listed; and what runs is moved on purpose."""

from pathlib import Path

import msgspec

from events.base import Cause, Draft
from events.config import MigrationRequested
from events.conversation import FlowStarted, Opened, ProcessBound, StepEntered
from libs.kit import ids
from libs.kit.store import ANY, Append, Store
from libs.testkit.nouns import INVOICE, NOON, PRIYA, TENANT
from tests.services.cli.conftest import SHIPPED, Converse, bundle_with, run


async def test_a_published_bundle_decides_and_a_second_time_changes_nothing(converse: Converse, store: Store):
    first = await converse("config", "publish")
    assert first.exit_code == 0, first.output
    assert first.output.startswith("published ")
    again = await converse("config", "publish")
    assert "decides already" in again.output
    assert await store.pool.fetchval("SELECT count(*) FROM ops.current_bundle") == 1


async def test_a_bundle_with_errors_is_not_published(converse: Converse, store: Store, tmp_path: Path):
    refused = await converse("config", "publish", str(bundle_with(tmp_path, "gte, value: 3", "above, value: 3")))
    assert refused.exit_code == 1
    assert await store.pool.fetchval("SELECT count(*) FROM ops.bundle") == 0


async def test_publishing_says_what_it_changes_and_the_history_keeps_both(converse: Converse, tmp_path: Path):
    await converse("config", "publish")
    other = bundle_with(tmp_path, "max_words: 80", "max_words: 90")
    differs = await converse("config", "diff", "current", str(other))
    assert differs.exit_code == 1
    assert "~ flows.payment_reminder.steps.send_reminder.max_words: 80 → 90" in differs.output
    published = await converse("config", "publish", str(other))
    assert "send_reminder.max_words: 80 → 90" in published.output
    rows = msgspec.json.decode((await converse("config", "history", "--json")).output)
    assert len(rows) == 2
    again = msgspec.json.decode((await converse("config", "publish", str(other), "--json")).output)
    assert again == {
        "bundle": rows[1]["bundle"],
        "published": False,
        "previous": rows[1]["bundle"],
        "changes": [],
        "staying": 0,
    }
    same = await converse("config", "diff", rows[1]["bundle"][:12], str(other))
    assert (same.exit_code, same.output) == (0, "they say the same\n")
    shown = await converse("config", "show", rows[0]["bundle"][:8])
    assert "payment_collection, order_fulfillment" in shown.output


async def test_what_differs_far_into_a_long_text_is_shown(converse: Converse, tmp_path: Path):
    other = bundle_with(
        tmp_path, "Ask for a specific payment date.\n        templates", "Ask for a day.\n        templates"
    )
    told = await converse("config", "diff", str(SHIPPED), str(other))
    assert told.output.count("\n") == 1
    assert "Ask for a specific payment date." in told.output
    assert "Ask for a day." in told.output


async def test_what_names_no_bundle_is_told_with_what_would(converse: Converse):
    nothing = await converse("config", "diff", "current")
    assert (nothing.exit_code, "config publish" in nothing.output) == (1, True)
    await converse("config", "publish")
    unknown = await converse("config", "show", "ffff")
    assert (unknown.exit_code, "config history" in unknown.output) == (1, True)


def test_a_folder_is_shown_and_drawn_without_any_system():
    shown = run("config", "show", environment={})
    assert "overdue_reminder" in shown.output
    drawn = run("config", "show", str(SHIPPED), "--picture", environment={})
    assert drawn.exit_code == 0
    assert drawn.output.startswith("<!doctype html>")
    assert drawn.output.count("<svg") == 2 + 19


async def test_what_runs_is_listed_and_asked_to_move_where_it_has_a_place(
    converse: Converse, store: Store, tmp_path: Path
):
    await converse("config", "publish")
    old = await store.pool.fetchval("SELECT hash FROM ops.current_bundle")
    await runs(store, "conv-1", old, state="reminded", step="send_reminder")
    await runs(store, "conv-2", old, state="gone", step="send_reminder")
    published = await converse("config", "publish", str(bundle_with(tmp_path, "max_words: 80", "max_words: 90")))
    assert "2 open matters go on" in published.output
    dry = await converse("config", "migrate", "--dry-run")
    assert dry.exit_code == 1
    assert "would move" in dry.output
    assert "has no state 'gone' there" in dry.output
    assert await store.read_stream(TENANT, "config-migration-conv-1") == []
    moved = await converse("config", "migrate", "--process", "payment_collection")
    assert moved.exit_code == 1
    told = msgspec.json.decode((await converse("config", "migrate", "--dry-run", "--json")).output)
    assert {each["conversation"]: each["obstacle"] for each in told["matters"]} == {
        "conv-1": None,
        "conv-2": "payment_collection has no state 'gone' there",
    }
    [asked] = await store.read_stream(TENANT, "config-migration-conv-1")
    new = await store.pool.fetchval("SELECT hash FROM ops.current_bundle")
    assert asked.event == MigrationRequested(conversation="conv-1", bundle=new, matters=["m-conv-1"])
    assert await store.read_stream(TENANT, "config-migration-conv-2") == []
    rows = msgspec.json.decode((await converse("config", "history", "--json")).output)
    assert [row["open_matters"] for row in rows] == [2, 0]


async def runs(store: Store, conversation: str, bundle: str, *, state: str, step: str) -> None:
    """A conversation about an invoice is open, as the orchestrator would have left it."""
    matter = f"m-{conversation}"
    facts = [
        Opened(contact_id=PRIYA),
        ProcessBound(matter=matter, bundle=bundle, state=state, process_type="payment_collection", entity_id=INVOICE),
        FlowStarted(matter=matter, flow="payment_reminder"),
        StepEntered(matter=matter, flow="payment_reminder", step=step),
    ]
    stream = f"conversation-{conversation}"
    cause = Cause(correlation_id=ids.fresh(), occurred_at=NOON, source="test", id=ids.fresh())
    async with store.transaction(await store.shard_of(TENANT)) as unit:
        await unit.connection.execute(
            "INSERT INTO orchestrator.contact_conversation (tenant, contact, conversation, last) VALUES ($1, $2, $3, $3)",
            TENANT,
            f"{PRIYA}-{conversation}",
            conversation,
        )
        await unit.commit(appends=[Append(TENANT, stream, ANY, [Draft(stream, fact) for fact in facts], cause)])
