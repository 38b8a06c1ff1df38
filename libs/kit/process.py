"""A service in a process of its own: what it reads from the environment, and its connections."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import uvloop

from libs.kit import garbage, log
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.serve import DRAIN, App, serve
from libs.kit.store import Store


class SettingMissing(Exception):
    """The environment lacks something that the service cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Where the servers are and where to listen."""

    database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    master_key: str | None = field(repr=False, default=None)
    host: str = "0.0.0.0"
    port: int = 8000


@dataclass(frozen=True, slots=True)
class Kit:
    """A service's own connections."""

    process: Process
    store: Store
    bus: Bus
    clock: Clock


Build = Callable[[Kit], Awaitable[App]]


def read(environment: Mapping[str, str] = os.environ) -> Process:
    """CONVERSE_DATABASE_URL, CONVERSE_NATS_URL, CONVERSE_MASTER_KEY, CONVERSE_HOST, CONVERSE_PORT. Raises SettingMissing."""
    for name in ("CONVERSE_DATABASE_URL", "CONVERSE_NATS_URL"):
        if not environment.get(name):
            raise SettingMissing(
                f"{name} is not set; a service in a process of its own needs it (`converse up` does not)"
            )
    return Process(
        database_url=environment["CONVERSE_DATABASE_URL"],
        nats_url=environment["CONVERSE_NATS_URL"],
        master_key=environment.get("CONVERSE_MASTER_KEY") or None,
        host=environment.get("CONVERSE_HOST") or "0.0.0.0",
        port=int(environment.get("CONVERSE_PORT") or 8000),
    )


def main(service: str, build: Build, drain: timedelta = DRAIN) -> None:
    """Serve `service` (as it is called at NATS; its Postgres role is `converse_<service>`) until told to end.

    `drain`: how long open sockets may take to finish then.
    """
    log.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(service, read(), build, drain))


async def run(service: str, process: Process, build: Build, drain: timedelta = DRAIN) -> None:
    """Connect, build, serve, drain."""
    role = f"converse_{service.replace('-', '_')}"
    async with AsyncExitStack() as stack:
        key = master_key(process.master_key)
        store = await stack.enter_async_context(Store.open(process.database_url, master=key, role=role, name=service))
        bus = await Bus.connect(process.nats_url, name=service)
        stack.push_async_callback(bus.close)
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        app = await build(Kit(process, store, bus, clock))
        await stack.enter_async_context(garbage.collected_seldom())
        await serve([app], process.host, process.port, drain=drain)
