"""What every service in a process of its own reads from its environment, and when it begins and ends."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from litestar import get
from structlog.testing import capture_logs

from libs.kit import process as processes
from libs.kit.beginning import PortBusy
from libs.kit.embedded import PostgresServer
from libs.kit.process import Build, Kit, Process, SettingMissing, read, run
from libs.kit.serve import App, DrainingServer, Loop
from libs.testkit.servers import MASTER
from tests.libs.kit.jetstream import until, within

NEEDED = {"CONVERSE_DATABASE_URL": "postgresql://db", "CONVERSE_NATS_URL": "nats://bus"}


def test_the_addresses_are_enough():
    process = read(NEEDED)
    assert (process.database_url, process.nats_url, process.port) == ("postgresql://db", "nats://bus", 8000)


def test_a_port_may_be_named():
    assert read({**NEEDED, "CONVERSE_PORT": "9000"}).port == 9000


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(missing: str):
    with pytest.raises(SettingMissing, match=missing):
        read({name: value for name, value in NEEDED.items() if name != missing})


def test_who_does_not_hear_needs_no_nats():
    assert read({"CONVERSE_DATABASE_URL": NEEDED["CONVERSE_DATABASE_URL"]}, hears=False).nats_url == ""


def test_secrets_are_not_shown():
    assert "postgresql" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
    assert "c2VjcmV0" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))


def at(database_url: str, nats_url: str) -> Process:
    return Process(database_url=database_url, nats_url=nats_url, master_key=base64.b64encode(MASTER).decode(), port=0)


async def test_a_service_that_is_started_while_postgres_is_away_begins_once_it_is_back(
    embedded_postgres: PostgresServer, nats_url: str
):
    works, built = asyncio.Event(), 0

    async def build(kit: Kit) -> App:
        nonlocal built
        built += 1
        if built == 1:  # Postgres dies in the middle of it
            await embedded_postgres.kill()
        assert await kit.store.head(0) == 0

        async def work() -> None:
            works.set()

        return App("ingest", loops=[Loop("work", work)])

    with capture_logs() as logs:
        service = asyncio.create_task(run("ingest", at(embedded_postgres.url, nats_url), build))
        try:
            await within(until(lambda: any(entry["event"] == processes.WAITS for entry in logs)))
            assert not works.is_set()
            await embedded_postgres.start()
            await within(works.wait())
            assert built >= 2
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)


def origin_of(servers: list[DrainingServer]) -> str:
    """Where the first of them is found, and whoever takes its port over."""
    return f"http://127.0.0.1:{servers[0].servers[0].sockets[0].getsockname()[1]}"


@asynccontextmanager
async def begun(process: Process, build: Build) -> AsyncIterator["asyncio.Task[None]"]:
    service = asyncio.create_task(run("ingest", process, build))
    try:
        yield service
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


@get("/shop")
async def shop() -> dict[str, str]:
    return {"shop": "open"}


CUT = httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError


async def first_open(client: httpx.AsyncClient) -> httpx.Response:
    """The first answer of the service itself; a connection is refused at no moment until then."""
    while True:
        with suppress(*CUT):  # it may be, though, in the moment of handing over
            if (answer := await client.get("/shop")).status_code != 503:
                return answer
        await asyncio.sleep(0.01)


async def test_a_service_that_cannot_begin_is_alive_and_not_ready_and_says_why(
    embedded_postgres: PostgresServer, nats_url: str, servers: list[DrainingServer]
):
    async def build(kit: Kit) -> App:
        await kit.store.head(0)
        return App("ingest", routes=[shop])

    await embedded_postgres.kill()
    async with begun(at(embedded_postgres.url, nats_url), build), httpx.AsyncClient(timeout=20) as client:
        await within(until(lambda: servers))
        client.base_url = httpx.URL(origin_of(servers))
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        assert ready.json()["checks"]["ingest"]["begin"].startswith("cannot begin yet: ")
        refused = await client.get("/shop")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["title"] == "The service is starting"
        for path in ("/", "/shop", "/webhooks/whatsapp", "/api", "/api/v1/events", "/api/v1/conversations/c/timeline"):
            assert (await client.post(path, json={})).status_code == 503, path
        assert "converse_bus_connected" in (await client.get("/metrics")).text
        await embedded_postgres.start()
        assert (await within(first_open(client))).json() == {"shop": "open"}
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]) == (200, {"ingest": {"nats": "ok"}})


async def test_without_nats_a_service_begins_and_is_not_ready_until_it_has_heard_once(
    database: str, servers: list[DrainingServer]
):
    async def build(kit: Kit) -> App:
        return App("ingest", routes=[shop])

    async with begun(at(database, "nats://127.0.0.1:1"), build), httpx.AsyncClient(timeout=20) as client:
        await within(until(lambda: servers))
        client.base_url = httpx.URL(origin_of(servers))
        await within(first_open(client))  # it looks for NATS for 5 s first
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["ingest"]["nats"].startswith("not connected to nats yet: ")


async def test_told_to_end_before_it_has_begun_it_ends(servers: list[DrainingServer]):
    async def build(kit: Kit) -> App:
        raise ConnectionRefusedError

    async with begun(at("postgresql://127.0.0.1:1/nowhere", "nats://127.0.0.1:1"), build) as service:
        await within(until(lambda: servers))
        servers[0].handle_exit(15, None)
        await within(service)


async def test_a_busy_port_is_told_at_once(nats_url: str):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        process = replace(at("postgresql://x", nats_url), host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(PortBusy, match=f"port {process.port} of 127.0.0.1 is busy: free it"):
            await run("ingest", process, build)


async def test_what_does_not_pass_by_itself_is_not_waited_for(database: str, nats_url: str):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    elsewhere = urlsplit(database)._replace(path="/nowhere").geturl()
    with pytest.raises(asyncpg.InvalidCatalogNameError, match="nowhere"):
        await within(run("ingest", at(elsewhere, nats_url), build))


def test_who_ends_says_why(monkeypatch: pytest.MonkeyPatch):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    monkeypatch.delenv("CONVERSE_DATABASE_URL", raising=False)
    monkeypatch.setattr("libs.kit.log.configure", lambda: None)  # it would undo the capturing
    with capture_logs() as logs, pytest.raises(SystemExit) as ended:
        processes.main("ingest", build)
    assert ended.value.code == 1
    [entry] = logs
    assert (entry["event"], entry["service"]) == (processes.ENDED, "ingest")
    assert "CONVERSE_DATABASE_URL is not set" in entry["reason"]
