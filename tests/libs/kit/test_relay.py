"""The relay: JetStream's sequence is the log's position, whatever dies."""

import asyncio
import itertools
import shutil

import asyncpg
import pytest
from nats.js.api import StreamSource

from events.base import Draft
from libs.kit import epoch, frames, leadership, wire
from libs.kit.appends import CALL, Append, send
from libs.kit.codec import COLUMNS
from libs.kit.epoch import EpochAgrees, EpochDiffers
from libs.kit.relay import Relay
from libs.testkit.nouns import TENANT
from tests.libs.kit.jetstream import Asked, House, stop, until, within

ASKS = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
"""Whether somebody asks to be told, and has to wait."""


async def carried(house: House) -> list[wire.Wire]:
    """Every message of the stream, in order; its sequence has been compared with its position."""
    js = (await house.bus("relay")).jetstream
    state = (await js.stream_info("EV_0")).state
    messages = []
    for seq in range(state.first_seq, state.last_seq + 1):
        message = wire.decode((await js.get_msg("EV_0", seq)).data or b"")
        assert message.pos == seq
        messages.append(message)
    return messages


async def same_as_the_log(house: House) -> bool:
    rows = await house.store.read_sealed(0, 0, 10_000)
    kept = {row.pos: (row.event_id, bytes(row.data)) for row in rows}
    messages = await carried(house)
    assert messages[-1].pos == rows[-1].pos
    return all(kept[message.pos] == (message.event_id, bytes(message.data)) for message in messages)


async def test_a_sequence_equals_its_position(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    assert [message.pos for message in await carried(house)] == [1, 2, 3]
    assert await same_as_the_log(house)


async def test_facts_from_before_the_relay_each_demand_those_before_them(house):
    last = await house.ask(*range(30))
    relay = await house.relay()
    await within(relay.caught_up(last))
    js = (await house.bus("relay")).jetstream
    demands = [(await js.get_msg("EV_0", pos)).headers["Nats-Expected-Last-Sequence"] for pos in range(1, 31)]
    assert demands == [str(pos - 1) for pos in range(1, 31)]
    assert await same_as_the_log(house)


async def test_each_fact_names_the_previous_one_of_its_family_and_the_others_between(house):
    await house.ask(1)
    await house.note()
    await house.note()
    await house.ask(2)
    relay = await house.relay()
    await within(relay.caught_up(4))
    assert [(m.prev, dict(m.between)) for m in await carried(house)] == [
        (0, {}),
        (0, {"ask": 1}),
        (2, {}),
        (1, {"note": 3}),
    ]


async def test_subjects_name_tenant_type_and_channel(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1)))
    js = (await house.bus("relay")).jetstream
    assert (await js.get_msg("EV_0", 1)).subject == f"ev.0.{TENANT}.ask.asked.v1"
    assert wire.subject(0, "a.b c", "message.accepted.v1", "whatsapp") == "ev.0.a=2Eb=20c.message.accepted.v1.whatsapp"


async def test_a_killed_nats_is_continued_where_it_stopped(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2)))
    await house.nats.kill()
    last = await house.ask(3, 4)
    await house.nats.start()
    await within(relay.caught_up(last))
    assert await same_as_the_log(house)


async def test_a_deleted_store_is_filled_again(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2)))
    await house.nats.kill()
    shutil.rmtree(house.nats.store)
    last = await house.ask(3)
    await house.nats.start()
    await within(relay.caught_up(last))
    assert len(await carried(house)) == 3
    assert await same_as_the_log(house)


async def test_a_stream_deleted_under_a_working_relay_is_made_anew(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1)))
    await (await house.bus("relay")).jetstream.delete_stream("EV_0")
    await within(relay.caught_up(await house.ask(2)))
    assert await same_as_the_log(house)


async def test_a_new_stream_of_a_long_log_begins_near_its_head(house, monkeypatch):
    monkeypatch.setattr(epoch, "RESENT", 3)
    last = await house.ask(*range(10))
    relay = await house.relay()
    await within(relay.caught_up(last))
    assert [message.pos for message in await carried(house)] == [8, 9, 10]
    assert (await carried(house))[0].prev == 7


async def test_an_older_store_gets_its_lost_tail_again(house, tmp_path):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2)))
    await house.nats.kill()
    shutil.copytree(house.nats.store, tmp_path / "backup")
    await house.nats.start()
    await within(relay.caught_up(await house.ask(3, 4)))
    await house.nats.kill()
    shutil.rmtree(house.nats.store)
    shutil.copytree(tmp_path / "backup", house.nats.store)
    await house.nats.start()
    last = await house.ask(5)
    await within(relay.caught_up(last))
    assert await same_as_the_log(house)


async def test_a_second_relay_stands_by_and_takes_over(house):
    first = await house.relay()
    await within(first.caught_up(await house.ask(1)))
    second = await house.relay()
    await within(until(lambda: second.state == "ok: standby"))
    await house.end_session("relay")
    last = await house.ask(2, 3)
    await within(race(first.caught_up(last), second.caught_up(last)))
    assert {first.state[:2], second.state[:2]} <= {"ok", "wa"}
    assert await same_as_the_log(house)


async def race(*waits):
    """Return when the first of them is done."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        await stop(task)


async def test_two_relays_that_both_believe_to_lead_do_no_harm(house, monkeypatch):
    keys = itertools.count(1)
    monkeypatch.setattr(leadership, "lock_key", lambda role: next(keys))
    first, second = await house.relay(), await house.relay()
    last = await house.ask(*range(40))
    await within(first.caught_up(last))
    await within(second.caught_up(last))
    assert await same_as_the_log(house)


@pytest.mark.parametrize("known", [1, 5])
async def test_what_a_stale_relay_sends_is_refused(house, known):
    """Of what is known already nothing is taken again."""
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(*range(known))))
    bus = await house.bus("relay")
    inbox, answers = bus.new_inbox(), asyncio.Queue[bytes]()
    await bus.take(inbox, lambda data, headers: answers.put_nowait(data))
    rows = await house.store.pool.fetch(f"SELECT {COLUMNS} FROM log.event ORDER BY pos")
    stale = frames.frames(rows, shard=0, stamps=frames.Stamps(0, {}), reply=inbox, largest=10**6, size_limit=10**6)
    await bus.publish_raw(stale.frames)
    assert f"wrong last sequence: {known}" in frames.read_answer(await within(answers.get())).error
    assert len(await carried(house)) == known


async def test_a_fact_too_large_for_a_message_travels_as_a_stub(house, monkeypatch):
    monkeypatch.setattr("libs.kit.frames.HEADER_ROOM", 2 * 1024 * 1024 - 2000)
    relay = await house.relay()
    await house.ask(1)
    await within(relay.caught_up(await house.ask(2, text="x" * 4000)))
    small, large = await carried(house)
    assert (small.is_stub, large.is_stub) == (False, True)


async def test_an_older_log_stops_the_relay_until_a_new_epoch(house):
    relay = house.relay_alone(await house.bus("relay"))
    running = await house.start(relay.run)
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    js = (await house.bus("relay")).jetstream
    await stop(running)
    await pretend_backup(house, upto=2)
    await house.ask(4, stream="ask-other")
    await house.ask(5, stream="ask-other")

    again = house.relay_alone(await house.bus("relay"))
    with pytest.raises(EpochDiffers, match="older backup"):
        await within(again.run())
    assert again.health()["relay-0"].startswith("stopped")

    begun = await epoch.new_epoch(js, house.store.pool, 0)
    assert (begun.epoch, begun.fork, begun.last) == (2, 2, 3)
    lost = wire.decode((await js.get_msg(begun.evidence, 3)).data)
    assert lost.stream == "ask-1"
    assert (await js.stream_info(begun.evidence)).config.sources is None

    third = await house.relay()
    await within(third.caught_up(4))
    assert third.epoch == 2
    assert await same_as_the_log(house)
    with pytest.raises(EpochAgrees):
        await epoch.new_epoch(js, house.store.pool, 0)


async def test_a_shorter_log_stops_the_relay(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    await pretend_backup(house, upto=1)
    await house.end_session("relay")
    again = house.relay_alone(await house.bus("relay"))
    with pytest.raises(EpochDiffers, match="position 3"):
        await within(again.run())


async def test_a_new_epoch_that_was_interrupted_is_finished(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    await pretend_backup(house, upto=1)
    await house.end_session("relay")
    await within(until(lambda: relay.state.startswith("stopped")))
    js = (await house.bus("relay")).jetstream
    await js.add_stream(
        name=wire.evidence_name(0, 1), first_seq=2, sources=[StreamSource(name="EV_0", opt_start_seq=2)]
    )
    begun = await epoch.new_epoch(js, house.store.pool, 0)
    assert (await js.stream_info(begun.evidence)).state.messages == 2
    assert (begun.fork, begun.last) == (1, 3)


async def pretend_backup(house: House, *, upto: int) -> None:
    """What restoring an older backup of Postgres does to the log."""
    async with house.store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM log.event WHERE pos > $1", upto)
        await connection.execute("UPDATE log.log_head SET pos = $1", upto)


async def test_heads_tell_the_last_position_of_each_family(house):
    bus = await house.bus("service")
    heads: asyncio.Queue[wire.Head] = asyncio.Queue()
    await bus.take("sig.head.0", lambda data, headers: heads.put_nowait(wire.decode_head(data)))
    relay = await house.relay()
    await house.note()
    last = await house.ask(1)
    await within(relay.caught_up(last))
    while (head := await within(heads.get())).pos < last:
        pass
    assert (head.pos, head.epoch, dict(head.families)) == (2, 1, {"note": 1, "ask": 2})
    assert head.last_of({"ask"}) == 2
    assert head.last_of({"never"}) == 0


async def test_asked_facts_keep_their_text(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(7, text="नमस्ते")))
    [fact] = await house.store.unseal(await carried(house))
    assert fact.event == Asked(number=7, text="नमस्ते")


async def test_a_relay_without_postgres_does_not_say_that_it_is_well(house: House):
    relay = Relay(0, url="postgresql://127.0.0.1:1/nowhere", bus=await house.bus("relay"), clock=house.clock)
    _ = await house.start(relay.run)
    await within(until(lambda: relay.health()["relay-0"] != "starting"))
    assert relay.health() == {"relay-0": "waiting for postgres: ConnectionRefusedError"}


async def test_no_append_leaves_a_relay_asleep_that_looks_only_when_it_is_told(house, monkeypatch):
    monkeypatch.setattr("libs.kit.relay.POLL_S", 3600)
    requests = await house.store.sealed([Append(TENANT, "ask-0", 0, [Draft("ask-0", Asked(number=0))], house.cause())])
    appender = await asyncpg.connect(house.store.url)
    try:
        async with appender.transaction():
            await send(
                lambda *args: appender.fetchrow(CALL, *args), 0, requests
            )  # and saw that nobody wants to be told
            relay = await house.relay()
            await until(lambda: house.store.pool.fetchval(ASKS))
    finally:
        await appender.close()
    await within(relay.caught_up(1))
    for burst in (1, 40, 1, 1, 200, 3):
        last = max(await asyncio.gather(*(house.ask(number) for number in range(burst))))
        await within(relay.caught_up(last))
    assert await same_as_the_log(house)
