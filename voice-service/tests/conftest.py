"""The voice service on a real port, with Postgres, NATS and the relay; the emulators are a process of their own."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from voice_house import House, sandbox_urls
from voice_running import running
from voice_world import ROOT, Voice, published
from xdist.scheduler import LoadScopeScheduling

from libs.kit import http
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded_process import free_port
from libs.kit.relay import Relay
from libs.kit.store import Store
from libs.testkit.nouns import NOON
from libs.testkit.servers import StoreOf
from voice_service.settings import SANDBOX_SECRET

pytest_plugins = ["libs.testkit.servers", "libs.testkit.garbage"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--calls", type=int, default=0, help="of the fault run: so many calls, with every fault in turn")
    parser.addoption("--at-once", type=int, default=12, help="of the fault run: so many calls at a time")
    parser.addoption("--only", default="", help="of the fault run: only faults whose name contains this")


CROWDS = frozenset({"test_workers", "test_faults", "test_demo", "test_sip_demo"})
"""Modules with many calls at once, whose voices would stammer beside each other: one after the other."""


LONG = frozenset(
    {
        "test_a_rollout_of_all_workers_cuts_no_call",
        "test_no_call_ends_and_nobody_waits_for_more_than_two_seconds",
        "test_an_overdue_invoice_becomes_a_call_over_the_trunk_and_a_promise",
    }
)
"""What `make chaos-voice`, `make faults-voice` and `make demo-voice` show, too; `make test` leaves them to `make test-voice`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The crowds begin first, so that they are not left alone at the end."""
    for item in items:
        if item.name in LONG:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.path.stem not in CROWDS)


class Scheduling(LoadScopeScheduling):
    """A test goes to the process that is free, but all crowds go to one."""

    def _split_scope(self, nodeid: str) -> str:
        return "crowds" if Path(nodeid.partition("::")[0]).stem in CROWDS else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def configured_postgres_url() -> str | None:
    return os.environ.get("CONVERSE_TEST_DATABASE_URL") or None  # noqa: TID251 - where the servers are


@pytest.fixture(scope="session")
def configured_nats_url() -> str | None:
    return os.environ.get("CONVERSE_TEST_NATS_URL") or None  # noqa: TID251 - where the servers are


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """The emulators' origin: they run in the environment of the other services, as in production the providers do elsewhere."""
    port = free_port()
    python = ROOT / ".venv/bin/python"
    running = subprocess.Popen([python, "-m", "services.sandbox", "--port", str(port)], cwd=ROOT)  # noqa: S603 - our own
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert running.poll() is None, "the sandbox has ended"
            assert time.monotonic() < deadline, "the sandbox does not start"
            running_out = deadline - time.monotonic()
            try:
                running.wait(min(0.1, running_out))
            except subprocess.TimeoutExpired:
                pass
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture
async def voice(
    sandbox: str, database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, tmp_path: Path
) -> AsyncIterator[Voice]:
    own = await store_of(role="converse_voice")
    async with running(
        sandbox,
        sandbox_urls(sandbox),
        store=store,
        own=own,
        clock=clock,
        database=database,
        nats=nats_url,
        folder=tmp_path,
    ) as found:
        yield found


@pytest.fixture
def secret() -> str:
    return SANDBOX_SECRET


@pytest.fixture
async def house(
    sandbox: str, database: str, store: Store, clock: Clock, nats_url: str, tmp_path: Path
) -> AsyncIterator[House]:
    """Workers as processes; a test starts as many as it wants."""
    await clock.set(NOON)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(http.client())
        (await client.post(f"{sandbox}/_sandbox/reset")).raise_for_status()
        bus = await Bus.connect(nats_url, name="relay")
        stack.push_async_callback(bus.close)
        await published(store, clock)
        relaying = asyncio.create_task(Relay(0, url=database, bus=bus, clock=clock).run())
        house = House(
            voice=Voice("", sandbox, store, clock, client),
            database=database,
            nats=nats_url,
            folder=tmp_path,
            lease=timedelta(seconds=10),
        )
        stack.push_async_callback(house.close)
        yield house
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
