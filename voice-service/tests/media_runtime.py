"""A media runtime that is not ours: it takes Exotel's stream, and tells our engine what was said, in words."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from libs.kit.embedded_process import free_port


@dataclass(slots=True)
class Talk:
    """What one call was told and heard: the replies by turn."""

    call: str
    replies: dict[int, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)


class MediaRuntime:
    """Says `lines` in every call, one a turn, each POST as often as `copies` says at once; then tells the end."""

    def __init__(
        self, origins: Sequence[str], client: httpx.AsyncClient, lines: Sequence[str], copies: int = 1
    ) -> None:
        self.port = free_port()
        self.talks: dict[str, Talk] = {}
        self._origins = list(origins)
        self._client = client
        self._lines = lines
        self._copies = copies
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/media"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._call, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _call(self, socket: ServerConnection) -> None:
        while (frame := msgspec.json.decode(await socket.recv())).get("event") != "start":
            pass
        talk = Talk(str(frame["start"]["custom_parameters"]["call"]))
        self.talks[talk.call] = talk
        silent = asyncio.create_task(self._swallow(socket))
        try:
            await self._talk(talk)
        finally:
            silent.cancel()
            await asyncio.gather(silent, return_exceptions=True)

    async def _swallow(self, socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass

    async def _talk(self, talk: Talk) -> None:
        opening = await self._told(talk, 0, "contact", "")
        await self._told(talk, 0, "agent", str(opening["say"]))
        for turn, line in enumerate(self._lines, 1):
            await self._told(talk, turn, "contact", line[: len(line) // 2], is_final=False)
            talk.replies[turn] = reply = await self._told(talk, turn, "contact", line, latency_ms={"stt": 100})
            await self._told(talk, turn, "agent", str(reply["say"]), latency_ms={"tts": 90})
        said = {"call_id": talk.call, "reason": "completed", "duration_s": 42.4, "summary": "They will pay."}
        talk.ended = (await self._posted("call-ended", said, talk))[0]

    async def _told(self, talk: Talk, turn: int, speaker: str, text: str, **more: Any) -> dict[str, Any]:
        said = {"call_id": talk.call, "turn": turn, "speaker": speaker, "text": text, **more}
        replies = await self._posted("transcript", said, talk)
        if any(reply != replies[0] for reply in replies):
            talk.problems.append(f"turn {turn}: the same question had different answers")
        return replies[0]

    async def _posted(self, path: str, said: dict[str, Any], talk: Talk) -> list[dict[str, Any]]:
        """The answers to copies of one POST, sent at once to different processes; 503 is tried again."""
        origins = [self._origins[n % len(self._origins)] for n in range(self._copies)]
        return await asyncio.gather(*(self._post(f"{origin}/api/v1/voice/{path}", said, talk) for origin in origins))

    async def _post(self, url: str, said: dict[str, Any], talk: Talk) -> dict[str, Any]:
        while True:
            answer = await self._client.post(url, json=said, timeout=60)
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code != 503:
                talk.problems.append(f"{said}: {answer.status_code} {answer.text}")
                return {"say": ""}
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
