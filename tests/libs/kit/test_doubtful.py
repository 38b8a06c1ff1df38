"""What was claimed by who never heard of it is open again, and a hand that nobody looked at is used."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from events.base import Recorded
from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import doubtful, ids, postgres
from libs.kit.clock import Clock
from libs.kit.doubtful import Doubtful
from libs.kit.effect_sql import statement
from libs.kit.effects import EffectLedger
from libs.kit.store import Store
from libs.testkit.servers import MASTER
from tests.libs.kit.cut import Cut
from tests.libs.kit.effects_world import KIND, LedgerWorld, until
from tests.libs.kit.street import Street


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    return LedgerWorld(store, Clock())


async def test_a_claim_whose_answer_is_lost_is_given_back_and_done(world: LedgerWorld, database: str):
    async with (
        Street.to(database) as street,
        Store.open(street.url, master=MASTER, categories=(CONVERSATION, MESSAGE)) as far,
    ):
        worker = world.worker(store=far)
        assert await worker.claim_and_start() == 0
        intent = await world.ask()
        street.block(requests=False)
        claiming = asyncio.create_task(worker.claim_and_start())
        await until(lambda: is_claimed(world, [intent]))
        claiming.cancel()
        street.open()
        await asyncio.gather(claiming, return_exceptions=True)
        assert (await world.row(intent))["state"] == "claimed"
        await world.work(worker)
    assert world.provider.calls == [intent.id]
    assert (await world.row(intent))["attempt"] == 1


async def test_a_worker_that_is_cancelled_at_the_answer_to_its_claim_gives_it_back(world: LedgerWorld):
    for at in range(1, 21):
        intent = await world.ask()
        cut = Cut(world.worker().run(), at, late=True)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(cut.run())
        assert (await world.row(intent))["state"] in ("open", "closed"), f"cancelled at {cut.place}"
        await world.work(world.worker())


async def test_a_worker_that_ends_gives_back_a_claim_however_long_it_still_performs_another(
    world: LedgerWorld, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("libs.kit.doubtful.LOOK_FOR_S", 0.2)
    monkeypatch.setattr(postgres, "RELEASE_TIMEOUT_S", 0.1)
    world.provider.hold = asyncio.Event()
    async with (
        Street.to(database) as street,
        Store.open(street.url, master=MASTER, categories=(CONVERSATION, MESSAGE)) as far,
    ):
        performed = await world.ask()
        worker = world.worker(store=far)
        claim = worker._claim
        asked: list[Recorded[Any]] = []

        async def claim_without_answer(limit: int) -> list[asyncpg.Record]:
            if world.provider.began.is_set():
                asked.append(await world.ask())
                street.block(requests=False)
            return await claim(limit)

        monkeypatch.setattr(worker, "_claim", claim_without_answer)
        task = asyncio.create_task(worker.run())
        await until(lambda: is_claimed(world, asked))
        task.cancel()
        street.open()
        await asyncio.wait([task], timeout=1.2 * doubtful.LOOK_FOR_S)
        assert not task.done()
        monkeypatch.setattr("libs.kit.doubtful.LOOK_FOR_S", 60.0)  # however long Postgres takes to answer from here on
        world.provider.hold.set()
        await until(lambda: is_open(world, asked[0]))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await world.outcomes(performed) == ["accepted"]


async def test_a_claim_that_goes_on_when_postgres_is_back_is_still_looked_for(
    world: LedgerWorld, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("libs.kit.doubtful.LOOK_FOR_S", 0.2)
    monkeypatch.setattr(postgres, "RELEASE_TIMEOUT_S", 0.1)
    intent, token = await world.ask(), ids.fresh()
    async with Street.to(database) as street, await postgres.pool(street.url) as far:
        looks = Doubtful(far, statement("effect_give_back", "gateways"))
        await far.execute("SELECT 1")
        street.block()
        looks.add(token)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * doubtful.LOOK_FOR_S):
                await looks.give_back()
        street.open()
        await looks.give_back()
        claim = statement("effect_claim", "gateways")
        assert len(await world.store.writers.fetch(claim, token, 1, [KIND], [60.0], 5)) == 1
        await looks.give_back()
    assert (await world.row(intent))["state"] == "open"


async def test_a_hand_that_is_freed_while_others_are_claimed_for_is_used_at_once(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("libs.kit.effects.POLL_S", 3600.0)
    worker = world.worker(slots=2, timeout=timedelta(minutes=5))
    freed = asyncio.Event()
    worker._hands.start(until_set(freed), "something", lambda error: None)
    listens = asyncio.Event()
    world.store.listener.on("effects_gateways", lambda _: listens.set())
    await listens.wait()  # what it says when it begins to would wake the worker
    first, second = await world.ask(), await world.ask()
    world.provider.hold = asyncio.Event()
    claim = worker._claim

    async def claim_slowly(limit: int) -> list[asyncpg.Record]:
        records = await claim(limit)
        if not freed.is_set():
            freed.set()
            await until(lambda: free(worker, 2))
        return records

    monkeypatch.setattr(worker, "_claim", claim_slowly)
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: called(world, 2))
    finally:
        world.provider.hold.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert world.provider.calls == [first.id, second.id]


async def is_claimed(world: LedgerWorld, intents: list[Recorded[Any]]) -> bool:
    return bool(intents and (await world.row(intents[0]))["state"] == "claimed")


async def is_open(world: LedgerWorld, intent: Recorded[Any]) -> bool:
    return bool((await world.row(intent))["state"] == "open")


async def free(worker: EffectLedger, hands: int) -> bool:
    return worker._hands.free == hands


async def called(world: LedgerWorld, times: int) -> bool:
    return len(world.provider.calls) == times


async def until_set(event: asyncio.Event) -> None:
    await event.wait()
