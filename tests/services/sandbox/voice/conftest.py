"""The sandbox's telephony alone: calls in a fraction of their time, providers without delay, tones for speech."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from litestar import Request, Response, post

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
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(lambda: len(self.told) >= count)
        return self.told


@pytest.fixture
def voice() -> VoiceSettings:
    """What a module or class overrides."""
    return VoiceSettings(
        exotel=ExotelSettings(speed=50, callback_backoff=0.01),
        speaking=SynthesisPace(first_byte_ms=0, real_time_factor=0),
        audible=False,
    )


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


@pytest.fixture
async def sandbox(voice: VoiceSettings, callbacks: Callbacks) -> AsyncIterator[Sandbox]:
    """The telephony on a real port, and a business that is called back at `/hook`."""

    @post("/hook", status_code=200)
    async def hook(request: Request[Any, Any, Any]) -> Response[None]:
        return Response(None, status_code=await callbacks.take(request))

    clock = Clock()
    background = Background()
    contacts = Contacts(PEOPLE, anyone=SILENT, background=background)
    ears = Deepgram(api_key=None, now=clock.now)
    open_at: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with http.client() as poster:
        telephony = Telephony(voice, now=clock.now, client=poster, contacts=contacts, ears=ears, background=background)
        app = App("telephony", [*telephony.routes(), hook], close=background.stop)
        serving = asyncio.create_task(serve([app], port=0, on_ready=open_at.set_result))
        try:
            origin = f"http://127.0.0.1:{await open_at}"
            async with http.client(origin) as client:
                yield Sandbox(origin, client, Business(), clock)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
