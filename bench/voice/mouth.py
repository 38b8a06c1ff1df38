"""Cartesia, emulated for the bench: contexts of text that come back as sound."""

import asyncio
import base64
import json
from typing import Any

from bench.voice import asgi, script
from bench.voice.asgi import Receive, Send
from bench.voice.script import Pace

PIECE_MS = 100
FASTER = 4
"""Sound comes in pieces of 100 ms, four times as fast as it is played."""
LETTER_MS = 60


class Mouth:
    """One socket."""

    def __init__(self, pace: Pace, send: Send) -> None:
        self._pace = pace
        self._send = send
        self._contexts: dict[str, tuple[asyncio.Queue[dict[str, Any]], asyncio.Task[None]]] = {}

    async def attend(self, receive: Receive) -> None:
        """Until the socket closes."""
        await receive()
        await self._send({"type": "websocket.accept"})
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if not message.get("text"):
                    continue
                told = json.loads(message["text"])
                context = told.get("context_id", "")
                if told.get("cancel"):
                    if context in self._contexts:
                        self._contexts.pop(context)[1].cancel()
                    continue
                if context not in self._contexts:
                    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
                    self._contexts[context] = (queue, asyncio.create_task(self._speak(context, queue)))
                self._contexts[context][0].put_nowait(told)
        finally:
            for _, task in self._contexts.values():
                task.cancel()

    async def _speak(self, context: str, queue: "asyncio.Queue[dict[str, Any]]") -> None:
        text, said_ms, due, first, over = "", 0.0, 0.0, True, False
        loop = asyncio.get_running_loop()
        while not over:
            told = await queue.get()
            form = told["output_format"]
            new = told.get("transcript", "")
            over = not told.get("continue", False)
            if new.strip():
                if first:
                    first = False
                    await asyncio.sleep(self._pace.tts / 1000)
                    while not queue.empty():
                        more = queue.get_nowait()
                        new += more.get("transcript", "")
                        over = not more.get("continue", False)
                    due = loop.time()
                await self._timestamps(context, new, len(text) * LETTER_MS / 1000)
                text += new
            while said_ms < len(text) * LETTER_MS:
                pcm = script.reply(script.named(text), PIECE_MS, form["sample_rate"])
                sound = script.mu_law(pcm) if form["encoding"] == "pcm_mulaw" else pcm
                piece = base64.b64encode(sound).decode()
                await self._say("chunk", context, data=piece, status_code=206, step_time=1.0)
                said_ms += PIECE_MS
                due = max(due + PIECE_MS / FASTER / 1000, loop.time() - 0.1)
                await asyncio.sleep(due - loop.time())
        await self._say("done", context, done=True, status_code=200)
        self._contexts.pop(context, None)

    async def _timestamps(self, context: str, text: str, at: float) -> None:
        words = text.split()
        each = len(text) * LETTER_MS / 1000 / len(words)
        start = [round(at + n * each, 3) for n in range(len(words))]
        end = [round(one + each, 3) for one in start]
        await self._say(
            "timestamps", context, word_timestamps={"words": words, "start": start, "end": end}, status_code=206
        )

    async def _say(self, kind: str, context: str, *, done: bool = False, **more: Any) -> None:
        message = {"type": kind, "context_id": context, "done": done, **more}
        await self._send({"type": "websocket.send", "text": json.dumps(message)})


async def whole(body: bytes, send: Send, pace: Pace) -> None:
    """`/tts/bytes`: a line that is to be ready before it is needed."""
    told = json.loads(body)
    await asyncio.sleep(pace.tts / 1000)
    ms = len(told["transcript"]) * LETTER_MS // PIECE_MS * PIECE_MS
    pcm = script.reply(script.named(told["transcript"]), ms, told["output_format"]["sample_rate"])
    await asgi.respond(send, 200, pcm, b"audio/raw")
