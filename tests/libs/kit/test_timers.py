"""Business time comes: in order, once, on whichever replica, and at once when somebody moves the clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from events.base import Cause, Draft, Recorded
from events.conversation import CONVERSATION, Opened
from events.timer import TIMER, Fired
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.kit.timers import DueLoop, timer_row
from libs.testkit.nouns import NOON, PRIYA, TENANT
from tests.libs.kit.effects_world import until

HOUR = timedelta(hours=1)


@dataclass
class Timers:
    store: Store
    clock: Clock
    cause: Recorded[Any]

    async def set(self, timer: str, after: timedelta) -> None:
        row = timer_row(self.cause, timer=timer, due_at=NOON + after, stream="conversation-1")
        await self.store.pool.execute(row.sql, *row.args)

    async def fired(self) -> list[str]:
        """The timers that fired, in the order of the log."""
        facts = await self.store.read_log(0, 0, 10_000, families=["timer"])
        return [fact.event.timer for fact in facts if isinstance(fact.event, Fired)]

    async def waiting(self) -> int:
        count: int = await self.store.pool.fetchval("SELECT count(*) FROM orchestrator.timer")
        return count

    def loop(self, **options: Any) -> DueLoop:
        return DueLoop(self.store, self.clock, **options)


@pytest.fixture
async def timers(store_of: Callable[..., Awaitable[Store]]) -> AsyncIterator[Timers]:
    store = await store_of(CONVERSATION, TIMER)
    cause_id = ids.cause_id(TENANT, "test", "opening")
    cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="orchestrator")
    await store.append(TENANT, "conversation-1", 0, [Draft("conversation-1", Opened(contact_id=PRIYA))], cause)
    [opened] = await store.read_stream(TENANT, "conversation-1")
    async with Clock.open(store.pool, store.listener) as clock:
        await clock.set(NOON)
        yield Timers(store, clock, opened)


async def test_nothing_fires_before_it_is_due(timers: Timers):
    await timers.set("later", HOUR)
    assert await timers.loop().fire_due() == 0
    assert await timers.waiting() == 1


async def test_a_due_timer_fires_once_and_is_gone(timers: Timers):
    await timers.set("check", -HOUR)
    loop = timers.loop()
    assert await loop.fire_due() == 1
    assert await loop.fire_due() == 0
    [fact] = await timers.store.read_stream(TENANT, "timer-check")
    assert fact.event == Fired(timer="check", stream="conversation-1")
    assert fact.envelope.causation_id == timers.cause.id
    assert fact.envelope.correlation_id == timers.cause.envelope.correlation_id
    assert await timers.waiting() == 0


async def test_a_timer_that_is_set_twice_is_one(timers: Timers):
    await timers.set("check", -HOUR)
    await timers.set("check", -HOUR)
    await timers.loop().fire_due()
    assert await timers.fired() == ["check"]


async def test_many_that_are_due_at_once_fire_in_order_and_in_batches(timers: Timers):
    for number in range(25):
        await timers.set(f"{number:02}", -timedelta(minutes=number))
    loop = timers.loop(batch=10)
    assert [await loop.fire_due() for _ in range(4)] == [10, 10, 5, 0]
    assert await timers.fired() == [f"{number:02}" for number in reversed(range(25))]


async def test_replicas_fire_each_timer_once_and_in_order(timers: Timers):
    for number in range(30):
        await timers.set(f"{number:02}", -timedelta(minutes=number))
    loops = [asyncio.create_task(timers.loop(batch=4).run()) for _ in range(3)]

    async def all_fired() -> bool:
        return len(await timers.fired()) == 30

    await until(all_fired)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    assert await timers.fired() == [f"{number:02}" for number in reversed(range(30))]


async def test_the_loop_wakes_when_the_clock_is_moved(timers: Timers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.kit.timers.POLL_S", 3600.0)
    loop = asyncio.create_task(timers.loop().run())
    await timers.set("in three days", timedelta(days=3))
    await timers.clock.advance(timedelta(days=4))
    await until(timers.fired)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_the_loop_wakes_when_a_timer_is_set(timers: Timers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.kit.timers.POLL_S", 3600.0)
    loop = asyncio.create_task(timers.loop().run())
    await timers.set("far", timedelta(days=3))
    await timers.set("now", timedelta(0))
    assert await until(timers.fired) == ["now"]
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
