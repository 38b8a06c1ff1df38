"""The sandbox's telephony alone, one for a module: calls in a fraction of their time, no delays, tones for speech."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Request, Response, post
from litestar.params import FromPath

from libs.kit import http
from libs.kit.serve import App, serve
from services.sandbox.contact import Contacts
from services.sandbox.contact_people import PEOPLE, SILENT
from services.sandbox.deepgram import Deepgram
from services.sandbox.state import Background
from services.sandbox.voice.app import Telephony
from services.sandbox.voice.settings import ExotelSettings, SynthesisPace, VoiceSettings
from tests.services.sandbox.conftest import Business, Clock, Sandbox


@dataclass
class Callbacks:
    """The business's side of the status callbacks: what arrived, in order. `refuses`: how many get a 503 first."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    refuses: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: Request[Any, Any, Any]) -> int:
        async with self.arrived:
            if self.refuses:
                self.refuses -= 1
                return 503
            kind = request.headers["content-type"]
            raw = await request.body()
            if "json" in kind:
                self.told.append(msgspec.json.decode(raw))
            elif "urlencoded" in kind:
                self.told.append(dict(parse_qsl(raw.decode(), keep_blank_values=True)))
            else:
                self.told.append(dict(await request.form()))
            self.arrived.notify_all()
            return 200

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many have arrived."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.told) >= count)
        return self.told


@dataclass
class World:
    """What a module's tests share; each test has callbacks of its own, whatever calls of the last one still tell."""

    origin: str
    client: httpx.AsyncClient
    telephony: Telephony
    callbacks: list[Callbacks]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """The telephony on a real port, and a business that is called back."""
    heard: list[Callbacks] = []

    @post("/hook/{test:int}", status_code=200)
    async def hook(test: FromPath[int], request: Request[Any, Any, Any]) -> Response[None]:
        return Response(None, status_code=await heard[test].take(request))

    background = Background()
    contacts = Contacts(PEOPLE, anyone=SILENT, background=background)
    now = Clock().now
    settings = VoiceSettings(speaking=SynthesisPace(first_byte_ms=0, real_time_factor=0), audible=False)
    open_at: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with http.client() as poster:
        ears = Deepgram(api_key=None, now=now)
        telephony = Telephony(settings, now=now, client=poster, contacts=contacts, ears=ears, background=background)
        app = App("telephony", [*telephony.routes(), hook], close=background.stop)
        serving = asyncio.create_task(serve([app], port=0, on_ready=open_at.set_result))
        try:
            origin = f"http://127.0.0.1:{await open_at}"
            async with http.client(origin) as client:
                yield World(origin, client, telephony, heard)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


@pytest.fixture
def account() -> ExotelSettings:
    """Exotel's account, for a class to override."""
    return ExotelSettings(speed=50, callback_backoff=0.01)


@pytest.fixture
def callbacks(world: World) -> Callbacks:
    """What this test's calls tell."""
    world.callbacks.append(Callbacks(url=f"{world.origin}/hook/{len(world.callbacks)}"))
    return world.callbacks[-1]


@pytest.fixture
def sandbox(world: World, account: ExotelSettings) -> Sandbox:
    """The telephony as at the start."""
    world.telephony.reset()
    world.telephony.calls.settings = account
    return Sandbox(world.origin, world.client, Business(), Clock())
