"""Poison: a fact that cannot be digested waits with its target; everything else goes on."""

import pytest

from libs.kit import quarantine
from libs.kit.quarantine import NotQuarantined
from libs.kit.world import Decision, Row
from tests.libs.kit.jetstream import CONSUMER, Asked, House, count, until, within

POISON = 13


class Counter:
    """Counts, except what it chokes on until it is repaired."""

    def __init__(self) -> None:
        self.broken = True
        self.tries = 0

    async def __call__(self, fact, world):
        if self.broken and fact.event.number == POISON:
            self.tries += 1
            raise ValueError(f"cannot count {fact.event.text}")
        return await count(fact, world)


@pytest.fixture
async def counter(house):
    return Counter()


@pytest.fixture
async def reactor(house, counter):
    reactor = house.reactor(await house.bus("service"), {Asked: counter})
    await house.start(reactor.run)
    return reactor


async def numbers(house: House, stream: str = "ask-1") -> list[int]:
    return [answer.number for answer in await house.answers(stream)]


async def test_poison_is_set_aside_after_some_tries_and_its_target_waits(house, reactor, counter):
    await house.ask(1, POISON, 2)
    await house.ask(7, stream="ask-2")
    await within(reactor.caught_up(4))
    assert counter.tries >= 3
    assert await numbers(house) == [1]
    assert await numbers(house, "ask-2") == [7]
    [entry] = await quarantine.entries(house.store.pool)
    assert (entry.consumer, entry.target, entry.pos, entry.type) == (CONSUMER, "ask-1", 2, "ask.asked.v1")
    assert (entry.attempts, entry.parked) == (3, 1)


async def test_what_the_error_quotes_is_not_kept(house, reactor):
    await within(reactor.caught_up(await house.ask(POISON, text="Priya Sharma")))
    [entry] = await quarantine.entries(house.store.pool, CONSUMER)
    assert entry.error.startswith("ValueError at test_quarantine.py:")
    assert "Priya" not in entry.error


async def test_a_retry_replays_it_and_what_waited_behind_it_in_order(house, reactor, counter):
    await within(reactor.caught_up(await house.ask(1, POISON, 2, 3)))
    counter.broken = False
    [entry] = await quarantine.entries(house.store.pool)
    await quarantine.retry(house.store.pool, entry.id)
    await within(until_resolved(house))
    await within(reactor.caught_up(await house.ask(4)))
    assert await numbers(house) == [1, POISON, 2, 3, 4]
    assert await house.store.pool.fetchval("SELECT count(*) FROM ops.parked") == 0
    with pytest.raises(NotQuarantined):
        await quarantine.retry(house.store.pool, entry.id)


async def until_resolved(house: House) -> None:
    parked = "SELECT NOT EXISTS (SELECT FROM ops.parked) AND NOT EXISTS (SELECT FROM ops.quarantine WHERE state <> 'resolved')"
    await until(lambda: house.store.pool.fetchval(parked))


async def test_a_retry_that_fails_leaves_everything_where_it_was(house, reactor, counter):
    await within(reactor.caught_up(await house.ask(POISON, 1)))
    [entry] = await quarantine.entries(house.store.pool)
    before = counter.tries
    await quarantine.retry(house.store.pool, entry.id)
    await within(until_attempts(house, entry.attempts + 1))
    [entry] = await quarantine.entries(house.store.pool)
    assert counter.tries == before + 1
    assert (entry.state, entry.parked) == ("open", 1)
    assert await numbers(house) == []


async def until_attempts(house: House, attempts: int) -> None:
    await until(lambda: house.store.pool.fetchval("SELECT max(attempts) >= $1 FROM ops.quarantine", attempts))


async def test_a_second_poison_behind_the_first_takes_its_place(house, reactor, counter):
    await within(reactor.caught_up(await house.ask(POISON, 1, POISON, 2)))
    [entry] = await quarantine.entries(house.store.pool)
    await house.store.pool.execute("UPDATE ops.quarantine SET state = 'open'")
    counter.broken = False

    async def only_the_first(fact, world):
        if fact.pos == 3:
            raise KeyError
        return await count(fact, world)

    reactor._handlers[Asked] = only_the_first
    await quarantine.retry(house.store.pool, entry.id)
    await within(until_entry(house, pos=3))
    assert await numbers(house) == [POISON, 1]
    [entry] = await quarantine.entries(house.store.pool)
    assert entry.parked == 1


async def until_entry(house: House, pos: int) -> None:
    await until(
        lambda: house.store.pool.fetchval(
            "SELECT count(*) = 1 FROM ops.quarantine WHERE pos = $1 AND state = 'open'", pos
        )
    )


async def test_the_next_leader_knows_what_waits(house, counter):
    first = house.reactor(await house.bus("service"), {Asked: counter})
    await house.start(first.run)
    await within(first.caught_up(await house.ask(POISON)))
    await house.end_session(f"reactor {CONSUMER}")
    await within(first.caught_up(await house.ask(1)))
    [entry] = await quarantine.entries(house.store.pool)
    assert entry.parked == 1
    assert await numbers(house) == []


async def test_a_bad_row_is_poison_too(house):
    async def bad(fact, world):
        if fact.event.number == POISON:
            return Decision(rows=[Row("SELECT 1 / $1::int", (0,))])
        return await count(fact, world)

    reactor = house.reactor(await house.bus("service"), {Asked: bad})
    await house.start(reactor.run)
    await house.ask(1, 2, POISON)
    await within(reactor.caught_up(await house.ask(5, stream="ask-2")))
    assert await numbers(house) == [1, 2]
    assert await numbers(house, "ask-2") == [5]
    [entry] = await quarantine.entries(house.store.pool)
    assert entry.error.startswith("DivisionByZeroError 22012")
