"""The orchestrator as it runs alone, beside Claude's emulator."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import MORNING, TENANT
from libs.testkit.servers import StoreOf, part
from services.orchestrator.app import build
from services.orchestrator.settings import Settings
from services.sandbox import app as sandbox
from services.sandbox.settings import Settings as SandboxSettings
from tests.libs.config.shipped import shipped
from tests.services.orchestrator.neighbours import NOWHERE, Neighbours, because, serving


@pytest_asyncio.fixture
async def neighbours(store: Store, clock: Clock, store_of: StoreOf) -> AsyncIterator[Neighbours]:
    """The service as it runs alone, beside Claude's emulator."""
    await clock.set(MORNING)
    await publish(store, TENANT, shipped(), because())
    async with AsyncExitStack() as stack:
        emulators = sandbox.build(SandboxSettings(people=()), now=clock.now)
        origin = await stack.enter_async_context(serving(part(emulators, "anthropic")))
        own = await store_of(role="converse_orchestrator", name="orchestrator")
        bus = await Bus.connect(NOWHERE, name="orchestrator", patience=0.1)
        stack.push_async_callback(bus.close)
        its_clock = await stack.enter_async_context(Clock.open(own.pool, own.listener))
        service = await build(
            Settings(sandbox_url=sandbox.base_urls(origin)["llm"]), store=own, bus=bus, clock=its_clock
        )
        await stack.enter_async_context(serving(service))
        yield Neighbours(store)
