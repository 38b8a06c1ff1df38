"""Real WebSocket clients for the emulated providers, and speech to send them."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from services.sandbox.app import base_urls
from services.sandbox.voice.sound import silence
from services.sandbox.voice.speech import Speaker
from tests.services.sandbox.conftest import Sandbox

PATIENCE_S = 60


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


@dataclass
class Agent:
    """The business's end of Exotel's media stream: every frame that came, and a way to answer."""

    url: str = ""
    frames: list[dict[str, Any]] = field(default_factory=list)
    closed_with: int | None = None
    socket: ServerConnection | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, socket: ServerConnection) -> None:
        self.socket = socket
        with contextlib.suppress(ConnectionClosed):
            async for raw in socket:
                async with self.changed:
                    self.frames.append(json.loads(raw))
                    self.changed.notify_all()
        async with self.changed:
            self.closed_with = socket.close_code
            self.changed.notify_all()

    async def until(self, count: int = 1, **expected: Any) -> dict[str, Any]:
        """The frame with these values, the last of so many."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.frames if all(each.get(name) == value for name, value in expected.items())]

        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def gone(self) -> int | None:
        """The close code, when Exotel has closed."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: self.closed_with is not None)
        return self.closed_with

    async def say(self, event: str, **more: Any) -> None:
        assert self.socket is not None
        start = next(frame for frame in self.frames if frame["event"] == "start")
        sid = start.get("stream_sid") or start.get("streamSid")
        await self.socket.send(json.dumps({"event": event, "stream_sid": sid, **more}))

    async def speak(self, pcm: bytes, chunk: int = 3200) -> None:
        """Sound in chunks, the last one filled up with silence."""
        for start in range(0, len(pcm), chunk):
            payload = base64.b64encode(pcm[start : start + chunk].ljust(chunk, b"\0")).decode()
            await self.say("media", media={"payload": payload})

    @property
    def events(self) -> list[str]:
        return [frame["event"] for frame in self.frames if frame["event"] != "media"]

    @property
    def heard(self) -> bytes:
        """The contact's sound."""
        return b"".join(base64.b64decode(each["media"]["payload"]) for each in self.frames if each["event"] == "media")


@contextlib.asynccontextmanager
async def agent() -> AsyncIterator[Agent]:
    """A business that takes media streams."""
    business = Agent()
    async with serve(business.serve, "127.0.0.1", 0) as server:
        business.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/media"
        yield business


@dataclass
class Exotel:
    """A client of the emulated Connect API."""

    sandbox: Sandbox
    form: dict[str, str] = field(default_factory=dict)

    async def connect(self, suffix: str = ".json", /, **changed: str | None) -> httpx.Response:
        base = base_urls(self.sandbox.origin)["telephony"]
        form = {
            "From": "+919000000001",
            "CallerId": "08047491899",
            "StreamType": "bidirectional",
            **self.form,
            **changed,
        }
        given = {name.replace("_", ""): value for name, value in form.items() if value is not None}
        return await self.sandbox.client.post(
            f"{base}/v1/Accounts/acme1/Calls/connect{suffix}", data=given, auth=("key", "token")
        )

    async def call(self, **changed: str | None) -> str:
        """The Sid of a call that was placed."""
        answer = await self.connect(**changed)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["Call"]["Sid"])

    async def details(self, sid: str) -> dict[str, Any]:
        base = base_urls(self.sandbox.origin)["telephony"]
        path = f"{base}/v1/Accounts/acme1/Calls/{sid}.json?details=true"
        told: dict[str, Any] = (await self.sandbox.client.get(path, auth=("key", "token"))).json()["Call"]
        return told

    async def over(self, sid: str) -> dict[str, Any]:
        """The call as the emulator saw it, when it is over."""
        told: dict[str, Any] = await self.sandbox.control("GET", f"/exotel/calls/{sid}/over")
        return told


async def script(sandbox: Sandbox, phone: str, number: str = "*") -> None:
    """How a number is answered, in YAML."""
    answer = await sandbox.client.put(f"/_sandbox/phones/{number}", content=phone)
    assert answer.status_code == 200, answer.text
