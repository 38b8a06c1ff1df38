"""One streamed response of the Messages API, put together from its events."""

import time
from dataclasses import dataclass, field
from typing import Any

import jiter
import msgspec
from anthropic.types import RawMessageStreamEvent, ToolUseBlock

from libs.llm.failures import BadOutput, Overloaded, Refused
from libs.llm.turn import ModelCall, Usage


@dataclass(kw_only=True)
class Answer:
    """What one response said so far, event by event. Blocks are chosen by type: a thinking block may come first."""

    model: str
    started: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    request_id: str | None = None
    emulated: bool = False
    stop_reason: str | None = None
    refusal_category: str | None = None
    usage: Usage = field(default_factory=Usage)
    tools: dict[int, ToolUseBlock] = field(default_factory=dict)
    fragments: dict[int, str] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    ended: bool = False

    @property
    def call(self) -> ModelCall:
        """The record of this call for its price and its latency."""
        return ModelCall(
            model=self.model,
            usage=self.usage,
            stop_reason=self.stop_reason,
            request_id=self.request_id,
            first_token_ms=None if self.first_token is None else round((self.first_token - self.started) * 1000),
            total_ms=round((time.monotonic() - self.started) * 1000),
            emulated=self.emulated,
        )

    def take(self, event: RawMessageStreamEvent) -> None:
        """Adds one event; unknown kinds are ignored, as the API asks of its clients."""
        if event.type == "message_start":
            counted = event.message.usage
            self.usage = Usage(
                input=counted.input_tokens,
                output=counted.output_tokens,
                cache_read=counted.cache_read_input_tokens or 0,
                cache_write=counted.cache_creation_input_tokens or 0,
            )
        elif event.type == "content_block_start":
            self.first_token = self.first_token or time.monotonic()
            if event.content_block.type == "tool_use":
                self.tools[event.index] = event.content_block
                self.fragments[event.index] = ""
        elif event.type == "content_block_delta":
            if event.delta.type == "input_json_delta" and event.index in self.fragments:
                self.fragments[event.index] += event.delta.partial_json
        elif event.type == "content_block_stop":
            self.whole.add(event.index)
        elif event.type == "message_delta":
            self.stop_reason = event.delta.stop_reason
            self.refusal_category = event.delta.stop_details.category if event.delta.stop_details else None
            totals = event.usage
            self.usage = Usage(
                input=self.usage.input if totals.input_tokens is None else totals.input_tokens,
                output=totals.output_tokens,
                cache_read=totals.cache_read_input_tokens or self.usage.cache_read,
                cache_write=totals.cache_creation_input_tokens or self.usage.cache_write,
            )
        elif event.type == "message_stop":
            self.ended = True

    def text_of(self, tool: str, field_name: str) -> str | None:
        """A text in the input of a tool, as far as it has come; None before its first character."""
        index = next((index for index, block in self.tools.items() if block.name == tool), None)
        if index is None or not self.fragments[index]:
            return None
        try:
            value = jiter.from_json(self.fragments[index].encode(), partial_mode="trailing-strings")
        except ValueError:
            return None
        text = value.get(field_name) if isinstance(value, dict) else None
        return text if isinstance(text, str) and text else None

    def check(self) -> None:
        """Raises where the response as a whole cannot be used."""
        if self.stop_reason == "refusal":
            raise Refused(
                f"{self.model} refused ({self.refusal_category or 'no category'})", category=self.refusal_category
            )
        if not self.ended:
            raise Overloaded(f"{self.model}: the stream ended before message_stop")
        if self.stop_reason in ("max_tokens", "model_context_window_exceeded") and not self._complete():
            raise self._broken(f"{self.model}: cut at {self.stop_reason} inside a tool call; raise llm.max_tokens")

    def _complete(self) -> bool:
        return bool(self.tools) and all(self._decoded(index) is not None for index in self.tools)

    def inputs(self) -> dict[str, Any]:
        """Tool inputs by tool name; of one called twice the first counts. Raises BadOutput for invalid JSON."""
        found: dict[str, Any] = {}
        for index, block in sorted(self.tools.items()):
            value = self._decoded(index)
            if value is None:
                raise self._broken(f"{self.model}: the input of {block.name} is not a JSON object")
            found.setdefault(block.name, value)
        return found

    def _broken(self, message: str) -> BadOutput:
        failure = BadOutput(message)
        found = {block.name: self._decoded(index) for index, block in sorted(self.tools.items())}
        failure.kept = {name: value for name, value in found.items() if value is not None}
        return failure

    def answered(self) -> list[dict[str, Any]]:
        """The tool_use blocks as the next request must repeat them."""
        return [
            {"type": "tool_use", "id": block.id, "name": block.name, "input": self._decoded(index)}
            for index, block in sorted(self.tools.items())
        ]

    def _decoded(self, index: int) -> dict[str, Any] | None:
        if index not in self.whole:
            return None
        try:
            value = msgspec.json.decode(self.fragments[index] or "{}")
        except msgspec.DecodeError:
            return None
        return value if isinstance(value, dict) else None
