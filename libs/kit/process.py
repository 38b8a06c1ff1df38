"""A service in a process of its own: what it reads from the environment, and its connections."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
import uvloop

from libs.kit import garbage, log
from libs.kit.beginning import Beginning, listening
from libs.kit.bus import Bus
from libs.kit.cancelling import pause
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.failures import describe, passes
from libs.kit.serve import DRAIN, App, serve
from libs.kit.store import Store

logger = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
WAITS = "cannot begin yet, and tries again"
ENDED = "ends: a person has to act"


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
    """A service's own connections; the bus of one that does not hear is never connected."""

    process: Process
    store: Store
    bus: Bus
    clock: Clock


Build = Callable[[Kit], Awaitable[App]]


def read(environment: Mapping[str, str] = os.environ, *, hears: bool = True) -> Process:
    """CONVERSE_DATABASE_URL, CONVERSE_NATS_URL (of one that hears), CONVERSE_MASTER_KEY, CONVERSE_HOST, CONVERSE_PORT.

    Raises SettingMissing.
    """
    for name in ("CONVERSE_DATABASE_URL", "CONVERSE_NATS_URL") if hears else ("CONVERSE_DATABASE_URL",):
        if not environment.get(name):
            raise SettingMissing(
                f"{name} is not set; a service in a process of its own needs it (`converse up` does not)"
            )
    return Process(
        database_url=environment["CONVERSE_DATABASE_URL"],
        nats_url=environment.get("CONVERSE_NATS_URL", ""),
        master_key=environment.get("CONVERSE_MASTER_KEY") or None,
        host=environment.get("CONVERSE_HOST") or "0.0.0.0",
        port=int(environment.get("CONVERSE_PORT") or 8000),
    )


def main(service: str, build: Build, drain: timedelta = DRAIN, *, hears: bool = True) -> None:
    """Serve `service` (as it is called at NATS; its Postgres role is `converse_<service>`) until told to end.

    `drain`: how long open sockets may take to finish then. Without `hears` it has no connection to NATS. It ends by itself
    only where a person has to act, with ENDED in its log, the reason, and exit code 1.
    """
    log.configure()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(service, read(hears=hears), build, drain, hears=hears))
    except Exception as error:
        # Before it serves it holds nobody's words: what it could not begin with may be told.
        logger.critical(ENDED, service=service, reason=f"{type(error).__name__}: {error}", exc_info=True)
        sys.exit(1)


async def run(service: str, process: Process, build: Build, drain: timedelta = DRAIN, *, hears: bool = True) -> None:
    """Connect, build, serve, drain. While Postgres is away it does not begin, and asks again and again.

    Its port is open from the first moment: until it has begun it is alive and not ready, with the reason, and answers
    everything else with 503. Raises what does not pass by itself: a port that is busy, a setting that is missing or refused,
    a schema that is not there.
    """
    wait = FIRST_PAUSE_S
    with closing(listening(process.host, process.port)) as listener:
        async with Beginning(service, listener) as beginning:
            while True:
                async with AsyncExitStack() as stack:
                    try:
                        app = await _built(service, process, build, stack, hears=hears)
                    except Exception as error:
                        if not passes(error):
                            raise
                        beginning.waits_for = describe(error)
                        logger.warning(WAITS, service=service, after_s=wait, error=describe(error))
                    else:
                        await beginning.over()
                        await serve([app], listener=listener, drain=drain)
                        return
                await pause(wait)
                wait = min(2 * wait, LONGEST_PAUSE_S)


async def _built(service: str, process: Process, build: Build, stack: AsyncExitStack, *, hears: bool) -> App:
    role = f"converse_{service.replace('-', '_')}"
    key = master_key(process.master_key)
    store = await stack.enter_async_context(Store.open(process.database_url, master=key, role=role, name=service))
    bus = await Bus.connect(process.nats_url, name=service) if hears else Bus(service)
    stack.push_async_callback(bus.close)
    clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
    app = await build(Kit(process, store, bus, clock))
    await stack.enter_async_context(garbage.collected_seldom())
    return hearing(app, bus) if hears else app


def hearing(app: App, bus: Bus) -> App:
    """The app whose readiness also tells of its connection to NATS."""

    async def ready() -> Mapping[str, str]:
        return {**await app.ready(), "nats": bus.health()}

    return replace(app, ready=ready)
