"""Reactors: each fact is digested once and in order, whoever dies and whatever is lost on the way."""

import asyncio
import shutil

import pytest

from events.base import Draft, UnknownFact
from libs.kit import hearing, ids, nats_config
from libs.kit.embedded import NatsServer
from libs.testkit.nouns import NOON, TENANT
from tests.libs.kit.jetstream import (
    ANSWER,
    ASK,
    CONSUMER,
    NEWER_ASK,
    NOTE,
    Answered,
    Asked,
    AskedV2,
    House,
    Noted,
    count,
    stop,
    until,
    within,
)


def totals(answers: list[Answered]) -> list[int]:
    return [answer.total for answer in answers]


async def hears_jetstream(reactor) -> None:
    await within(until(lambda: reactor.live))  # a relay that answers late is asked again after 10 s


async def test_it_hears_jetstream_as_soon_as_a_relay_leads(house, monkeypatch):
    monkeypatch.setattr(hearing, "REOPEN_S", 3600.0)
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1)))  # it has asked for its consumer in vain, and reads the log
    await house.relay()
    await hears_jetstream(reactor)


async def test_each_fact_is_answered_in_order(house):
    await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1, 2, 3)))
    assert totals(await house.answers()) == [1, 3, 6]


async def test_many_facts_of_one_stream_fold_with_what_the_batch_has_decided(house):
    last = await house.ask(*[1] * 40)
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    assert totals(await house.answers()) == list(range(1, 41))


async def test_what_is_decided_names_its_cause(house):
    last = await house.ask(1)
    reactor = house.reactor(await house.bus("service"), source="/counter")
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    [asked] = await house.store.read_stream(TENANT, "ask-1")
    [answer] = await house.store.read_stream(TENANT, "answer-ask-1")
    assert answer.id == ids.event_id(asked.id, CONSUMER, "answer-ask-1", 0)
    assert answer.envelope.causation_id == asked.id
    assert answer.envelope.correlation_id == asked.envelope.correlation_id
    assert answer.envelope.source == "/counter"
    assert answer.envelope.occurred_at == NOON


async def test_without_nats_the_log_is_read(house):
    await house.nats.kill()
    bus = await house.bus_in_the_dark("service")
    reactor = house.reactor(bus)
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1, 2)))
    assert totals(await house.answers()) == [1, 3]


async def test_a_killed_nats_costs_nothing(house):
    relay = await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1)))
    await house.nats.kill()
    await within(reactor.caught_up(await house.ask(2)))
    await house.nats.start()
    last = await house.ask(3)
    await within(relay.caught_up(last))
    await within(reactor.caught_up(last))
    assert totals(await house.answers()) == [1, 3, 6]


async def test_a_wiped_nats_costs_nothing(house):
    await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1)))
    await house.nats.kill()
    shutil.rmtree(house.nats.store)
    last = await house.ask(2)
    await house.nats.start()
    await within(reactor.caught_up(last))
    await hears_jetstream(reactor)
    await within(reactor.caught_up(await house.ask(3)))
    assert totals(await house.answers()) == [1, 3, 6]


async def test_a_message_lost_in_the_middle_is_read_from_the_log(house):
    relay = await house.relay()
    last = await house.ask(1, 2, 3)
    await within(relay.caught_up(last))
    await (await house.bus("relay")).jetstream.delete_msg("EV_0", 2)
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    assert totals(await house.answers()) == [1, 3, 6]


async def test_a_lost_fact_of_another_family_is_noticed_before_the_watermark_passes_it(house):
    relay = await house.relay()
    await house.ask(1)
    await house.note()
    await within(relay.caught_up(await house.ask(2)))
    await (await house.bus("relay")).jetstream.delete_msg("EV_0", 2)
    heard: list[int] = []

    async def hear(fact, world):
        heard.append(fact.pos)

    reactor = house.reactor(await house.bus("service"), {Asked: hear, Noted: hear})
    await house.start(reactor.run)
    await within(reactor.caught_up(3))
    assert heard == [1, 2, 3]


async def test_a_lost_last_fact_is_noticed_by_the_head(house):
    relay = await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await within(relay.caught_up(await house.ask(1, 2)))
    await (await house.bus("relay")).jetstream.delete_msg("EV_0", 2)
    await house.start(reactor.run)
    await within(reactor.caught_up(2))
    assert totals(await house.answers()) == [1, 3]


async def test_a_stub_is_read_from_the_log(house, monkeypatch):
    monkeypatch.setattr("libs.kit.frames.HEADER_ROOM", 2 * 1024 * 1024 - 2000)
    await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await hears_jetstream(reactor)
    await within(reactor.caught_up(await house.ask(5, text="x" * 4000)))
    assert totals(await house.answers()) == [5]


async def test_two_instances_answer_once(house):
    await house.relay()
    first, second = house.reactor(await house.bus("service")), house.reactor(await house.bus("service"))
    await house.start(first.run)
    await house.start(second.run)
    await house.ask(*[1] * 20)
    await house.end_session(f"reactor {CONSUMER}")
    last = await house.ask(*[1] * 20)
    await within(until_watermark(house, last))
    assert totals(await house.answers()) == list(range(1, 41))


async def until_watermark(house: House, pos: int) -> None:
    async def moved() -> bool:
        return await house.store.watermark(CONSUMER, 0) >= pos

    await until(moved)


async def test_an_instance_whose_watermark_was_moved_steps_down(house):
    blocked, go = asyncio.Event(), asyncio.Event()

    async def slow(fact, world):
        blocked.set()
        await go.wait()
        return await count(fact, world)

    reactor = house.reactor(await house.bus("service"), {Asked: slow})
    await house.start(reactor.run)
    last = await house.ask(1)
    await within(blocked.wait())
    # Another instance has led meanwhile and done the same work.
    async with house.store.transaction(0) as unit:
        await unit.commit(CONSUMER, 0, last)
    go.set()
    after = await house.ask(2)
    await within(reactor.caught_up(after))
    assert totals(await house.answers()) == [2]


async def test_a_death_between_handler_and_commit_leaves_nothing(house):
    decided, again = asyncio.Event(), asyncio.Event()

    async def killed(fact, world):
        decision = await count(fact, world)
        if not decided.is_set():
            decided.set()
            pid = await world.db.fetchval("SELECT pg_backend_pid()")
            await house.store.pool.execute("SELECT pg_terminate_backend($1)", pid)
        again.set()
        return decision

    reactor = house.reactor(await house.bus("service"), {Asked: killed})
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1, 2)))
    assert totals(await house.answers()) == [1, 3]


async def test_a_cancelled_reactor_is_continued_by_the_next(house):
    await house.relay()
    first = house.reactor(await house.bus("service"))
    task = await house.start(first.run)
    await within(first.caught_up(await house.ask(1)))
    await stop(task)
    last = await house.ask(2)
    second = house.reactor(await house.bus("service"))
    await house.start(second.run)
    await within(second.caught_up(last))
    assert totals(await house.answers()) == [1, 3]


async def test_another_writer_in_an_own_stream_makes_it_decide_again(house):
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1)))
    await house.append("answer-ask-1", Answered(number=9, total=10))
    await within(reactor.caught_up(await house.ask(1)))
    assert totals(await house.answers()) == [1, 10, 11]


async def test_a_fact_of_an_unknown_type_stops_only_who_hears_its_family(house, store_of):
    narrow = await store_of(ASK, ANSWER)
    ignorant = house.reactor(await house.bus("service"), store=narrow)
    heard: list[int] = []

    async def hear(fact, world):
        heard.append(fact.pos)

    strict = house.reactor(
        await house.bus("service"), {Answered: hear}, store=await store_of(ANSWER), consumer="strict"
    )
    await house.ask(1)
    await house.note()
    await house.start(ignorant.run)
    await within(ignorant.caught_up(2))  # notes are unknown to it, and no family of its

    newer = await store_of(ASK, ANSWER, NOTE)
    await newer.append_any(TENANT, "answer-x", [Draft("answer-x", Answered(number=1, total=1))], house.cause())
    running = await house.start(strict.run)
    await within(strict.caught_up(3))
    assert heard
    assert not running.done()


async def test_it_stops_at_a_type_of_its_family_that_it_does_not_know(house, store_of):
    newer = await store_of(NEWER_ASK)
    first = await house.ask(1)
    await newer.append_any(TENANT, "ask-2", [Draft("ask-2", AskedV2(number=1, why="because"))], house.cause())
    await house.ask(2)
    reactor = house.reactor(await house.bus("service"))
    with pytest.raises(UnknownFact, match=r"ask\.asked\.v2"):
        await within(reactor.run())
    assert reactor.position == first
    assert reactor.health()[f"{CONSUMER}-0"].startswith("stopped")
    assert totals(await house.answers()) == [1]


async def test_users_of_the_shipped_configuration_can_do_their_work(house, tmp_path):
    users = nats_config.users()
    passwords = nats_config.passwords(users)
    server = NatsServer(tmp_path / "shipped", config=nats_config.authorization(users, passwords))
    async with server:
        relay_bus = await house.bus_to(server, "relay", passwords["relay"])
        relay = await house.relay(relay_bus)
        reactor = house.reactor(
            await house.bus_to(server, "orchestrator", passwords["orchestrator"]), consumer="orchestrator"
        )
        await house.start(reactor.run)
        last = await house.ask(1)
        await within(relay.caught_up(last))
        await within(reactor.caught_up(last))
        await hears_jetstream(reactor)
        assert relay_bus.errors == []


async def test_a_consumer_that_nobody_listed_is_served_by_the_log(house):
    await house.relay()
    bus = await house.bus("service")
    reactor = house.reactor(bus, consumer="unlisted")
    await house.start(reactor.run)
    await within(reactor.caught_up(await house.ask(1, 2)))
    assert totals(await house.answers()) == [1, 3]
    await within(until(lambda: bus.errors))
    assert "unlisted" in bus.errors[0]


async def test_a_silent_relay_is_not_waited_for(house):
    relay = house.relay_alone(await house.bus("relay"))
    running = await house.start(relay.run)
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await hears_jetstream(reactor)
    await stop(running)
    await within(reactor.caught_up(await house.ask(4)))
    assert totals(await house.answers()) == [4]
