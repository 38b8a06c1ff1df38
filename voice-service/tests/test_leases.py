"""A worker's lines and its heartbeat: what it may take, what it awaits, and what it does when it was thought dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from voice_world import until

from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import PRIYA_PHONE, TENANT
from libs.testkit.servers import StoreOf
from voice_service.decide import Used
from voice_service.facts import Facts
from voice_service.leases import MEDIA, Held, Worker
from voice_service.orphans import Orphans

LEASE = timedelta(seconds=30)
"""No pause of a busy machine is as long; `_SILENT` is longer."""
SHORT = timedelta(seconds=3)
_CALL = """INSERT INTO voice.call (tenant, call, conversation, version, correlation, state, asked_at)
VALUES ($1, $2, '1', 1, $2, 'dialled', now())"""
_SILENT = "UPDATE voice.worker SET seen_at = now() - interval '1 minute' WHERE id = $1"


@pytest.fixture
async def own(store_of: StoreOf) -> Store:
    return await store_of(role="converse_voice")


def a_worker(store: Store, lease: timedelta = LEASE) -> Worker:
    return Worker(store, name=None, lines=2, beat=timedelta(seconds=0.1), lease=lease)


@asynccontextmanager
async def beating(worker: Worker) -> AsyncIterator[Worker]:
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: _is(worker.room() > 0))
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def a_call(store: Store) -> UUID:
    call = ids.fresh()
    await store.pool.execute(_CALL, TENANT, call)
    return call


def held(ended: list[str], seconds: int = 7) -> Held:
    async def hang_up() -> None:
        ended.append("hung up")

    return Held(tenant=TENANT, used=lambda: Used(seconds=seconds, turns=2), hang_up=hang_up)


async def test_awaited_and_held_calls_take_lines_and_a_draining_worker_has_none(own: Store):
    async with beating(a_worker(own)) as worker:
        first, second = await a_call(own), await a_call(own)
        await worker.awaits(TENANT, first)
        assert worker.room() == 1
        assert await worker.holds(first, held([]))
        assert worker.room() == 1, "the line that was kept free"
        await worker.awaits(TENANT, second)
        assert (worker.room(), worker.has_line_for(second), worker.has_line_for(ids.fresh())) == (0, True, False)
        worker.frees(first)
        worker.draining = True
        assert worker.room() == 0
        assert worker.busy(), "a call that rings may still be answered"

        def opens(call: UUID) -> Any:
            return {"path": f"{MEDIA}{worker.name}/default/secret", "query_string": f"call={call}".encode()}

        assert worker.expects(opens(second))
        assert not worker.expects(opens(first))
        worker.leaves(second)
        assert not worker.busy()


async def test_of_two_calls_to_one_number_that_are_to_be_dialled_at_once_one_waits_until_the_other_is_over(own: Store):
    one, other = a_worker(own), a_worker(own)
    first, second = await a_call(own), await a_call(own)
    asked = [(one, first), (other, second)]
    got = await asyncio.gather(*(worker.reserves(TENANT, call, PRIYA_PHONE) for worker, call in asked))
    assert sorted(got) == [False, True]
    winner, loser = (first, second) if got[0] else (second, first)
    assert await one.reserves(TENANT, winner, PRIYA_PHONE), "asked again after a try that came to nothing"
    assert not await one.reserves(TENANT, loser, PRIYA_PHONE)
    assert await one.reserves(TENANT, loser, "+919800000001"), "another number"
    await own.pool.execute("UPDATE voice.call SET state = 'over' WHERE call = $1", winner)
    assert await other.reserves(TENANT, loser, PRIYA_PHONE)


async def test_one_worker_only_holds_a_call_and_nobody_takes_it_up_again(own: Store):
    one, other = a_worker(own), a_worker(own)
    async with beating(one), beating(other):
        call = await a_call(own)
        taken = await asyncio.gather(one.holds(call, held([])), other.holds(call, held([])), one.holds(call, held([])))
        assert sorted(taken) == [False, False, True]
        one.frees(call)
        other.frees(call)
        assert not await one.holds(call, held([])), "Exotel resumes nothing: a further stream is none of its"


async def test_a_line_is_free_again_when_its_call_ended_elsewhere(own: Store):
    async with beating(a_worker(own)) as worker:
        call = await a_call(own)
        await worker.awaits(TENANT, call)
        await own.pool.execute("UPDATE voice.call SET state = 'over' WHERE call = $1", call)
        await until(lambda: _is(worker.room() == 2))


async def test_who_was_silent_for_too_long_hangs_up_and_begins_anew(own: Store):
    ended: list[str] = []
    async with beating(a_worker(own)) as worker:
        call = await a_call(own)
        assert await worker.holds(call, held(ended))
        before = worker.id
        await own.pool.execute(_SILENT, before)
        await until(lambda: _is(worker.id != before and worker.room() > 0))
        assert ended == ["hung up"]


async def test_the_calls_of_a_silent_worker_are_ended_by_a_sibling_once_and_not_before_it_is_steady(
    own: Store, store: Store, clock: Clock
):
    dead = a_worker(own)
    async with beating(dead):
        call = await a_call(own)
        assert await dead.holds(call, held([]))

        async def noted() -> bool:
            return bool(await own.pool.fetchval("SELECT used IS NOT NULL FROM voice.call WHERE call = $1", call))

        await until(noted)
    await own.pool.execute(_SILENT, dead.id)
    async with beating(a_worker(own, SHORT)) as sibling:
        orphans = Orphans(own, Facts(own, clock), sibling, every_s=0.1)
        assert not sibling.steady(), "silence may have been the database's"
        looking = asyncio.create_task(orphans.run())
        ends = await until(lambda: store.read_stream(TENANT, f"call-{call}"))
        assert sibling.steady()
        assert await orphans.look() == 1, "nobody has heard the fact yet"
        looking.cancel()
        assert [(fact.event.reason, fact.event.seconds, fact.event.turns) for fact in ends] == [("failed", 7, 2)]  # type: ignore[attr-defined]
        assert len(await store.read_stream(TENANT, f"call-{call}")) == 1


async def _is(true: bool) -> bool:
    return true
