"""The relay under faults: who reads a stream that is not the log's story any more, and a stream whose facts have all expired."""

import asyncio
import resource

import msgspec
import pytest
from nats.errors import NoRespondersError

from libs.kit import epoch, wire
from libs.kit import relay as relay_module
from libs.kit.epoch import EpochDiffers
from tests.libs.kit.jetstream import CONSUMER, until, within


async def test_nobody_gets_a_consumer_before_the_stream_is_proved(house, monkeypatch):
    """Else a reactor would hear facts that an older backup of the log does not hold."""
    checking, checked = asyncio.Event(), asyncio.Event()

    async def doubtful(*args, **options):
        checking.set()
        await checked.wait()
        raise EpochDiffers(0, 2, 1)

    monkeypatch.setattr(epoch, "check", doubtful)
    relay = house.relay_alone(await house.bus("relay"))
    running = await house.start(relay.run)
    await within(checking.wait())
    service = await house.bus("service")
    ask = wire.consumer_subject(0, CONSUMER), msgspec.json.encode({"families": ["ask"]})
    with pytest.raises(NoRespondersError):
        await service.request(*ask, timeout=20)
    checked.set()
    with pytest.raises(EpochDiffers):
        await within(running)
    with pytest.raises(NoRespondersError):
        await service.request(*ask, timeout=20)


async def test_a_stream_whose_facts_have_expired_is_continued_where_it_stopped(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    js = (await house.bus("relay")).jetstream
    await js.purge_stream(wire.stream_name(0))
    await house.nats.kill()
    await house.nats.start()
    await within(relay.caught_up(await house.ask(4)))
    state = (await js.stream_info(wire.stream_name(0))).state
    assert (state.first_seq, state.last_seq, state.messages) == (4, 4, 1)


async def test_a_reactor_that_was_away_longer_than_the_stream_remembers_reads_the_log(house):
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1, 2, 3)))
    js = (await house.bus("relay")).jetstream
    await js.purge_stream(wire.stream_name(0))
    last = await house.ask(4)
    await within(relay.caught_up(last))
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    assert [answer.number for answer in await house.answers()] == [1, 2, 3, 4]


async def test_a_stream_that_could_not_be_written_once_and_refuses_for_good_is_made_anew(house, monkeypatch):
    monkeypatch.setattr(relay_module, "STUCK_S", 0.1)
    monkeypatch.setattr(relay_module, "ANSWER_S", 0.2)
    relay = await house.relay()
    await within(relay.caught_up(await house.ask(1)))
    _, most = resource.prlimit(house.nats.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(
        house.nats.pid, resource.RLIMIT_FSIZE, (1, most)
    )  # no file may grow: to a server, a disk that is full
    last = await house.ask(2)
    await until(lambda: "waiting for nats" in relay.state)
    resource.prlimit(house.nats.pid, resource.RLIMIT_FSIZE, (most, most))
    await within(relay.caught_up(last))
    await within(relay.caught_up(await house.ask(3)))
