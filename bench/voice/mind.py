"""Claude, emulated for the bench: the Messages API, and the chat completions that bolna speaks. Answers the last name that it is told."""

import asyncio
import json
from typing import Any

from bench.voice import asgi, script
from bench.voice.asgi import Send
from bench.voice.script import Pace

TOKEN_S = 0.010
SUMMARY: dict[str, Any] = {
    "summary": "The contact asked that somebody be told.", "promise": None, "amount": None, "currency": None, "date": None,
    "mood": "neutral", "next_step": None, "language": "hi-Latn",
}  # fmt: skip
"""Of a call that is over: the only thing that is asked without streaming."""


class Mind:
    """Counts what it is asked."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.asked = 0

    async def messages(self, body: bytes, send: Send) -> None:
        asked = json.loads(body)
        if not asked.get("stream"):
            await asyncio.sleep(self.pace.llm / 1000)
            content = [{"type": "tool_use", "id": "toolu_1", "name": asked["tools"][0]["name"], "input": SUMMARY}]
            await asgi.respond(send, 200, json.dumps(_message(asked, content)).encode())
            return
        text = self._answer(asked)
        await asyncio.sleep(self.pace.llm / 1000)
        await asgi.stream(send)
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        head: list[dict[str, Any]] = [{"type": "message_start", "message": _message(asked, [])}, block]
        ended = {"stop_reason": "end_turn", "stop_sequence": None}
        tail: list[dict[str, Any]] = [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 20}},
            {"type": "message_stop"},
        ]
        waiting = b"".join(_event(each) for each in head)
        for n, token in enumerate(_tokens(text)):
            if n:
                await asyncio.sleep(TOKEN_S)
            delta = {"type": "text_delta", "text": token}
            await asgi.part(send, waiting + _event({"type": "content_block_delta", "index": 0, "delta": delta}))
            waiting = b""
        await asgi.part(send, b"".join(_event(each) for each in tail), more=False)

    async def completions(self, body: bytes, send: Send) -> None:
        asked = json.loads(body)
        text = self._answer(asked)
        await asyncio.sleep(self.pace.llm / 1000)
        await asgi.stream(send)
        shape = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": asked["model"]}
        for n, token in enumerate(_tokens(text)):
            if n:
                await asyncio.sleep(TOKEN_S)
            delta = {"role": "assistant", "content": token}
            chunk = {**shape, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            await asgi.part(send, b"data: " + json.dumps(chunk).encode() + b"\n\n")
        done = {**shape, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await asgi.part(send, b"data: " + json.dumps(done).encode() + b"\n\ndata: [DONE]\n\n", more=False)

    def _answer(self, asked: dict[str, Any]) -> str:
        self.asked += 1
        said = [each for each in asked["messages"] if each["role"] == "user"]
        turn = script.named(json.dumps(said[-1]["content"])) if said else None
        return "Namaste ji." if turn is None else script.answers(turn)


def _tokens(text: str) -> list[str]:
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def _message(asked: dict[str, Any], content: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {"input_tokens": 300, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 600}
    return {
        "id": "msg_bench", "type": "message", "role": "assistant", "model": asked["model"], "content": content,
        "stop_reason": "end_turn" if content else None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
