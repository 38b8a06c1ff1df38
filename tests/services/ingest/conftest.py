"""Ingest on a real port, with the rights of its own role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest_asyncio

from events.base import Cause, Draft, Event, Recorded
from libs.kit import http, ids
from libs.kit.bundles import publish
from libs.kit.clock import Clock
from libs.kit.serve import serve
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE_OVERDUE, NOON, TENANT
from libs.testkit.servers import MASTER, database_of
from services.ingest.app import build
from services.ingest.settings import Settings
from tests.libs.config.shipped import shipped

OVERDUE: dict[str, Any] = {"event_name": "invoice_overdue", "data": INVOICE_OVERDUE}
NUMBERS = count(1)
EVENTS, FOLLOWUPS, CONTEXT = "/api/v1/events", "/api/v1/followups/trigger", "/api/v1/context/trigger"


BUNDLE = shipped()


@dataclass
class Ingest:
    """The service as an ERP sees it, and the log behind it."""

    client: httpx.AsyncClient
    store: Store
    since: int = 0
    id: str = field(default_factory=lambda: f"erp-{next(NUMBERS)}")

    async def post(self, body: Any = None, path: str = EVENTS, **options: Any) -> httpx.Response:
        """POST JSON, or `content=` raw bytes."""
        if body is not None:
            options["json"] = body
        return await self.client.post(path, **options)

    async def facts(self, *families: str) -> list[Recorded[Any]]:
        """What the log holds since `since`, without published bundles."""
        found = await self.store.read_log(0, self.since, 1000, families=families or None)
        return [fact for fact in found if fact.family != "config"]

    async def tell(self, *events: Event, stream: str) -> None:
        """What another service writes."""
        cause_id = ids.fresh()
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="orchestrator")
        await self.store.append_any(TENANT, stream, [Draft(stream, event) for event in events], cause)


@asynccontextmanager
async def serving(store: Store, own: Store, profile: str = "development") -> AsyncIterator[Ingest]:
    """Ingest on `own`, on a free port of loopback."""
    async with AsyncExitStack() as stack:
        clock = await stack.enter_async_context(Clock.open(own.pool, own.listener))
        app = await build(Settings(profile=profile), store=own, clock=clock)
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve([app], port=0, on_ready=port.set_result))
        try:
            origin = f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}"
            client = await stack.enter_async_context(http.client(origin, timeout=timedelta(seconds=30)))
            yield Ingest(client, store)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def publish_to(store: Store) -> None:
    cause_id = ids.cause_id(TENANT, "test", "bundle")
    await publish(store, TENANT, BUNDLE, Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="cli"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_store(postgres_url: str, migrated_template: str) -> AsyncIterator[Store]:
    """A log with the shipped bundle, for a file of tests; each has ids and facts of its own."""
    async with (
        database_of(postgres_url, migrated_template) as database,
        Store.open(database, master=MASTER) as store,
    ):
        await publish_to(store)
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_ingest(shared_store: Store) -> AsyncIterator[Ingest]:
    """Ingest in the development profile: loopback needs no key."""
    async with (
        Store.open(shared_store.url, master=MASTER, role="converse_ingest", name="ingest") as own,
        serving(shared_store, own) as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def ingest(shared_ingest: Ingest) -> Ingest:
    """Ingest, and of the log only what this test adds."""
    return Ingest(shared_ingest.client, shared_ingest.store, await shared_ingest.store.head(0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded_ingest(shared_store: Store) -> AsyncIterator[Ingest]:
    """Ingest in the production profile: everybody needs a key."""
    async with (
        Store.open(shared_store.url, master=MASTER, role="converse_ingest", name="ingest") as own,
        serving(shared_store, own, "production") as running,
    ):
        yield running
