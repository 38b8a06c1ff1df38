"""Statements of the ledger that are planned once, and what their plans read when the tables are no longer small."""

from collections.abc import Awaitable, Callable

import pytest

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import buckets, ids, postgres
from libs.kit.clock import Clock
from libs.kit.effect_sql import statement
from libs.kit.store import Store
from tests.libs.kit.effects_world import KIND, LedgerWorld


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    return LedgerWorld(store, Clock())


async def test_what_is_planned_once_over_an_empty_ledger_looks_effects_up_by_their_index(world: LedgerWorld):
    await world.store.pool.execute("VACUUM ANALYZE gateways.effect")
    connection = await postgres.connect(world.store.url, settings=postgres.PLANNED_ONCE)
    try:
        await connection.execute("PREPARE one (uuid) AS SELECT FROM gateways.effect WHERE id = $1")
        plan = await connection.fetch(f"EXPLAIN EXECUTE one ('{ids.fresh()}')")
    finally:
        await connection.close()
    assert "Index" in plan[0][0]
    assert "Seq Scan" not in plan[0][0]


async def test_a_claim_planned_over_an_empty_log_reads_its_intent_and_not_the_whole_log(world: LedgerWorld):
    """Whoever plans once plans early: a plan that read the shard from its beginning made each claim dearer than the last."""
    read = "SELECT pg_stat_get_xact_tuples_returned('log.event_0_pkey'::regclass)"  # by this connection alone
    connection = await postgres.connect(world.store.url, settings=postgres.PLANNED_ONCE)
    try:

        async def claim() -> int:
            args = ids.fresh(), 8, [KIND], [10.0], buckets.TROUBLE
            async with connection.transaction():
                before = await connection.fetchval(read)
                assert len(await connection.fetch(statement("effect_claim", "gateways"), *args)) == 1
                return int(await connection.fetchval(read) - before)

        await world.ask()
        await claim()
        for _ in range(60):
            intent = await world.ask()
            await world.store.pool.execute("DELETE FROM gateways.effect WHERE id = $1", intent.id)
        await world.ask()
        assert await claim() <= 2
    finally:
        await connection.close()
