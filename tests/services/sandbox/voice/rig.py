"""Real WebSocket clients for the emulated providers, and speech to send them."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect

from services.sandbox.app import base_urls
from services.sandbox.voice.sound import silence
from services.sandbox.voice.speech import Speaker
from tests.services.sandbox.conftest import Sandbox

PATIENCE_S = 10


def socket_url(sandbox: Sandbox, service: str, path: str, query: Mapping[str, Any] | None = None) -> str:
    """The WebSocket of an emulated provider."""
    return f"{base_urls(sandbox.origin)[service].replace('http', 'ws', 1)}{path}?{urlencode(query or {})}"


@dataclass
class Client:
    """A socket whose JSON frames are kept."""

    socket: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, message: Mapping[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def send(self, audio: bytes, block_ms: int = 100) -> None:
        """Audio of 8 kHz, block by block."""
        size = 16 * block_ms
        for start in range(0, len(audio), size):
            await self.socket.send(audio[start : start + size])

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def until(self, **expected: Any) -> dict[str, Any]:
        """The next frame with these values."""
        while True:
            frame = await self.next()
            if all(frame.get(name) == value for name, value in expected.items()):
                return frame

    async def rest(self) -> int | None:
        """Read to the end; the close code."""
        with contextlib.suppress(Exception):
            while True:
                await self.next()
        await self.socket.wait_closed()
        return self.socket.close_code


@contextlib.asynccontextmanager
async def opened(url: str, **headers: str) -> AsyncIterator[Client]:
    async with connect(url, additional_headers=headers) as socket:
        yield Client(socket)


async def teach(sandbox: Sandbox, text: str) -> bytes:
    """The sound of `text` in tones, which Deepgram knows from now on."""
    said = (await Speaker(None).say(text)).pcm
    body = {"transcript": text, "audio": base64.b64encode(said).decode()}
    await sandbox.control("PUT", "/deepgram/live/utterances", body)
    return said


QUIET = silence(1000)
