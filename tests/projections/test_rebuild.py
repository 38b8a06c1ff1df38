"""Read models are made anew while facts keep coming, and shown to equal the log."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest

from events import contact
from libs.kit.reactor import Reactor
from libs.kit.store import Store
from projections import PROJECTIONS, generations
from projections.base import Projection
from projections.live import CONSUMER
from projections.rebuild import Built, rebuild
from projections.verify import Verdict, verify
from tests.projections.journey import PRIYA_IS, Journey, Log

TRAFFIC = 400
"""Turns of traffic at most: on a slow machine a rebuild must not have to catch up with ever more."""

BY_NAME = {projection.name: projection for projection in PROJECTIONS}


async def projected(reactor: Reactor, log: Log) -> None:
    await asyncio.wait_for(reactor.caught_up(await log.store.head(0)), 30)


async def differing(store: Store) -> dict[str, int]:
    return {verdict.name: verdict.differing for verdict in await verify(store, PROJECTIONS) if not verdict.equal}


async def register(log: Log, number: int) -> None:
    fact = contact.Registered(contact_id=f"c_{number}", profile=PRIYA_IS)
    await log.tell(f"contact-c_{number}", fact)


async def test_a_rebuild_while_facts_are_appended_equals_the_log_and_misses_none(projecting: Reactor, log: Log):
    await Journey(log).whole()
    await projected(projecting, log)
    rebuilt = asyncio.Event()
    told = 0

    async def traffic() -> None:
        nonlocal told
        while told < TRAFFIC and not rebuilt.is_set():
            told += 1
            await register(log, told)
            if told % 10 == 0:
                await Journey(log, told).whole()

    busy = asyncio.create_task(traffic())
    try:
        generations_made = [{each.generation for each in await rebuild(log.store, PROJECTIONS)} for _ in range(3)]
    finally:
        rebuilt.set()
        await busy
    assert generations_made == [{2}, {3}, {4}]
    await projected(projecting, log)
    assert await log.store.pool.fetchval("SELECT count(*) FROM read.contacts WHERE id ~ '_[0-9]+$'") >= told
    assert await differing(log.store) == {}


async def test_verify_holds_while_facts_are_appended(projecting: Reactor, log: Log):
    done = asyncio.Event()

    async def traffic() -> None:
        for number in range(1, TRAFFIC // 10):
            if done.is_set():
                return
            await Journey(log, number).whole()

    busy = asyncio.create_task(traffic())
    try:
        for _ in range(3):
            assert await differing(log.store) == {}
    finally:
        done.set()
        await busy


async def test_a_row_that_somebody_changed_is_found_and_named_without_its_values(projecting: Reactor, log: Log):
    await Journey(log).whole()
    await projected(projecting, log)
    await log.store.pool.execute("UPDATE read.contacts SET name = 'Somebody', role = 'spy'")
    await log.store.pool.execute("DELETE FROM read.messages WHERE direction = 'inbound' AND channel = 'whatsapp'")
    await log.store.pool.execute("INSERT INTO read.timeline VALUES ('default', 'conv-1', 4711)")
    verdicts: dict[str, Verdict] = {verdict.name: verdict for verdict in await verify(log.store, PROJECTIONS)}
    assert {name: verdict.differing for name, verdict in verdicts.items() if not verdict.equal} == {
        "contacts": 1,
        "messages": 1,
        "timeline": 1,
    }
    [changed] = verdicts["contacts"].differences
    assert (changed.what, changed.columns, changed.key["id"]) == ("differs", ("name", "role"), "c_123")
    assert "Somebody" not in repr(verdicts)
    [missing] = verdicts["messages"].differences
    assert missing.what == "is missing"
    [invented] = verdicts["timeline"].differences
    assert (invented.what, invented.key["pos"]) == ("the log knows no such row", 4711)
    await rebuild(log.store, [BY_NAME["contacts"], BY_NAME["messages"], BY_NAME["timeline"]])
    assert await differing(log.store) == {}


async def test_only_the_named_read_model_is_rebuilt_and_the_reactor_goes_on_in_it(projecting: Reactor, log: Log):
    await Journey(log).begin()
    await projected(projecting, log)
    [built] = await rebuild(log.store, [BY_NAME["contacts"]])
    assert (built.name, built.generation, built.rows) == ("contacts", 2, 1)
    await register(log, 5)
    await projected(projecting, log)
    assert await log.store.pool.fetchval("SELECT count(*) FROM read.contacts_v2") == 2
    assert await log.store.pool.fetchval("SELECT count(*) FROM read.contacts_v1") == 1
    assert await differing(log.store) == {}


async def test_the_old_tables_stay_a_day_and_are_dropped_by_the_next_rebuild(projecting: Reactor, log: Log):
    contacts = [BY_NAME["contacts"]]
    await Journey(log).begin()
    await projected(projecting, log)
    await rebuild(log.store, contacts)
    await rebuild(log.store, contacts)
    pool = log.store.pool
    assert await pool.fetchval("SELECT to_regclass('read.contacts_v1') IS NOT NULL")
    await pool.execute(
        "UPDATE console.read_model SET replaced_at = replaced_at - interval '25 hours' WHERE generation = 1"
    )
    await rebuild(log.store, contacts)
    assert await pool.fetchval("SELECT to_regclass('read.contacts_v1') IS NULL")
    states = await pool.fetch(
        "SELECT generation, state FROM console.read_model WHERE name = 'contacts' ORDER BY generation"
    )
    assert [tuple(row) for row in states] == [(2, "old"), (3, "old"), (4, "current")]


async def test_the_progress_ends_at_the_head_of_what_was_projected(projecting: Reactor, log: Log):
    await Journey(log).whole()
    await projected(projecting, log)
    told: list[tuple[int, int]] = []
    await rebuild(log.store, PROJECTIONS, lambda done, of: told.append((done, of)))
    head = await log.store.head(0)
    assert told[-1] == (head, head)


async def test_an_analysts_query_holds_a_swap_back_for_as_long_as_it_runs_and_no_longer(
    projecting: Reactor, log: Log, database: str
):
    await Journey(log).begin()
    await projected(projecting, log)
    reader = await asyncpg.connect(database)
    try:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("SELECT * FROM read.contacts")
        swapping = asyncio.create_task(rebuild(log.store, [BY_NAME["contacts"]]))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(swapping), 0.5)
        assert not swapping.done()
        await reading.rollback()
        [built] = await asyncio.wait_for(swapping, 60)
        assert isinstance(built, Built)
    finally:
        await reader.close()


async def test_tables_of_another_release_are_told_apart_and_rebuilt_with_their_new_columns(
    projecting: Reactor, log: Log, tmp_path
):
    await Journey(log).begin()
    await projected(projecting, log)
    ddl = BY_NAME["contacts"].ddl.replace("first_pos bigint NOT NULL,", "first_pos numeric NOT NULL,")
    newer = replace_ddl(BY_NAME["contacts"], ddl)
    async with generations.maintenance(log.store.url) as connection:
        assert await generations.begin(connection, PROJECTIONS, consumer=CONSUMER) == []
        assert await generations.begin(connection, [newer], consumer=CONSUMER) == [newer]
    await rebuild(log.store, [newer])
    kind = (
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'contacts' AND column_name = 'first_pos'"
    )
    assert await log.store.pool.fetchval(kind) == "numeric"
    await register(log, 6)
    await projected(projecting, log)
    assert await log.store.pool.fetchval("SELECT count(*) FROM read.contacts") == 2


def replace_ddl(projection: Projection, ddl: str) -> Projection:
    """The same read model as a later release has it."""
    newer = replace(projection)
    newer.__dict__["ddl"] = ddl
    return newer


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_a_read_models_struct_and_its_table_have_the_same_columns(
    tables: None, store: Store, projection: Projection
):
    for table in projection.tables:
        found = await store.pool.fetch(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'read' AND table_name = $1 ORDER BY ordinal_position",
            f"{table.name}_v1",
        )
        assert [(row[0], row[1] == "jsonb") for row in found] == [(each.name, each.is_json) for each in table.columns]
