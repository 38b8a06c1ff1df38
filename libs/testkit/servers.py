"""Real servers for tests: the address in the environment, else Docker if an engine answers, else embedded ones."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import nats
import pytest
import pytest_asyncio
from litestar import Router
from nats.js.errors import NotFoundError

from events.base import Category
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.serve import App, serve
from libs.kit.store import Store

T = TypeVar("T")

POSTGRES_IMAGE = "postgres:18.1-alpine"
NATS_IMAGE = "nats:2.14-alpine"
MASTER = bytes(range(32))
"""The master key of every test."""

StoreOf = Callable[..., Awaitable[Store]]


@pytest.fixture(scope="session")
def configured_postgres_url() -> str | None:
    """A superuser's address from the environment, which only tests/conftest.py reads; None asks Docker, then embeds."""
    return None


@pytest.fixture(scope="session")
def configured_nats_url() -> str | None:
    """As `configured_postgres_url`, for NATS."""
    return None


@pytest.fixture(scope="session")
def docker_refusal() -> str | None:
    """Why no Docker engine can be used; None where one answers. A command line alone proves nothing."""
    with warnings.catch_warnings(action="ignore"):
        try:
            from testcontainers.core.docker_client import DockerClient

            DockerClient().client.ping()
        except Exception as error:  # whatever the client raises, there is no engine to use
            refusal = f"no Docker engine answers: {error}"
        else:
            return None
        gc.collect()  # the client leaves its socket open, which else some test would be blamed for
    return refusal


@pytest.fixture(scope="session")
def postgres_url(configured_postgres_url: str | None, docker_refusal: str | None) -> Iterator[str]:
    """A superuser's address."""
    if configured_postgres_url:
        yield configured_postgres_url
    elif docker_refusal is None:
        from testcontainers.community.postgres import PostgresContainer

        # A whole system and a fresh one beside it hold more connections than the hundred of a plain server.
        with PostgresContainer(POSTGRES_IMAGE, driver=None).with_command("-c max_connections=300") as container:
            yield container.get_connection_url()
    else:
        server = PostgresServer()
        _run(server.start())
        yield server.url
        _run(server.stop())


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with our schema, to be copied."""
    name = f"template_{ids.fresh().hex[:12]}"
    _run(_make(postgres_url, name))
    _run(migrate(_in(postgres_url, name)))
    yield name
    _run(_drop(postgres_url, name))


@pytest_asyncio.fixture
async def database(postgres_url: str, migrated_template: str) -> AsyncIterator[str]:
    """The address of a database of one's own, with our schema."""
    async with database_of(postgres_url, migrated_template) as address:
        yield address


@asynccontextmanager
async def database_of(postgres_url: str, template: str) -> AsyncIterator[str]:
    """The address of a copy of `template` that nobody else uses."""
    name = f"test_{ids.fresh().hex[:12]}"
    await _make(postgres_url, name, template=template)
    try:
        yield _in(postgres_url, name)
    finally:
        await _drop(postgres_url, name)


def part(app: App, *names: str) -> App:
    """Only those routers of the sandbox that have a route of `/sandbox/<name>` or `/_sandbox/<name>`: all of them are made in
    a tenth of a second, in which a test could be done.
    """

    def wanted(router: Any) -> bool:
        return isinstance(router, Router) and any(route.path.split("/")[2] in names for route in router.routes)

    return replace(app, routes=[router for router in app.routes if wanted(router)])


@asynccontextmanager
async def serving(*apps: App) -> AsyncIterator[str]:
    """The origin at which `apps` are served, on a free port."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(apps, port=0, on_ready=port.set_result))
    try:
        yield f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    """The address of a database of one's own, with nothing in it."""
    name = f"test_{ids.fresh().hex[:12]}"
    await _make(postgres_url, name)
    yield _in(postgres_url, name)
    await _drop(postgres_url, name)


@pytest_asyncio.fixture
async def store_of(database: str) -> AsyncIterator[StoreOf]:
    """Opens stores on `database`: `await store_of(CONTACT)`, with what else Store.open takes; closed afterwards."""
    async with AsyncExitStack() as stack:

        async def open_store(*categories: Category, **options: Any) -> Store:
            if categories:
                options["categories"] = categories
            return await stack.enter_async_context(Store.open(database, master=MASTER, **options))

        yield open_store


@pytest_asyncio.fixture
async def store(store_of: StoreOf) -> Store:
    """A store of the whole vocabulary on `database`."""
    return await store_of()


@pytest_asyncio.fixture
async def clock(store: Store) -> AsyncIterator[Clock]:
    """The business clock of `database`."""
    async with Clock.open(store.pool, store.listener) as business:
        yield business


@pytest.fixture(scope="session")
def shared_nats_url(configured_nats_url: str | None, docker_refusal: str | None) -> Iterator[str | None]:
    """A server that outlives the test; None where each test has an embedded one of its own."""
    if configured_nats_url:
        yield configured_nats_url
    elif docker_refusal is None:
        from testcontainers.community.nats import NatsContainer

        with NatsContainer(NATS_IMAGE, jetstream=True) as container:
            yield container.nats_uri()
    else:
        yield None


@pytest_asyncio.fixture
async def nats_url(shared_nats_url: str | None) -> AsyncIterator[str]:
    """A NATS server with an empty JetStream."""
    if shared_nats_url is None:
        async with NatsServer() as server:
            yield server.url
    else:
        await _wipe(shared_nats_url)
        yield shared_nats_url


@pytest_asyncio.fixture
async def embedded_nats() -> AsyncIterator[NatsServer]:
    """A NATS server of one's own, to be killed, restored and wiped."""
    async with NatsServer() as server:
        yield server


@pytest_asyncio.fixture
async def embedded_postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server of one's own, with our schema, to be killed."""
    async with PostgresServer() as server:
        await migrate(server.url)
        yield server


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, away from the loops of the tests."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def _in(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _make(url: str, name: str, *, template: str = "template0") -> None:
    await _execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY = file_copy')


async def _drop(url: str, name: str) -> None:
    await _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _wipe(url: str) -> None:
    connection = await nats.connect(url)
    try:
        stream = connection.jetstream()
        for info in await stream.streams_info():
            with suppress(NotFoundError):
                await stream.delete_stream(info.config.name or "")
    finally:
        await connection.close()
