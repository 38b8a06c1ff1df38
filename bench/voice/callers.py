"""People on the phone, as Exotel's media stream brings them: blocks of 100 ms in both directions, turns by a script, every answer timed.

A caller speaks for two seconds, hears the answer to its end, pauses, and speaks again; every fourth turn interrupts the answer
before it. What is measured is measured here, at the far end of the WebSocket.
"""

import asyncio
import base64
import contextlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.voice import script

BLOCK_S = script.BLOCK_MS / 1000
SILENCE = bytes(2 * script.RATE * script.BLOCK_MS // 1000)
BYTES_A_SECOND = 2 * script.RATE
PATIENCE_S = 5.0
"""A turn that was not answered by then is a missed one."""
OPENING_S = 8.0
LISTENS_S = 1.2
PAUSE_S = (0.3, 1.5)
INTERRUPTS_EVERY = 4


@dataclass(slots=True, kw_only=True)
class Turn:
    """One turn of a contact, by the machine's monotonic clock. `after_question`: what they answer ended in one."""

    name: int
    began: float
    interrupts: bool
    after_question: bool
    ended: float = 0.0
    """When the speech was over; `sent` is when its last block was."""
    sent: float = 0.0
    answered: float | None = None
    cleared: float | None = None
    stale: bool = False
    """Sound of another turn's answer came after this turn's end."""


class Caller:
    """One call."""

    def __init__(self, number: int) -> None:
        self.turns: list[Turn] = []
        self.over = False
        self.broke = ""
        self.small = 0
        """Chunks of other sizes than Exotel takes."""
        self._choose = random.Random(number)
        self._sid = f"MZ{number}"
        self._next = 0.0
        self._chunk = 0
        self._plays_until = 0.0
        self._heard_any = False
        self._speaking: Turn | None = None
        self._waiting: Turn | None = None
        self._echoing: set[asyncio.Task[None]] = set()

    async def call(self, url: str, sid: str) -> None:
        """Talk until told to hang up (`over`), or the other side does."""
        try:
            async with connect(url, compression=None, ping_interval=None, max_size=None, open_timeout=30) as socket:
                listening = asyncio.create_task(self._listen(socket))
                try:
                    await self._talk(socket, url, sid)
                finally:
                    listening.cancel()
        except (ConnectionClosed, OSError, TimeoutError) as error:
            if not self.over:
                self.broke = f"{type(error).__name__}: {error}"

    async def _talk(self, socket: ClientConnection, url: str, sid: str) -> None:
        ids = {"stream_sid": self._sid, "call_sid": sid, "account_sid": "bench", "from": "0", "to": "1"}
        form = {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}
        parameters = dict(parse_qsl(urlsplit(url).query))
        await socket.send('{"event":"connected"}')
        start = {**ids, "custom_parameters": parameters, "media_format": form}
        await self._send(socket, "start", sequence_number="1", start=start)
        self._next = time.monotonic() + self._choose.random() * BLOCK_S
        await self._silent(socket, lambda: self._heard_any and self._done(), OPENING_S)
        while not self.over:
            if not await self._lies_in_wait(socket):
                await self._silent(socket, lambda: False, self._choose.uniform(*PAUSE_S))
            await self._take_turn(socket)
        await self._send(socket, "stop", stop={"call_sid": sid, "reason": "callended"})

    async def _lies_in_wait(self, socket: ClientConnection) -> bool:
        """Listen to a part of the answer, to interrupt it; False where that is not this turn's way."""
        if not self._interrupts(len(self.turns)) or self._done():
            return False
        begun = self.turns[-1].answered or 0.0
        await self._silent(socket, lambda: time.monotonic() >= begun + LISTENS_S, LISTENS_S)
        return True

    async def _take_turn(self, socket: ClientConnection) -> None:
        number = len(self.turns)
        cut = self._choose.randrange(20, script.BLOCK_MS + 1)
        turn = Turn(
            name=number % len(script.NAMES),
            began=self._next,
            interrupts=not self._done(),
            after_question=bool(self.turns) and script.questions(self.turns[-1].name),
        )
        self._speaking = turn
        for block in script.utterance(turn.name, cut):
            await self._block(socket, block)
        self._speaking, self._waiting = None, turn
        turn.sent = time.monotonic()
        turn.ended = turn.sent - (script.BLOCK_MS - cut) / 1000
        self.turns.append(turn)
        await self._silent(socket, lambda: turn.answered is not None, PATIENCE_S)
        if not self._interrupts(number + 1):
            await self._silent(socket, self._done, 3 * PATIENCE_S)

    @staticmethod
    def _interrupts(number: int) -> bool:
        return number % INTERRUPTS_EVERY == INTERRUPTS_EVERY - 1

    def _done(self) -> bool:
        """Whether all that came has been played."""
        return time.monotonic() >= self._plays_until

    async def _silent(self, socket: ClientConnection, until: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end and not self.over:
            await self._block(socket, SILENCE)

    async def _block(self, socket: ClientConnection, pcm: bytes) -> None:
        self._next += BLOCK_S
        self._chunk += 1
        payload = base64.b64encode(pcm).decode()
        frame = (
            f'{{"event":"media","sequence_number":"{self._chunk + 2}","stream_sid":"{self._sid}",'
            f'"media":{{"chunk":"{self._chunk}","timestamp":"{self._chunk * script.BLOCK_MS}","payload":"{payload}"}}}}'
        )
        await asyncio.sleep(self._next - time.monotonic())
        await socket.send(frame)

    async def _send(self, socket: ClientConnection, event: str, **more: Any) -> None:
        await socket.send(json.dumps({"event": event, "stream_sid": self._sid, **more}))

    async def _listen(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in socket:
                now = time.monotonic()
                told = json.loads(raw)
                match told["event"]:
                    case "media":
                        self._plays(base64.b64decode(told["media"]["payload"]), now)
                    case "clear":
                        self._plays_until = now
                        if self._speaking is not None and self._speaking.cleared is None:
                            self._speaking.cleared = now
                    case "mark":
                        self._echo(socket, told["mark"], now)

    def _plays(self, pcm: bytes, now: float) -> None:
        loud = script.peak(pcm)
        self.small += len(pcm) % 320 != 0 or len(pcm) < 3200
        if loud <= 100:
            return
        self._heard_any = True
        self._plays_until = max(self._plays_until, now) + len(pcm) / BYTES_A_SECOND
        turn, index = self._waiting, script.heard(loud)
        if turn is None or turn.answered is not None or index is None:
            return
        if index == turn.name:
            turn.answered = now
        else:
            turn.stale = True

    def _echo(self, socket: ClientConnection, mark: dict[str, Any], now: float) -> None:
        """Say the mark back once what came before it has been played."""

        async def later() -> None:
            await asyncio.sleep(self._plays_until - now)
            with contextlib.suppress(ConnectionClosed):
                await self._send(socket, "mark", mark=mark)

        self._echoing.add(task := asyncio.create_task(later()))
        task.add_done_callback(self._echoing.discard)
