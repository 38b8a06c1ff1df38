"""Reactors under faults: damaged facts, replays that are broken off, and loops that have to come back by themselves."""

import re
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from events.base import Draft
from events.business import EventReceived
from libs.kit import quarantine
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.embedded import PostgresServer
from libs.kit.folds import Fold
from libs.kit.serve import Loop, keep_running
from libs.kit.store import Store, Unavailable
from libs.kit.timers import DueLoop
from libs.testkit.nouns import TENANT
from libs.testkit.servers import MASTER
from tests.libs.kit.effects_world import Provider, kind
from tests.libs.kit.jetstream import (
    ANSWER,
    ASK,
    CONSUMER,
    NEWER_ASK,
    NOTE,
    Asked,
    AskedV2,
    House,
    Noted,
    count,
    stop,
    until,
    within,
)

POISON = 13


async def numbers(house: House, stream: str = "ask-1") -> list[int]:
    return [answer.number for answer in await house.answers(stream)]


async def damage(house: House, pos: int, data: bytes) -> None:
    """Change a fact in the log, as a bad disk or a careless hand does."""
    async with house.store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE log.event SET data = $2 WHERE shard = 0 AND pos = $1", pos, data)


async def test_a_damaged_fact_is_set_aside_and_everything_else_goes_on(house):
    await house.ask(1, POISON, 2)
    await house.ask(7, stream="ask-2")
    await damage(house, 2, b'{"type":"ask.asked.v1","number":"Priya Sharma"}')
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(8, stream="ask-2")))
    assert await numbers(house) == [1]
    assert await numbers(house, "ask-2") == [7, 8]
    [entry] = await quarantine.entries(house.store.pool)
    assert (entry.target, entry.pos, entry.type, entry.parked) == ("ask-1", 2, "ask.asked.v1", 1)
    assert re.fullmatch(r"ValidationError at \S+:\d+ in \w+", entry.error)


async def test_a_damaged_fact_that_was_repaired_is_replayed(house):
    await house.ask(1, POISON, 2)
    await damage(house, 2, b"not JSON")
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(3))
    [entry] = await quarantine.entries(house.store.pool)
    await quarantine.retry(house.store.pool, entry.id)
    await within(until(lambda: house.store.pool.fetchval("SELECT bool_and(attempts = 2) FROM ops.quarantine")))
    await damage(house, 2, b'{"type":"ask.asked.v1","number":13}')
    await quarantine.retry(house.store.pool, entry.id)
    await within(until(lambda: house.store.pool.fetchval("SELECT NOT EXISTS (SELECT FROM ops.parked)")))
    assert await numbers(house) == [1, POISON, 2]


async def test_two_damaged_facts_of_one_stream_wait_in_order(house):
    await house.ask(1, 2, 3, 4)
    await damage(house, 2, b"{}")
    await damage(house, 4, b"{}")
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(4))
    assert await numbers(house) == [1]
    [entry] = await quarantine.entries(house.store.pool)
    assert (entry.pos, entry.parked) == (2, 2)


async def test_a_replay_that_was_broken_off_is_finished_by_the_next_leader(house):
    broken = True

    async def choke(fact, world):
        if broken and fact.event.number == POISON:
            raise ValueError
        return await count(fact, world)

    first = house.reactor(await house.bus("service"), {Asked: choke})
    task = await house.start(first.run)
    await within(first.caught_up(await house.ask(1, POISON, 2, 3)))
    await stop(task)
    # It died after the poison was digested and before what waited behind it was.
    await house.store.pool.execute("UPDATE ops.quarantine SET state = 'resolved', resolved_at = now()")
    broken = False
    second = house.reactor(await house.bus("service"), {Asked: choke})
    await house.start(second.run)
    await within(second.caught_up(await house.ask(4)))
    assert await numbers(house) == [1, 2, 3, 4]
    assert await house.store.pool.fetchval("SELECT count(*) FROM ops.parked") == 0


async def test_a_wrong_master_key_stops_and_puts_nothing_into_quarantine(database, store_of, tmp_path):
    good = await store_of()
    event = EventReceived(event_name="x", external_id="1", origin="erp", fingerprint="f", data={"a": 1})
    async with House.open(good, tmp_path / "nats") as house:
        await house.append("business-1", event)
        async with Store.open(database, master=bytes(32)) as wrong:

            async def never(fact: Any, world: Any) -> None:
                raise AssertionError(fact)

            reactor = house.reactor(await house.bus("service"), {EventReceived: never}, store=wrong)
            with pytest.raises(Exception, match="CONVERSE_MASTER_KEY"):
                await within(reactor.run())
        assert await quarantine.entries(good.pool) == []
        assert await good.watermark(CONSUMER, 0) == 0


async def test_a_folded_stream_that_only_a_newer_release_can_read_stops_the_old_one(house, store_of):
    newer = await store_of(NEWER_ASK)
    await newer.append_any(TENANT, "ask-9", [Draft("ask-9", AskedV2(number=1, why="new"))], house.cause())

    async def look_elsewhere(fact, world):
        await world.fold(Fold(ASK, int, lambda total, event: total), "ask-9")

    reactor = house.reactor(await house.bus("service"), {Noted: look_elsewhere})
    await house.note()
    with pytest.raises(Exception, match=re.escape("ask.asked.v2")):
        await within(reactor.run())
    assert await quarantine.entries(house.store.pool) == []


async def test_every_loop_comes_back_by_itself_after_a_restart_of_postgres(embedded_postgres: PostgresServer, tmp_path):
    await commit_durably(embedded_postgres.url)
    async with (
        Store.open(embedded_postgres.url, categories=(ASK, ANSWER, NOTE), master=MASTER) as store,
        House.open(store, tmp_path / "nats") as house,
        Clock.open(store.pool, store.listener) as clock,
    ):
        relay = await house.relay()
        reactor = house.reactor(await house.bus("service"))
        ledger = EffectLedger(
            "gateways", {"test": kind(Provider())}, store=store, clock=clock, source="gateways", slots=1
        )
        due = DueLoop(store, clock)
        loops = [Loop("reactor", reactor.run), Loop("effects", ledger.run), Loop("timers", due.run)]
        crashed: list[str] = []

        def watched(loop: Loop) -> Loop:
            async def run() -> None:
                try:
                    await loop.run()
                except Exception:
                    crashed.append(loop.name)
                    raise

            return Loop(loop.name, run)

        for loop in loops:
            _ = await house.start(partial(keep_running, "test", watched(loop)))
        await within(reactor.caught_up(await house.ask(1)))
        await embedded_postgres.kill()
        with pytest.raises(Unavailable):
            await store.head(0)
        await embedded_postgres.start()

        last = await within(asked_as_soon_as_it_can(house))
        await within(reactor.caught_up(last))
        await within(relay.caught_up(last))
        await within(until(lambda: store.listener.connected))
        moved = await within(move(clock))
        await within(until(lambda: clock.now() >= moved))
        assert crashed == []


async def commit_durably(url: str) -> None:
    """Servers of tests commit in the background, and forget the last commits when they are killed: not here."""
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER DATABASE postgres SET synchronous_commit = on")
    await connection.close()


async def asked_as_soon_as_it_can(house: House) -> int:
    while True:
        try:
            return await house.ask(2)
        except Unavailable:
            continue


async def move(clock: Clock) -> Any:
    while True:
        try:
            return await clock.advance(timedelta(hours=1))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            continue


async def test_what_a_replay_folded_long_ago_is_not_taken_for_the_newest(house):
    broken = True
    seen: list[tuple[int, int]] = []
    size: Fold[int] = Fold(NOTE, int, lambda notes, event: notes + 1)

    async def look(fact, world):
        if broken and fact.event.number == POISON:
            raise ValueError
        seen.append((fact.event.number, await world.fold(size, "note-1")))

    async def listen(fact, world):
        return None

    handlers = {Asked: look, Noted: listen}
    await house.note()
    await house.ask(POISON)
    last = await house.note()
    first = house.reactor(await house.bus("service"), handlers)
    task = await house.start(first.run)
    await within(first.caught_up(last))
    await stop(task)
    broken = False
    [entry] = await quarantine.entries(house.store.pool)
    await quarantine.retry(house.store.pool, entry.id)
    second = house.reactor(await house.bus("service"), handlers)
    await house.start(second.run)
    await within(second.caught_up(await house.ask(1, stream="ask-2")))
    assert seen == [(POISON, 1), (1, 2)]
