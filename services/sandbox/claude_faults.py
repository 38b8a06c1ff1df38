"""Faults that the emulated Messages API can be told to have."""

from typing import Literal

import msgspec

FaultKind = Literal[
    "overloaded",
    "rate_limit",
    "server_error",
    "unauthorized",
    "mid_stream_error",
    "refusal",
    "max_tokens",
    "slow_first_token",
    "connection_reset",
    "bad_json",
    "only_first_tool",
    "leading_thinking",
    "wrong_tool",
    "no_tool",
    "wrong_shape",
    "long_reply",
    "endless_text",
    "hung",
    "stall",
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault for each of the next `times` requests (of `model`, where one is named; whose last message has `when`).

    `retry_after` (seconds) goes with overloaded and rate_limit; `delay_ms` is the pause of slow_first_token, during
    which pings flow. mid_stream_error is an overloaded_error event after a part of the answer; connection_reset cuts
    the socket there. hung never answers, stall says nothing more after a part; both end when the caller gives up, or
    after 60 s. max_tokens cuts inside the last tool call; bad_json is what an unstrict tool may get, wrong_shape valid
    JSON of another shape. wrong_tool calls one that nobody offered instead, no_tool answers in words. long_reply is five
    hundred words, endless_text goes on until max_tokens cuts it.
    """

    kind: FaultKind
    times: int = 1
    model: str | None = None
    when: str | None = None
    retry_after: float | None = None
    delay_ms: int = 1_000

    def fits(self, model: str, last: str = "") -> bool:
        """Whether a request of this model with this last message, as JSON, has it."""
        return self.model in (None, model) and (self.when is None or self.when in last)


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast a model answers a stream (milliseconds): to the first token, and for each one after it."""

    first_token_ms: float = 0
    per_token_ms: float = 0
