"""Effects under faults: one that cannot be read, a provider that fails in many calls at once, an intent from long ago."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import buckets
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Retry
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import LedgerWorld


@pytest_asyncio.fixture
async def world(store_of: StoreOf) -> AsyncIterator[LedgerWorld]:
    yield LedgerWorld(await store_of(CONVERSATION, MESSAGE), Clock())


async def damage(world: LedgerWorld, intent: Any) -> None:
    """Make an intent unreadable, as a bad disk or a careless hand does."""
    async with world.store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE log.event SET data = 'x' WHERE event_id = $1", intent.id)


async def test_an_intent_that_cannot_be_read_holds_up_no_other(world: LedgerWorld):
    worker = world.worker()
    claimed, gated, well = (
        await world.ask(),
        await world.ask(scopes=["contact:1"]),
        await world.ask(scopes=["contact:2"]),
    )
    await worker.claim_and_start()
    await worker.idle()
    await world.store.pool.execute(
        "UPDATE gateways.effect SET state = 'claimed', claim = gen_random_uuid(), lease_until = now() - interval '1 s',"
        " outcome = NULL, closed_at = NULL WHERE id = $1",
        claimed.id,
    )
    await world.store.pool.execute(
        "UPDATE gateways.effect SET state = 'open', outcome = NULL, closed_at = NULL WHERE id <> $1", claimed.id
    )
    await damage(world, claimed)
    await damage(world, gated)
    await world.close_gate("contact:1")
    await world.close_gate("contact:2")
    await worker.sweep()
    await worker.sweep()
    assert "withheld" in await world.outcomes(well)
    assert (await world.row(gated))["state"] == "open"


async def test_calls_that_fail_together_open_the_breaker_for_its_first_time_only(world: LedgerWorld):
    world.provider.answers = [Retry("503") for _ in range(16)]
    for _ in range(16):
        await world.ask()
    worker = world.worker(slots=16)
    assert await worker.claim_and_start() == 16
    await worker.idle()
    left: timedelta = await world.store.pool.fetchval("SELECT open_until - now() FROM gateways.account")
    assert left <= timedelta(seconds=buckets.OPEN_S)


async def test_the_breaker_closes_when_the_trial_call_goes_through(world: LedgerWorld):
    world.provider.answers = [Retry("503", timedelta(0)) for _ in range(buckets.TROUBLE)]
    intents = [await world.ask() for _ in range(buckets.TROUBLE)]
    worker = world.worker()
    await worker.claim_and_start()
    await worker.idle()
    assert await worker.claim_and_start() == 0
    await world.store.pool.execute("UPDATE gateways.account SET open_until = now()")
    assert await worker.claim_and_start() == 1
    await worker.idle()
    await world.work(worker)
    assert [await world.outcomes(intent) for intent in intents] == [["accepted"]] * len(intents)


async def test_an_intent_heard_again_after_its_row_was_pruned_makes_no_second_call(world: LedgerWorld):
    intent = await world.ask()
    await world.work(world.worker())
    row = await world.row(intent)
    assert (intent.envelope.recorded_at, row["outcome"]) == (row["opened_at"], "done")
    await world.store.pool.execute("DELETE FROM gateways.effect")
    async with world.store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE log.event SET recorded_at = recorded_at - interval '31 days'")
    [old] = await world.store.read_stream(intent.tenant, intent.stream)
    await world.hear(old)
    await world.work(world.worker())
    assert len(world.provider.calls) == 1
    assert (await world.row(intent))["outcome"] == "dead"
