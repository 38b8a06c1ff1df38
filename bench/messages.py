"""The Messages API for benches: streams a fixed answer to whatever is asked, as fast as it can."""

import asyncio
import json
from collections.abc import Callable
from typing import Any


async def serve(words: str, reply: str, on_ready: Callable[[int], object]) -> None:
    """Answer `POST /v1/messages` on a free port of loopback, for ever.

    Our tools are called as they are offered; a graph's own tool is called once after each thing that a person says.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                asked = json.loads(await reader.readexactly(length))
                body = streamed(asked, words, reply)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_bench\r\n"
                    + f"content-length: {len(body)}\r\n\r\n".encode()
                    + body
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    on_ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def streamed(asked: dict[str, Any], words: str, reply: str) -> bytes:
    """The events that answer a request's body."""
    return b"".join(_event(each) for each in _answer(asked, words, reply))


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def _answer(asked: dict[str, Any], words: str, reply: str) -> list[dict[str, Any]]:
    blocks = _blocks(asked, words, reply)
    usage = {"input_tokens": 900, "output_tokens": 60, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    message = {
        "id": "msg_bench", "type": "message", "role": "assistant", "model": asked["model"], "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    told: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (block, delta) in enumerate(blocks):
        told.append({"type": "content_block_start", "index": index, "content_block": block})
        told.append({"type": "content_block_delta", "index": index, "delta": delta})
        told.append({"type": "content_block_stop", "index": index})
    calls = any(block["type"] == "tool_use" for block, _ in blocks)
    ended = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    told.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 60}})
    told.append({"type": "message_stop"})
    return told


def _blocks(asked: dict[str, Any], words: str, reply: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    names = [tool["name"] for tool in asked.get("tools", ())]
    choice = asked.get("tool_choice", {})
    if choice.get("type") == "tool":
        names = [choice["name"]]
    if "record_promise" in names:
        last = asked["messages"][-1]["content"]
        acted = isinstance(last, list) and any(part.get("type") == "tool_result" for part in last)
        if acted:
            return [({"type": "text", "text": ""}, {"type": "text_delta", "text": reply})]
        return [_call("record_promise", {"date": "2026-02-20"})]
    inputs: dict[str, dict[str, Any]] = {
        "report_understanding": {
            "intents": [{"name": "promise_to_pay", "confidence": "high", "words": words}],
            "facts": [],
            "language": "hi-Latn",
            "sentiment": "neutral",
            "opt_out": False,
        },
        "write_reply": {"text": reply, "language": "hi-Latn"},
    }
    return [_call(name, inputs[name]) for name in names]


def _call(name: str, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    block = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}
    return block, {"type": "input_json_delta", "partial_json": json.dumps(given)}
