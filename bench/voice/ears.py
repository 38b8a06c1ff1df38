"""Deepgram, emulated for the bench: hears who speaks by loudness, and which words by the clock. Flux says StartOfTurn at once."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from bench.voice import script
from bench.voice.asgi import Receive, Scope, Send
from bench.voice.script import Pace

QUIET = 300


class Ears:
    """One socket of `/v2/listen` (Flux) or `/v1/listen` (Nova)."""

    def __init__(self, pace: Pace, send: Send, scope: Scope) -> None:
        query = dict(parse_qsl(scope["query_string"].decode()))
        self._pace = pace
        self._send = send
        self._flux = "/v2/" in scope["path"]
        self._eager = "eager_eot_threshold" in query
        self._rate = int(query.get("sample_rate", "8000"))
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._timers: list[asyncio.TimerHandle] = []
        self._loop = asyncio.get_running_loop()
        self._turn = 0
        self._sequence = 0
        self._heard_ms = 0.0
        self._told = 0
        self._peak = 0
        self._last = 0.0
        self._open = self._quiet = False

    async def attend(self, receive: Receive) -> None:
        """Until the socket closes."""
        await receive()
        await self._send({"type": "websocket.accept"})
        if self._flux:
            self._say({"type": "Connected", "request_id": "r"})
        writing = asyncio.create_task(self._write())
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if message.get("bytes"):
                    self._hear(message["bytes"])
                elif message.get("text"):
                    kind = json.loads(message["text"])["type"]
                    if kind == "CloseStream":
                        break
                    if kind == "Finalize" and self._open:
                        self._final(from_finalize=True)
        finally:
            writing.cancel()
            self._disarm()

    def _hear(self, pcm: bytes) -> None:
        """Audio has come; where more than a block of it comes at once, its last block is now and the others were before."""
        size = 2 * self._rate * script.BLOCK_MS // 1000
        blocks = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        now = self._loop.time()
        for n, block in enumerate(blocks, 1):
            self._take(block, now - (len(blocks) - n) * script.BLOCK_MS / 1000)

    def _take(self, pcm: bytes, at: float) -> None:
        loud = script.peak(pcm)
        if loud > QUIET:
            self._disarm()
            self._last = at
            self._quiet = False
            self._heard_ms += len(pcm) / 2 / self._rate * 1000
            self._peak = max(self._peak, loud)
            self._speaking()
        elif self._open and not self._quiet:
            self._quiet = True
            if self._flux and self._eager and self._pace.eager < self._pace.stt:
                self._arm(self._pace.eager, self._guess)
            self._arm(self._pace.stt, self._final)

    def _speaking(self) -> None:
        if not self._open:
            self._open, self._told = True, 0
            if self._flux:
                self._info("StartOfTurn", self._words(1))
        known = max(1, int((self._heard_ms + 1) / script.WORD_MS))
        if known > self._told:
            self._told = known
            if self._flux:
                self._info("Update", self._words(known))
            else:
                self._results(self._words(known))

    def _words(self, known: int | None = None) -> str:
        index = script.heard(self._peak)
        return " ".join(script.asks(index or 0)[:known])

    def _guess(self) -> None:
        self._info("EagerEndOfTurn", self._words())

    def _final(self, *, from_finalize: bool = False) -> None:
        self._disarm()
        if self._flux:
            if self._eager and self._pace.eager >= self._pace.stt:
                self._guess()
            self._info("EndOfTurn", self._words(), trigger="model")
        else:
            self._results(self._words(), final=True, speech_final=True, from_finalize=from_finalize)
        self._turn += 1
        self._open, self._heard_ms, self._peak = False, 0.0, 0

    def _info(self, event: str, text: str, **more: Any) -> None:
        words = [{"word": word, "confidence": 0.98} for word in text.split()]
        self._say(
            {
                "type": "TurnInfo", "request_id": "r", "event": event, "turn_index": self._turn, "audio_window_start": 0.0,
                "audio_window_end": 1.0, "transcript": text, "words": words, "end_of_turn_confidence": 0.9,
                "languages": ["hi"], "languages_hinted": ["hi"], **more,
            }
        )  # fmt: skip

    def _results(self, text: str, *, final: bool = False, speech_final: bool = False, **more: Any) -> None:
        words = [
            {"word": word, "start": n / 4, "end": (n + 1) / 4, "confidence": 0.98}
            for n, word in enumerate(text.split())
        ]
        alternative = {"transcript": text, "confidence": 0.98, "words": words}
        model = {"name": "nova-3", "version": "1", "arch": "nova-3"}
        self._say(
            {
                "type": "Results", "channel_index": [0, 1], "duration": 1.0, "start": 0.0, "is_final": final,
                "speech_final": speech_final, "channel": {"alternatives": [alternative]}, "from_finalize": False,
                "metadata": {"request_id": "r", "model_info": model, "model_uuid": "u"}, **more,
            }
        )  # fmt: skip

    def _arm(self, ms: int, do: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_at(self._last + ms / 1000, do))

    def _disarm(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _say(self, message: dict[str, Any]) -> None:
        if self._flux:
            message["sequence_id"] = self._sequence
            self._sequence += 1
        self._out.put_nowait(message)

    async def _write(self) -> None:
        while True:
            await self._send({"type": "websocket.send", "text": json.dumps(await self._out.get())})
