"""The whole system in this process, on throw-away servers: one for a file of tests, and fresh ones for those that move time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.kit.embedded import NatsServer
from libs.testkit.nouns import MORNING
from libs.testkit.servers import database_of
from tests.journeys.town import Town, settings_of, town_of

FreshTown = Callable[..., Awaitable[Town]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    postgres_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """The system at 10:30 IST on Monday, 16 February 2026. Its clock is not moved: tests share it, each with its people."""
    folder = tmp_path_factory.mktemp("town")
    async with throw_away(postgres_url, migrated_template, folder) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_town(postgres_url: str, migrated_template: str, tmp_path: Path) -> AsyncIterator[FreshTown]:
    """Makes a system of one's own, whose clock may be moved and whose servers may be looked into."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Town:
            return await stack.enter_async_context(throw_away(postgres_url, migrated_template, tmp_path, **options))

        yield make


@asynccontextmanager
async def throw_away(
    postgres_url: str, template: str, folder: Path, *, start_at: datetime = MORNING, **options: Any
) -> AsyncIterator[Town]:
    """A system on a database and a NATS server that nobody else uses."""
    async with database_of(postgres_url, template) as database, NatsServer(folder / "nats") as nats:
        settings = settings_of(folder, database_url=database, nats_url=nats.url, **options)
        async with town_of(settings, start_at=start_at) as running:
            yield running
