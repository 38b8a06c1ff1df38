"""Outcomes that are known at the same time: one statement, and each of them as if it were alone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import buckets
from libs.kit.buckets import TROUBLE, Limits
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from tests.libs.kit.effects_world import LedgerWorld, until
from tests.libs.kit.ledger import contiguous

TOGETHER = 5


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    world = LedgerWorld(store, Clock())
    world.provider.hold = asyncio.Event()
    return world


async def calls_are_open(world: LedgerWorld, worker, number: int) -> None:
    await worker.claim_and_start()

    async def all_called() -> bool:
        return len(world.provider.calls) == number

    await until(all_called)


async def transactions(world: LedgerWorld) -> int:
    """How many transactions have written facts about messages."""
    written: int = await world.store.pool.fetchval(
        "SELECT count(DISTINCT recorded_at) FROM log.event WHERE category = 'message'"
    )
    return written


async def test_outcomes_that_come_together_are_told_by_fewer_statements(world: LedgerWorld):
    intents = [await world.ask() for _ in range(TOGETHER)]
    worker = world.worker()
    await calls_are_open(world, worker, TOGETHER)
    assert world.provider.hold is not None
    world.provider.hold.set()
    await worker.idle()
    for intent in intents:
        assert await world.outcomes(intent) == ["accepted"]
        row = await world.row(intent)
        assert (row["state"], row["outcome"]) == ("closed", "done")
    assert await transactions(world) < TOGETHER
    assert await contiguous(world.store.pool)


async def test_a_claim_that_is_lost_meanwhile_disturbs_nobody_else(world: LedgerWorld):
    intents = [await world.ask() for _ in range(TOGETHER)]
    worker = world.worker()
    await calls_are_open(world, worker, TOGETHER)
    lost = intents[2]
    await world.store.pool.execute("UPDATE gateways.effect SET claim = gen_random_uuid() WHERE id = $1", lost.id)
    assert world.provider.hold is not None
    world.provider.hold.set()
    await worker.idle()
    for intent in intents:
        assert await world.outcomes(intent) == ([] if intent is lost else ["accepted"])
        assert (await world.row(intent))["state"] == ("claimed" if intent is lost else "closed")
    assert await contiguous(world.store.pool)


async def test_answers_of_a_provider_close_its_breaker(world: LedgerWorld):
    for account in ("whatsapp", "email"):
        await buckets.configure(world.store.pool, "gateways", TENANT, account, Limits())
        await world.store.pool.execute(
            "UPDATE gateways.account SET failures = $1 WHERE account = $2", TROUBLE - 1, account
        )
    for account in ("whatsapp", "email") * 2:
        await world.ask(account=account)
    worker = world.worker()
    await calls_are_open(world, worker, 4)
    assert world.provider.hold is not None
    world.provider.hold.set()
    await worker.idle()
    failures = await world.store.pool.fetch("SELECT failures FROM gateways.account")
    assert {row["failures"] for row in failures} == {0}


async def test_whether_other_work_is_due_is_asked_of_every_account(world: LedgerWorld):
    await buckets.configure(world.store.pool, "gateways", TENANT, "b", Limits(rate=1e6, burst=1e6, concurrency=1))
    for account in ("a", "a", "b", "b"):
        await world.ask(account=account)
    worker = world.worker()
    await calls_are_open(world, worker, 3)
    claimed = "SELECT id, claim FROM gateways.effect WHERE state = 'claimed' AND account = ANY ($1) ORDER BY account"

    async def due_after(*accounts: str) -> bool:
        rows = await world.store.pool.fetch(claimed, accounts)
        ids, claims, count = [row["id"] for row in rows], [row["claim"] for row in rows], len(rows)
        async with world.store.pool.acquire() as connection:
            told = connection.transaction()
            await told.start()
            sql = "SELECT gateways.settle_effects($1, $2, $3, $4)"
            due: bool = await connection.fetchval(sql, ids, claims, ["done"] * count, [True] * count)
            await told.rollback()
        return due

    assert [await due_after("a"), await due_after("b"), await due_after("a", "b")] == [False, True, True]
    assert world.provider.hold is not None
    world.provider.hold.set()
    await worker.idle()
