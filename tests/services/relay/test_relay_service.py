"""The relay as a service: its loops, its health, and the command for a new epoch."""

import pytest

from libs.kit.clock import Clock
from libs.kit.epoch import EpochAgrees
from libs.kit.process import Process
from services.relay.__main__ import begin_epoch
from services.relay.app import build
from services.relay.settings import Settings, from_environment
from tests.libs.kit.jetstream import ANSWER, ASK, NOTE, PASSWORDS, House, until, within


@pytest.fixture
async def house(store_of, tmp_path):
    store = await store_of(ASK, ANSWER, NOTE)
    async with House.open(store, tmp_path / "nats") as house:
        yield house


def process(house: House) -> Process:
    url = house.nats.url.replace("nats://", f"nats://relay:{PASSWORDS['relay']}@")
    return Process(database_url=house.store.url, nats_url=url)


async def test_it_relays_with_the_rights_of_its_role_and_is_ready(house):
    bus = await house.bus("relay")
    app = await build(Settings(), database_url=house.store.url, bus=bus, clock=Clock())
    await house.ask(1, 2, 3)
    [loop] = app.loops
    await house.start(loop.run)

    async def leads() -> bool:
        return (await app.ready())["relay-0"] == "ok: leading, epoch 1"

    async def carries_all() -> bool:
        return bool((await bus.jetstream.stream_info("EV_0")).state.last_seq == 3)

    await within(until(leads))
    await within(until(carries_all))


async def test_a_new_epoch_is_refused_while_stream_and_log_agree(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1)))
    with pytest.raises(EpochAgrees, match="agree up to 1"):
        await begin_epoch(process(house), Settings(), 0)


async def test_a_new_epoch_begins_after_an_older_backup(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2)))
    async with house.store.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM log.event WHERE pos > 1")
        await connection.execute("UPDATE log.log_head SET pos = 1")
    begun = await begin_epoch(process(house), Settings(), 0)
    assert (begun.epoch, begun.fork, begun.last, begun.evidence) == (2, 1, 2, "EV_0_EPOCH_1")


def test_its_environment_is_read():
    settings = from_environment({"CONVERSE_SHARDS": "0,2"})
    assert (settings.shards, settings.replicas) == ((0, 2), 1)


async def test_it_starts_while_nats_is_away(house):
    await house.nats.kill()
    bus = await house.bus_in_the_dark("relay")
    app = await build(Settings(), database_url=house.store.url, bus=bus, clock=Clock())
    await house.start(app.loops[0].run)

    async def waits() -> bool:
        return (await app.ready())["relay-0"] == "waiting for nats"

    await within(until(waits))
    await house.nats.start()

    async def leads() -> bool:
        return (await app.ready())["relay-0"].startswith("ok: leading")

    await within(until(leads))
