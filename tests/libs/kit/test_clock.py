"""Business time is one for all processes and can be moved; machine time cannot."""

import asyncio
from datetime import UTC, timedelta
from typing import Any, cast

import asyncpg

from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import MORNING, NOON
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import until

DAY = timedelta(days=1)
MOMENT = timedelta(minutes=1)


async def test_a_fixed_clock_stands_until_it_is_moved():
    clock = Clock.fixed(NOON)
    assert clock.now() == clock.machine() == NOON
    assert await clock.advance(DAY) == NOON + DAY
    await clock.set(MORNING)
    assert clock.now() == MORNING
    assert clock.machine() == NOON


async def test_business_time_is_machine_time_until_it_is_moved(clock: Clock):
    assert abs(clock.now() - clock.machine()) < MOMENT
    assert clock.now().tzinfo is UTC


async def test_every_process_hears_that_business_time_was_moved(clock: Clock, store_of: StoreOf):
    other_store = await store_of()
    async with Clock.open(other_store.pool, other_store.listener) as other:
        await clock.set(NOON)

        async def heard() -> bool:
            await other_store.head(0)
            return abs(other.now() - NOON) < MOMENT

        await until(heard)
        await other.advance(3 * DAY)

        async def heard_back() -> bool:
            await other_store.head(0)
            return abs(clock.now() - NOON - 3 * DAY) < MOMENT

        await until(heard_back)
        assert abs(clock.machine() - other.machine()) < MOMENT


async def test_business_time_outlives_the_process(clock: Clock, store_of: StoreOf):
    await clock.set(NOON)
    later = await store_of()
    async with Clock.open(later.pool, later.listener) as again:
        assert abs(again.now() - NOON) < MOMENT


async def test_who_sleeps_until_a_time_wakes_when_the_clock_is_moved_there(clock: Clock):
    sleeper = asyncio.create_task(clock.sleep_until(clock.now() + 2 * DAY))
    await clock.advance(DAY)
    assert not sleeper.done()
    await clock.advance(DAY)
    await sleeper


async def test_who_sleeps_until_a_time_that_has_passed_wakes_at_once(clock: Clock):
    await clock.sleep_until(clock.now() - DAY)
    await clock.sleep_until(clock.now() + timedelta(milliseconds=20))


async def test_a_clock_that_missed_a_move_catches_up_when_it_listens_again(clock: Clock, store: Store):
    await store.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'converse-listen'"
    )
    await store.pool.execute("UPDATE ops.business_clock SET ahead = '3 days'")

    async def caught_up() -> bool:
        await store.head(0)
        return clock.now() - clock.machine() > 2 * DAY

    await until(caught_up)


async def test_what_was_read_before_business_time_was_moved_does_not_move_it_back(clock: Clock, store: Store):
    class Slow:
        """A pool whose answers to reading take until they are let go."""

        def __init__(self) -> None:
            self.read, self.go = asyncio.Event(), asyncio.Event()

        async def fetchval(self, sql: str, *args: Any) -> Any:
            answer = await store.pool.fetchval(sql, *args)
            if sql.startswith("SELECT"):
                self.read.set()
                await self.go.wait()
            return answer

    slow = Slow()
    other = Clock(cast(asyncpg.Pool, slow))
    reading = asyncio.create_task(other._reload())
    await slow.read.wait()
    moving = asyncio.create_task(other.advance(DAY))
    await asyncio.wait([moving], timeout=0.3)  # as far as it comes by itself
    slow.go.set()
    await asyncio.gather(reading, moving)
    assert other.now() - other.machine() > DAY - MOMENT
