"""The Messages API's answers on the wire: whole, or as server-sent events, and its error bodies."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services.sandbox.claude_cache import Counted, tokens_of

_json = msgspec.json.Encoder()
_PIECE = 24
_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is written: its blocks, why it stopped, and how long the prompt was."""

    id: str
    model: str
    content: Sequence[dict[str, Any]]
    stop_reason: str
    counted: Counted
    stop_details: dict[str, Any] | None = None
    cut: bool = False
    bad_json: bool = False

    @property
    def output_tokens(self) -> int:
        """Tokens of what is said."""
        return max(1, sum(map(block_tokens, self.content)))

    def usage(self, output: int) -> dict[str, Any]:
        """The usage object; `input_tokens` excludes what the cache read or wrote."""
        counted = self.counted
        return {
            "input_tokens": counted.input,
            "cache_creation_input_tokens": counted.written_5m + counted.written_1h,
            "cache_read_input_tokens": counted.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": counted.written_5m,
                "ephemeral_1h_input_tokens": counted.written_1h,
            },
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": 0},
            "service_tier": "standard",
            "inference_geo": "global",
        }

    def whole(self) -> dict[str, Any]:
        """The body of an answer that is not streamed; a tool call that was cut keeps what could be read."""
        content = [dict(block) for block in self.content]
        if content and (self.cut or self.bad_json) and content[-1]["type"] == "tool_use":
            content[-1]["input"] = {}
        return self._message(content, self.stop_reason, self.output_tokens) | {"stop_details": self.stop_details}

    def events(self) -> Iterator[bytes]:
        """The answer as server-sent events, each with its `event:` and `data:` line; a tool call comes in fragments."""
        yield event("message_start", {"message": self._message([], None, 1)})
        yield event("ping", {})
        for index, block in enumerate(self.content):
            last = index == len(self.content) - 1
            yield event("content_block_start", {"index": index, "content_block": _empty(block)})
            for delta in self._deltas(block, last):
                yield event("content_block_delta", {"index": index, "delta": delta})
            yield event("content_block_stop", {"index": index})
        delta = {"stop_reason": self.stop_reason, "stop_sequence": None, "stop_details": self.stop_details}
        yield event("message_delta", {"delta": delta, "usage": {"output_tokens": self.output_tokens}})
        yield event("message_stop", {})

    def _deltas(self, block: dict[str, Any], last: bool) -> Iterator[dict[str, Any]]:
        if block["type"] == "thinking":
            yield {"type": "thinking_delta", "thinking": block["thinking"]}
            yield {"type": "signature_delta", "signature": block["signature"]}
        elif block["type"] == "text":
            for piece in _WORDS.findall(block["text"]):
                yield {"type": "text_delta", "text": piece}
        else:
            text = _json.encode(block["input"]).decode()
            if last and self.bad_json:
                text = text[:-1] + ',"":}'
            if last and self.cut:
                text = text[: max(1, len(text) // 2)]
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in _pieces(text):
                yield {"type": "input_json_delta", "partial_json": piece}

    def _message(self, content: Sequence[dict[str, Any]], stop_reason: str | None, output: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": list(content),
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": self.usage(output),
        }


def event(name: str, data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + _json.encode({"type": name} | data) + b"\n\n"


def error_body(kind: str, message: str, request_id: str) -> bytes:
    """An error as the API words it."""
    return _json.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})


def error_event(kind: str, message: str) -> bytes:
    """An error inside a stream that has begun with status 200."""
    return event("error", {"error": {"type": kind, "message": message}})


def block_tokens(block: dict[str, Any]) -> int:
    """Tokens of one content block."""
    return tokens_of(block.get("text") or block.get("thinking") or _json.encode(block.get("input", {})).decode())


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    cleared: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {key: cleared.get(key, value) if key != "type" else value for key, value in block.items()}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
