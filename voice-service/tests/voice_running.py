"""Starts the voice service in this process: on a real port, with NATS and the relay, over the sandbox's emulators."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from voice_world import Voice, published

from libs.kit import http
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded_process import free_port
from libs.kit.relay import Relay
from libs.kit.serve import App, Loop, serve
from libs.kit.store import Store
from libs.testkit.nouns import NOON
from voice_service.app import build
from voice_service.settings import Settings, SipListens


@asynccontextmanager
async def running(
    sandbox: str,
    urls: Mapping[str, str],
    *,
    store: Store,
    own: Store,
    clock: Clock,
    database: str,
    nats: str,
    folder: Path,
    line: str = "provider: exotel",
    **options: Any,
) -> AsyncIterator[Voice]:
    """`urls` of the emulators by provider, which may change meanwhile; `own` is the service's store; `line` is the channel's."""
    # As the emulators' clock, which is a process's own: Exotel's list of calls is searched by time.
    await clock.set(NOON)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(http.client())
        (await client.post(f"{sandbox}/_sandbox/reset")).raise_for_status()
        bus = await Bus.connect(nats, name="voice")
        stack.push_async_callback(bus.close)
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        settings = Settings(
            sandbox_urls=urls,
            origin=origin,
            profile="development",
            objects_url=(folder / "objects").as_uri(),
            sip=SipListens(interface="127.0.0.1", at="127.0.0.1:0", rtp_ports=(15000, 16998)),
        )
        await published(store, clock, line=line)
        service = await build(
            settings, store=own, bus=bus, clock=clock, timeout=timedelta(seconds=20), poll_every_s=1.0, **options
        )
        relay = Relay(0, url=database, bus=bus, clock=clock)
        up: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        apps = [App("relay", loops=[Loop("relay", relay.run)]), service]
        serving = asyncio.create_task(serve(apps, port=port, on_ready=up.set_result))
        await asyncio.wait_for(up, 20)
        yield Voice(origin, sandbox, store, clock, client)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
