"""When nobody knows: leases that ran out, calls that broke, and evidence that comes later."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from events.base import Recorded
from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import effect_rows
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Unknown
from libs.kit.embedded import PostgresServer
from libs.kit.serve import Loop, keep_running
from libs.kit.store import Store, Unavailable
from libs.testkit.servers import MASTER
from tests.libs.kit.effects_world import LedgerWorld, Provider, kind, until


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    return LedgerWorld(store, Clock())


async def test_a_call_that_broke_is_told_as_unknown_and_never_made_again(world: LedgerWorld):
    world.provider.answers = [ConnectionResetError()]
    intent = await world.ask()
    worker = world.worker()
    await world.work(worker)
    await world.work(worker)
    assert len(world.provider.calls) == 1
    assert await world.outcomes(intent) == ["outcome_unknown"]
    assert (await world.row(intent))["state"] == "unknown"


async def test_a_call_that_hangs_is_cut_off_and_unknown(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask()
    await world.work(world.worker(timeout=timedelta(milliseconds=300)))
    assert await world.outcomes(intent) == ["outcome_unknown"]


async def test_a_failure_before_the_first_byte_did_nothing_and_is_tried_again(world: LedgerWorld):
    failures = [ValueError("a bug before the call")]

    async def fail_once(claim: Claim) -> None:
        if failures:
            raise failures.pop()

    world.provider.before_first_byte = fail_once
    intent = await world.ask()
    await world.work(world.worker())
    assert await world.outcomes(intent) == ["accepted"]
    assert len(world.provider.calls) == 1


async def test_where_repeating_does_no_harm_an_unknown_outcome_is_repeated(world: LedgerWorld):
    world.provider.answers = [Unknown("no answer")]
    intent = await world.ask()
    await world.work(world.worker(after_unknown="repeat"))
    assert world.provider.calls == [intent.id] * 2
    assert await world.outcomes(intent) == ["accepted"]


async def test_an_expired_claim_is_unknown_and_not_offered_again(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask()
    lost, other = world.worker(), world.worker()
    await lost.claim_and_start()
    await world.provider.began.wait()
    await world.expire_lease(intent)
    await world.work(other)
    assert await world.outcomes(intent) == ["outcome_unknown"]
    assert len(world.provider.calls) == 1
    world.provider.hold.set()
    await lost.idle()


async def test_an_expired_claim_of_a_repeatable_kind_is_claimed_again_and_the_late_answer_dropped(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask()
    lost, other = world.worker(after_unknown="repeat"), world.worker(after_unknown="repeat")
    await lost.claim_and_start()
    await world.provider.began.wait()
    await world.expire_lease(intent)
    await other.sweep()
    assert await other.claim_and_start() == 1
    world.provider.hold.set()
    await other.idle()
    await lost.idle()
    assert world.provider.calls == [intent.id] * 2
    assert await world.outcomes(intent) == ["accepted"]


async def test_a_worker_that_lost_its_lease_and_then_got_an_answer_tells_it(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask()
    slow, other = world.worker(), world.worker()
    await slow.claim_and_start()
    await world.provider.began.wait()
    await world.expire_lease(intent)
    await other.sweep()
    world.provider.hold.set()
    await slow.idle()
    assert await world.outcomes(intent) == ["outcome_unknown", "accepted"]
    assert (await world.row(intent))["state"] == "closed"


async def test_a_worker_that_was_paused_past_its_lease_notices_before_the_first_byte(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
):
    paused = True

    async def pause(claim: Claim) -> None:
        nonlocal paused
        if paused:
            paused = False
            later = time.monotonic() + claim.lease
            monkeypatch.setattr("libs.kit.effect_kinds.time.monotonic", lambda: later)
        else:
            monkeypatch.undo()

    world.provider.before_first_byte = pause
    intent = await world.ask()
    worker = world.worker()
    await worker.claim_and_start()
    await worker.idle()
    assert world.provider.calls == []
    assert (await world.row(intent))["attempt"] == 0
    monkeypatch.undo()
    await world.work(worker)
    assert world.provider.calls == [intent.id]
    assert await world.outcomes(intent) == ["accepted"]


async def test_a_paused_worker_whose_claim_was_given_up_sends_nothing_and_offers_it_again(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
):
    other = world.worker()
    pauses = 0

    async def pause(claim: Claim) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 1:
            await world.expire_lease(intent)
            await other.sweep()
            claim.claimed_at -= claim.lease

    world.provider.before_first_byte = pause
    intent = await world.ask()
    worker = world.worker()
    await world.work(worker)
    assert await world.outcomes(intent) == ["outcome_unknown", "accepted"]
    assert world.provider.calls == [intent.id]


async def test_without_evidence_it_counts_as_done_after_the_wait(world: LedgerWorld):
    world.provider.answers = [Unknown("no answer")]
    intent = await world.ask()
    worker = world.worker()
    await world.work(worker)
    await world.store.pool.execute("UPDATE gateways.effect SET waits_until = now() - interval '1 second'")
    await worker.sweep()
    row = await world.row(intent)
    assert (row["state"], row["outcome"]) == ("closed", "unresolved")
    assert await world.outcomes(intent) == ["outcome_unknown"]


async def test_evidence_settles_it_also_after_the_wait(world: LedgerWorld):
    world.provider.answers = [Unknown("no answer"), Unknown("no answer")]
    early, late = await world.ask(), await world.ask()
    worker = world.worker()
    await world.work(worker)
    resolve = effect_rows.resolve_row("gateways", early.id, "resolved")
    await world.store.pool.execute(resolve.sql, *resolve.args)
    await world.store.pool.execute(
        "UPDATE gateways.effect SET waits_until = now() - interval '1 second' WHERE state = 'unknown'"
    )
    await worker.sweep()
    assert (await world.row(late))["outcome"] == "unresolved"
    resolve = effect_rows.resolve_row("gateways", late.id, "resolved")
    await world.store.pool.execute(resolve.sql, *resolve.args)
    assert (await world.row(early))["outcome"] == "resolved"
    assert (await world.row(late))["outcome"] == "resolved"


async def test_an_outcome_that_cannot_be_written_yet_is_written_later(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
):
    whole = world.store.transaction
    refusals = [OSError("Postgres is away")] * 2

    def away(*args: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return whole(*args, **options)

    monkeypatch.setattr(world.store, "transaction", away)
    intent = await world.ask()
    await world.work(world.worker())
    assert await world.outcomes(intent) == ["accepted"]
    assert len(world.provider.calls) == 1


def test_the_timeout_is_under_half_the_lease():
    promise = kind(Provider(), timeout=timedelta(seconds=60))
    assert promise.timeout < promise.lease / 2


async def commit_durably(url: str) -> None:
    """Servers of tests commit in the background, and forget the last commits when they are killed: not here."""
    connection = await asyncpg.connect(url)
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{database}" SET synchronous_commit = on')
    await connection.close()


async def test_postgres_dies_during_a_call_and_the_outcome_is_written_when_it_is_back(
    embedded_postgres: PostgresServer,
):
    await commit_durably(embedded_postgres.url)
    async with Store.open(embedded_postgres.url, categories=(CONVERSATION, MESSAGE), master=MASTER) as store:
        world = LedgerWorld(store, Clock())
        world.provider.hold = asyncio.Event()
        intent = await world.ask()
        worker = world.worker()
        await worker.claim_and_start()
        await world.provider.began.wait()
        await embedded_postgres.kill()
        world.provider.hold.set()
        await embedded_postgres.start()
        await worker.idle()
        assert await world.outcomes(intent) == ["accepted"]
        assert len(world.provider.calls) == 1


async def test_a_running_worker_outlives_a_restart_of_postgres(embedded_postgres: PostgresServer):
    async with Store.open(embedded_postgres.url, categories=(CONVERSATION, MESSAGE), master=MASTER) as store:
        world = LedgerWorld(store, Clock())
        task = asyncio.create_task(keep_running("test", Loop("effects", world.worker().run)))
        await embedded_postgres.kill()
        await embedded_postgres.start()

        async def asked() -> Recorded[Any] | None:
            try:
                return await world.ask()
            except (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                return None

        intent = await until(asked)
        assert intent is not None

        async def told() -> bool:
            return await world.outcomes(intent) == ["accepted"]

        await until(told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
