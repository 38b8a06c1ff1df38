"""The projections as they run: tables made, one reactor that keeps them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio

from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.reactor import Reactor
from libs.kit.store import Store
from libs.testkit.servers import StoreOf
from projections import PROJECTIONS, generations
from projections.erasing import Erasing
from projections.live import CONSUMER, Projector
from projections.timeline import TIMELINE
from tests.projections.journey import Log


@pytest_asyncio.fixture
async def log(store: Store) -> Log:
    """Where facts are told."""
    return Log(store)


@pytest_asyncio.fixture
async def tables(store: Store) -> None:
    """The read models, empty."""
    async with generations.maintenance(store.url) as connection:
        assert await generations.begin(connection, PROJECTIONS, consumer=CONSUMER) == []


@pytest_asyncio.fixture
async def projecting(tables: None, store_of: StoreOf, nats_url: str) -> AsyncIterator[Reactor]:
    """The reactor with the rights of its service."""
    own = await store_of(role="converse_console", name="console")
    bus = await Bus.connect(nats_url, name="console")
    async with Clock.open(own.pool, own.listener) as clock:
        erasing = Erasing(own, [each for each in PROJECTIONS if each is not TIMELINE])
        handlers = Projector(PROJECTIONS, erasing).handlers()
        reactor = Reactor(CONSUMER, 0, handlers, store=own, bus=bus, clock=clock)
        running = asyncio.create_task(reactor.run())
        yield reactor
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await bus.close()
