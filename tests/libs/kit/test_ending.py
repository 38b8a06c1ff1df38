"""A service that is told to end does so in bounded time, whatever it is doing, and whoever it waits for."""

import asyncio
import base64
import signal
from typing import Any

import pytest

from libs.kit.process import Kit, Process, run
from libs.kit.serve import App, DrainingServer
from libs.testkit.servers import MASTER
from tests.libs.kit.jetstream import until, within

SERVICE = "orchestrator"
NOWHERE = "nats://127.0.0.1:1"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[DrainingServer]:
    """Every server that was started, in order."""
    made: list[DrainingServer] = []
    original = DrainingServer.startup

    async def startup(server: DrainingServer, sockets: Any = None) -> None:
        await original(server, sockets)
        made.append(server)

    monkeypatch.setattr(DrainingServer, "startup", startup)
    return made


def tell_to_end(server: DrainingServer) -> None:
    server.handle_exit(signal.SIGTERM, None)


def process(database: str, nats: str = NOWHERE) -> Process:
    return Process(database_url=database, nats_url=nats, master_key=base64.b64encode(MASTER).decode(), port=0)


async def test_told_to_end_in_the_moment_in_which_it_begins_it_does_not_begin(database, nats_url, servers, monkeypatch):
    original = DrainingServer.shutdown

    async def shutdown(server: DrainingServer, sockets: Any = None) -> None:
        if server is servers[0]:
            tell_to_end(server)
        await original(server, sockets)

    monkeypatch.setattr(DrainingServer, "shutdown", shutdown)

    async def build(kit: Kit) -> App:
        return App("ingest")

    await within(run("ingest", process(database, nats_url), build))
    assert len(servers) == 1


async def test_told_to_end_while_something_below_swallows_the_cancellation_it_does_not_begin(
    database, nats_url, servers
):
    async def build(kit: Kit) -> App:
        await until(lambda: servers)
        tell_to_end(servers[0])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return App("ingest")

    await within(run("ingest", process(database, nats_url), build))
    assert len(servers) == 1
