"""Backend-sync on the real log, beside the sandbox's ERP on a real port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio

from events.base import Cause, Draft, Event, Recorded
from libs.config.bundle import Bundle
from libs.kit import http, ids
from libs.kit.bundles import Bundles, publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import NOON, PRIYA, TENANT
from libs.testkit.servers import MASTER, database_of, part, serving
from services.backend_sync.app import build
from services.backend_sync.poll import Poller
from services.backend_sync.rest import Rest
from services.backend_sync.settings import Settings
from services.sandbox import app as sandbox
from services.sandbox.settings import Settings as SandboxSettings
from tests.libs.config.shipped import shipped

NOWHERE = "nats://127.0.0.1:1"
"""Without NATS a reactor reads the log."""


@dataclass
class BackendSync:
    """The running service as its neighbours see it: the orchestrator through the log, the ERP through HTTP."""

    store: Store
    erp: httpx.AsyncClient
    poller: Poller
    rest: Rest

    async def asked(self, intent: Event, stream: str) -> Recorded[Any]:
        """The orchestrator asks for something."""
        cause_id = ids.fresh()
        cause = Cause(
            id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="orchestrator", config=shipped().hash
        )
        appended = await self.store.append_any(
            TENANT, stream, [Draft(stream, intent, f"contact-{PRIYA}", PRIYA)], cause
        )
        [fact] = await self.store.read_stream(TENANT, stream, appended.version - 1)
        return fact

    async def told(self, stream: str, kind: type[Event] = Event, after: int = 0) -> Recorded[Any]:
        """The first fact of a kind in a stream, as soon as it stands in the log after a position."""
        grown = asyncio.Event()
        undo = self.store.listener.on("log_0", lambda _: grown.set())
        try:
            async with asyncio.timeout(60):
                while True:
                    facts = await self.store.read_stream(TENANT, stream)
                    for fact in facts:
                        if isinstance(fact.event, kind) and fact.pos > after:
                            return fact
                    await grown.wait()
                    grown.clear()
        finally:
            undo()

    async def goes_wrong(self, **fault: Any) -> None:
        """What happens to the next request of the ERP."""
        (await self.erp.post("/_sandbox/erp/faults", json=fault)).raise_for_status()

    async def knows(self, kind: str, **about: Any) -> None:
        """The ERP gets another record."""
        answer = await self.erp.post(f"/_sandbox/erp/{kind}", json=about)
        assert answer.is_success, answer.text

    async def calls(self, containing: str) -> list[dict[str, Any]]:
        """The requests that reached the ERP."""
        calls: list[dict[str, Any]] = (await self.erp.get("/_sandbox/erp/calls")).json()
        return [call for call in calls if containing in call["path"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(postgres_url: str, migrated_template: str) -> AsyncIterator[BackendSync]:
    """The service with the rights of its own role; a file of tests shares it, each with its own intents."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(postgres_url, migrated_template))
        store = await stack.enter_async_context(Store.open(database, master=MASTER))
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        cause_id = ids.fresh()
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="cli")
        await publish(store, TENANT, shipped(), cause)
        emulators = sandbox.build(SandboxSettings(people=()), now=clock.now)
        origin = await stack.enter_async_context(serving(part(emulators, "erp")))
        erp = await stack.enter_async_context(http.client(origin))
        own = await stack.enter_async_context(Store.open(database, master=MASTER, role="converse_backend_sync"))
        settings = Settings(sandbox_url=sandbox.base_urls(origin)["backend"])
        bus = await Bus.connect(NOWHERE, name="backend-sync", patience=0.1)
        stack.push_async_callback(bus.close)
        service = await build(settings, store=own, bus=bus, clock=clock, timeout=timedelta(minutes=1))
        await stack.enter_async_context(serving(service))
        bundles = Bundles(own, Bundle.from_json)
        client = await stack.enter_async_context(http.client())
        rest = Rest(settings, own, bundles, client)
        yield BackendSync(store, erp, Poller(rest, own, clock, bundles), rest)
