"""What a service asks of itself is claimed with the fact that asks for it, wherever a worker here may begin it at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from events.base import Cause, Draft, Recorded
from events.conversation import CONVERSATION, MessageRequested
from events.message import MESSAGE
from events.values import Body, PolicyDecision
from libs.kit import ids
from libs.kit.buckets import Limits, configure
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.hands import Hands, Taking
from libs.kit.own_work import GateMove, Opening, OwnWork, Placed
from libs.kit.store import ANY, Append, Fenced, Store, StreamMoved
from libs.testkit.nouns import NOON, PRIYA_PHONE, TENANT
from tests.libs.kit.effects_world import KIND, LedgerWorld, until
from tests.libs.kit.ledger import WAITS

CHANNEL = "effects_gateways"
PRIYAS = "contact:c_1"
UNLIMITED = Limits(rate=1e6, burst=1e6, concurrency=100)


class Desk(LedgerWorld):
    """A ledger whose work its own service asks for."""

    async def order(self, *works: OwnWork, expected: int = ANY, begin: int | None = None) -> list[Recorded[Any]]:
        """One transaction with an intent for each, in this order, on the stream that the account names."""
        at = await self.store.watermark("desk", 0)
        appends = [self._append(work, expected) for work in works]
        own = [Placed(work, number, 0) for number, work in enumerate(works)]
        async with self.store.transaction(0, lazily=True) as unit:
            reached = await unit.commit("desk", at if begin is None else begin, at + 1, appends, (), own)
        streams = [
            await self.store.read_stream(TENANT, append.stream, done.version - 1, done.pos)
            for append, done in zip(appends, reached, strict=True)
        ]
        return [facts[0] for facts in streams]

    def _append(self, work: OwnWork, expected: int) -> Append:
        stream = f"conversation-{ids.fresh()}"
        decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
        asked = MessageRequested(
            message="", channel="whatsapp", to=PRIYA_PHONE, body=Body(text="hello"), allowed_by=decision
        )
        cause = Cause(id=ids.fresh(), correlation_id=ids.fresh(), occurred_at=NOON, source="desk")
        return Append(TENANT, stream, expected, [Draft(stream, asked)], cause)

    async def taken(self, intents: Sequence[Recorded[Any]]) -> list[bool]:
        """Which effects were claimed by the very transaction that appended their intents."""
        sql = (
            "SELECT e.state = 'claimed' AND e.xmin = i.xmin AND e.attempt = 1 FROM gateways.effect e"
            " JOIN log.event i ON i.pos = e.pos AND i.event_id = e.id AND i.version = e.version WHERE e.id = $1"
        )
        return [await self.store.pool.fetchval(sql, intent.id) for intent in intents]

    async def states(self, intents: Sequence[Recorded[Any]]) -> list[str]:
        return [(await self.row(intent))["state"] for intent in intents]

    @asynccontextmanager
    async def at_work(self, worker: EffectLedger) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(worker.run())
        await asyncio.sleep(0)
        yield task
        if self.provider.hold is not None:
            self.provider.hold.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def work(account: str = "free", order_key: str | None = None, *gates: str) -> Opening:
    return Opening("gateways", KIND, account, order_key or str(ids.fresh()), gates)


@pytest.fixture
async def desk(patient_postgres: None, store_of: Callable[..., Awaitable[Store]]) -> Desk:
    desk = Desk(await store_of(CONVERSATION, MESSAGE), Clock())
    await configure(desk.store.pool, "gateways", TENANT, "free", UNLIMITED)
    return desk


async def test_it_is_taken_by_the_transaction_of_its_fact_and_done_once(desk: Desk):
    desk.provider.hold = asyncio.Event()
    async with desk.at_work(desk.worker()):
        intents = await desk.order(work(), work())
        assert await desk.taken(intents) == [True, True]
        desk.provider.hold.set()
        await until(lambda: all_closed(desk, intents))
    assert desk.provider.calls == [intent.id for intent in intents]
    assert [await desk.outcomes(intent) for intent in intents] == [["accepted"]] * 2


async def test_what_stands_against_a_claim_stands_against_taking(desk: Desk):
    desk.provider.hold = asyncio.Event()
    pool = desk.store.pool
    for account in ("broken", "held"):
        await configure(pool, "gateways", TENANT, account, UNLIMITED)
    await configure(pool, "gateways", TENANT, "killed", UNLIMITED, killed="not today")
    await configure(pool, "gateways", TENANT, "empty", Limits(rate=0.001, burst=1, concurrency=9))
    await configure(pool, "gateways", TENANT, "busy", Limits(rate=1e6, burst=1e6, concurrency=1))
    await pool.execute("UPDATE gateways.account SET open_until = now() + interval '1 hour' WHERE account = 'broken'")
    await desk.close_gate(PRIYAS, lasting=True)
    async with desk.at_work(desk.worker(slots=20)), pool.acquire() as other:
        before = await desk.order(work("empty"), work("busy"), work("free", "Priya"))
        assert await desk.taken(before) == [True, True, True]
        async with other.transaction():
            await other.execute("SELECT FROM gateways.account WHERE account = 'held' FOR NO KEY UPDATE")
            refused = [
                work("killed"), work("empty"), work("busy"), work("broken"), work("held"), work("free", "Priya"),
                work("free", None, PRIYAS),
            ]  # fmt: skip
            intents = await desk.order(*refused, work("free", "Ravi"), work("free", "Ravi"), work("free"))
            assert await desk.taken(intents) == [*[False] * len(refused), True, False, True]


async def test_a_gate_that_closes_in_the_same_transaction_withholds(desk: Desk):
    worker = desk.worker()
    async with desk.at_work(worker):
        closes = GateMove("gateways", PRIYAS, closes=True)
        [intent, _] = await desk.order(work("free", None, PRIYAS), closes)
        await until(lambda: all_closed(desk, [intent]))
    assert desk.provider.calls == []
    assert await desk.outcomes(intent) == ["withheld"]


async def test_what_waits_already_is_not_overtaken(desk: Desk):
    await configure(desk.store.pool, "gateways", TENANT, "slow", Limits(rate=0.001, burst=2, concurrency=9))
    desk.provider.hold = asyncio.Event()
    [waits] = await desk.order(work("slow"))  # nobody works yet
    async with desk.at_work(desk.worker()) as _:
        later = await desk.order(work("slow"), work("slow"))
        await until(lambda: is_claimed(desk, [waits]))
        states = await desk.states(later)
    assert states.count("claimed") == 1


async def test_a_full_worker_takes_nothing_and_one_with_one_hand_one(desk: Desk):
    desk.provider.hold = asyncio.Event()
    async with desk.at_work(desk.worker(slots=1)):
        assert await desk.taken(await desk.order(work(), work())) == [True, False]
        assert await desk.taken(await desk.order(work())) == [False]


async def test_the_kinds_of_others_are_left_to_them(desk: Desk):
    async with desk.at_work(desk.worker()):
        [intent] = await desk.order(work()._replace(kind="somebody.elses"))
        assert await desk.states([intent]) == ["open"]


@pytest.mark.parametrize(("changes", "refusal"), [({"begin": 99}, Fenced), ({"expected": 7}, StreamMoved)])
async def test_what_is_refused_is_not_taken_and_keeps_no_room(desk: Desk, changes: Any, refusal: type[Exception]):
    async with desk.at_work(desk.worker(slots=1)):
        with pytest.raises(refusal):
            await desk.order(work(), **changes)
        assert await desk.store.pool.fetchval("SELECT count(*) FROM gateways.effect") == 0
        [intent] = await desk.order(work())
        await until(lambda: all_closed(desk, [intent]))
    assert desk.provider.calls == [intent.id]


@pytest.mark.parametrize(("after_unknown", "told"), [("wait", ["outcome_unknown"]), ("repeat", ["accepted"])])
async def test_what_a_process_took_that_died_is_offered_once_its_lease_is_over(
    desk: Desk, after_unknown: str, told: list[str]
):
    undo = desk.store.wakes.on(CHANNEL, lambda kind: True, lambda kinds, number: dies_with(number))
    [intent] = await desk.order(work())
    undo()
    assert await desk.taken([intent]) == [True]
    other = desk.worker(after_unknown=after_unknown)
    await desk.work(other)
    assert desk.provider.calls == []
    await desk.expire_lease(intent)
    await desk.work(other)
    assert desk.provider.calls == ([intent.id] if after_unknown == "repeat" else [])
    assert await desk.outcomes(intent) == told


async def test_what_nobody_knows_to_be_committed_is_given_back_and_was_no_attempt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.provider.hold = asyncio.Event()
    async with desk.at_work(desk.worker(slots=1)):
        taking = desk.store.wakes.taking(CHANNEL, {KIND}, 1)
        assert taking is not None
        taken: list[Any] = []

        def unanswered(records: Sequence[Any]) -> None:
            taken.extend(records)
            taking.lose()

        with monkeypatch.context() as patch:
            patch.setattr(desk.store.wakes, "taking", lambda *_: taking._replace(begin=unanswered))
            [intent] = await desk.order(work())
        assert [record["id"] for record in taken] == [intent.id]
        await desk.provider.began.wait()
        assert (await desk.row(intent))["attempt"] == 1
    assert desk.provider.calls == [intent.id]
    assert await desk.outcomes(intent) == ["accepted"]


async def test_a_commit_that_is_broken_off_keeps_no_room(desk: Desk):
    async with desk.at_work(desk.worker(slots=1)), desk.store.pool.acquire() as other:
        async with other.transaction():
            await other.execute("SELECT FROM log.log_head FOR UPDATE")
            order = asyncio.create_task(desk.order(work()))
            while not await desk.store.pool.fetchval(WAITS):
                pass
            order.cancel()
            await asyncio.gather(order, return_exceptions=True)
        [intent] = await desk.order(work())
        await until(lambda: all_closed(desk, [intent]))
    assert desk.provider.calls == [intent.id]


async def test_a_cancelled_worker_finishes_what_is_taken_meanwhile(desk: Desk):
    async with desk.at_work(desk.worker()) as worker, desk.store.pool.acquire() as other:
        async with other.transaction():
            await other.execute("SELECT FROM log.log_head FOR UPDATE")
            order = asyncio.create_task(desk.order(work()))
            while not await desk.store.pool.fetchval(WAITS):
                pass
            worker.cancel()
        [intent] = await order
        await asyncio.gather(worker, return_exceptions=True)
        assert await desk.outcomes(intent) == ["accepted"]
        assert desk.store.wakes.taking(CHANNEL, {KIND}, 1) is None


async def test_hands_that_are_free_again_look_for_what_was_wanted_while_they_were_not():
    looks: list[str] = []
    hands = Hands(2, None, lambda: looks.append("looks"))
    release, done = hands.keep(1), asyncio.Event()
    hands.start(wait_for(done), "waits", lambda error: None)
    assert hands.free == 0
    hands.wanted = True
    release()
    assert (hands.free, looks) == (1, ["looks"])
    done.set()
    await hands.idle()
    assert (hands.free, looks) == (2, ["looks"])


async def test_room_that_the_outside_leaves_bounds_the_hands():
    hands = Hands(9, lambda: 2, lambda: None)
    hands.keep(1)
    assert hands.free == 1


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()


def dies_with(number: int) -> Taking:
    """A worker that is gone before it hears that its claim is committed."""
    return Taking(ids.fresh(), number, {KIND: 600.0}, lambda records: None, lambda: None)


async def all_closed(desk: Desk, intents: Sequence[Recorded[Any]]) -> bool:
    return set(await desk.states(intents)) == {"closed"}


async def is_claimed(desk: Desk, intents: Sequence[Recorded[Any]]) -> bool:
    return set(await desk.states(intents)) == {"claimed"}
