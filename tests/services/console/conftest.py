"""The console as it runs alone, with the rights of its role, behind keys."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from events import conversation, operator
from events.base import Cause, Recorded
from libs.kit import ids
from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.serve import application
from libs.kit.store import Store
from libs.testkit.nouns import MORNING, TENANT
from libs.testkit.servers import StoreOf
from projections.live import CONSUMER
from services.console import operators
from services.console.app import build
from services.console.settings import Settings
from tests.libs.config.shipped import shipped
from tests.projections.journey import Log

BUNDLE = shipped()


@dataclass
class Console:
    """Asks the console as somebody with a key; waits until it shows what the log says."""

    client: httpx.AsyncClient
    store: Store
    log: Log
    key: str

    async def get(self, path: str, **params: Any) -> Any:
        return await self.client.get(path, params=params or None, headers={"Authorization": f"Bearer {self.key}"})

    async def post(self, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", **headers}
        return await self.client.post(path, json=body, headers=headers)

    async def shows_all(self) -> None:
        """Return once every fact of the log is projected."""
        head = await self.store.head(0)
        await until(self.store, lambda: self.store.watermark(CONSUMER, 0), lambda pos: pos >= head)


async def until(store: Store, ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Ask again and again, at most 60 s, until the answer holds."""
    async with asyncio.timeout(60):
        while not holds(answer := await ask()):
            await store.pool.fetchval("SELECT pg_sleep(0.02)")
    return answer


@asynccontextmanager
async def running(served: Litestar) -> AsyncIterator[None]:
    """The loops of an application; begun and ended in one task, as its cancel scopes demand."""
    started, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with served.lifespan():
            started.set()
            await over.wait()

    living = asyncio.create_task(live())
    await started.wait()
    yield
    over.set()
    await living


@pytest_asyncio.fixture
async def console(store: Store, store_of: StoreOf, nats_url: str) -> AsyncIterator[Console]:
    """A running console with a published bundle, and a key for everything."""
    cause = Cause(id=ids.fresh(), correlation_id=ids.fresh(), occurred_at=MORNING, source="test")
    await publish(store, TENANT, BUNDLE, cause)
    own = await store_of(role="converse_console", name="console")
    bus = await Bus.connect(nats_url, name="console")
    async with Clock.open(own.pool, own.listener) as clock:
        app = await build(Settings(profile="production"), store=own, bus=bus, clock=clock)
        _, token = await store.tenants.create_key(TENANT, "asha", ["read", "operate"])
        served = application([app])
        from_outside = httpx.ASGITransport(cast(Any, served), client=("203.0.113.7", 40000))
        async with running(served), httpx.AsyncClient(transport=from_outside, base_url="http://console") as client:
            yield Console(client, store, Log(store), token)
    await bus.close()


@pytest_asyncio.fixture
async def orchestrator(console: Console, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Does what the orchestrator does with takeover and release: says in the conversation that it is so.

    It is waited for however slow the machine is.
    """
    monkeypatch.setattr(operators, "PATIENCE", timedelta(minutes=1))

    async def follow() -> None:
        grown = asyncio.Event()
        console.store.listener.on("log_0", lambda _: grown.set())
        after = await console.store.head(0)
        while True:
            for fact in await console.store.read_log(0, after, 100):
                after = fact.pos
                await answer(fact)
            await grown.wait()
            grown.clear()

    async def answer(fact: Recorded[Any]) -> None:
        match fact.event:
            case operator.TakeoverRequested() as asked:
                taken = conversation.TakenOver(operator=asked.operator)
                await console.log.tell(f"conversation-{asked.conversation}", taken, because=fact)
            case operator.Released() as asked:
                released = conversation.Released(operator=asked.operator)
                await console.log.tell(f"conversation-{asked.conversation}", released, because=fact)
            case _:
                pass

    following = asyncio.create_task(follow())
    yield
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
