"""An emulator of Anthropic's Messages API: the real SDK talks to it by base URL. It is not Claude and says so.

Source: platform.claude.com as of November 2026 (API version 2026-10-21); every response carries `x-emulator`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.enums import MediaType
from litestar.params import JSONBody
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import ControllerRouterHandler, Receive, Send

from services.sandbox import claude_go_on, claude_obey
from services.sandbox.claude_cache import PromptCache
from services.sandbox.claude_check import Rejected, checked
from services.sandbox.claude_faults import Fault, Pace
from services.sandbox.claude_misbehave import misbehaved
from services.sandbox.claude_prompt import read_request
from services.sandbox.claude_tools import Mind
from services.sandbox.claude_wire import Answer, block_tokens, error_body, error_event, event
from services.sandbox.state import Faults

BASE = "/sandbox/anthropic"
"""The path to append to the origin for the SDK's base URL."""

EMULATOR = {"x-emulator": "converse-sandbox"}
_PING_SECONDS = 0.25
_LONGEST_S = 60.0
_FIRST = 2
"""The event of the first content: behind message_start and a ping."""
_FAILURES = {
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "server_error": (500, "api_error", "Internal server error"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
}


@dataclass
class AnthropicSandbox:
    """The emulator's state: business time, faults to come, the prompt cache, and how many requests each model had.

    `obeys`: it does what any text of its prompt orders; `obeyed` are the orders that it followed, by kind.
    """

    now: Callable[[], datetime]
    faults: Faults[Fault] = field(default_factory=Faults)
    cache: PromptCache = field(default_factory=PromptCache)
    served: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    obeys: bool = False
    obeyed: list[str] = field(default_factory=list)
    paces: dict[str, Pace] = field(default_factory=dict)
    """By the beginning of a model's name (`claude-haiku`); the longest that fits counts, others answer at once."""

    def pace(self, model: str) -> Pace:
        """How fast a model answers."""
        known = [name for name in self.paces if model.startswith(name)]
        return self.paces[max(known, key=len)] if known else Pace()

    def reset(self) -> None:
        """As at the start; what was counted stays."""
        self.faults.clear()
        self.paces.clear()
        self.obeys = False
        self.obeyed.clear()


class Obedience(msgspec.Struct, forbid_unknown_fields=True):
    """Whether Claude obeys what stands in the data."""

    obeys: bool


class Status(msgspec.Struct):
    """How many requests came, how many each model answered, how many faults wait, and which orders were obeyed."""

    requests: int
    served: dict[str, int]
    faults_waiting: int
    obeys: bool
    obeyed: list[str]


def routes(state: AnthropicSandbox) -> list[ControllerRouterHandler]:
    """The API below `BASE`, and its controls under `/_sandbox/anthropic`."""

    @post("/v1/messages", status_code=200)
    async def create_message(request: Request[Any, Any, Any]) -> Response[Any]:
        return _answered(state, request.headers, await request.body())

    @post("/_sandbox/anthropic/faults", status_code=200, sync_to_thread=False)
    def add_faults(data: JSONBody[Fault | list[Fault]]) -> Status:
        for fault in data if isinstance(data, list) else [data]:
            state.faults.add(fault)
        return status()

    @delete("/_sandbox/anthropic/faults", status_code=200, sync_to_thread=False)
    def clear_faults() -> Status:
        state.faults.clear()
        return status()

    @put("/_sandbox/anthropic/obey", sync_to_thread=False)
    def obey(data: JSONBody[Obedience]) -> Status:
        state.obeys = data.obeys
        return status()

    @put("/_sandbox/anthropic/pace", sync_to_thread=False)
    def set_pace(data: JSONBody[dict[str, Pace]]) -> dict[str, Pace]:
        state.paces = data
        return data

    @get("/_sandbox/anthropic", sync_to_thread=False)
    def show_status() -> Status:
        return status()

    def status() -> Status:
        return Status(
            requests=state.requests,
            served=state.served,
            faults_waiting=len(state.faults),
            obeys=state.obeys,
            obeyed=state.obeyed,
        )

    api = Router(BASE, route_handlers=[create_message], include_in_schema=False)
    controls = Router(
        "/", route_handlers=[add_faults, clear_faults, set_pace, obey, show_status], include_in_schema=False
    )
    return [api, controls]


def _answered(state: AnthropicSandbox, headers: Mapping[str, str], raw: bytes) -> Response[Any]:
    state.requests += 1
    request_id = f"req_sandbox_{state.requests:06d}"
    known = {"request-id": request_id, "anthropic-organization-id": "converse-sandbox", **EMULATOR}
    try:
        body = checked(headers, raw)
    except Rejected as refused:
        return _failed(refused.status, refused.kind, refused.message, request_id, known)
    last = msgspec.json.encode(body["messages"][-1]).decode() if len(state.faults) else ""
    fault = state.faults.take(lambda waiting: waiting.fits(body["model"], last))
    if fault is not None and fault.kind in _FAILURES:
        code, kind, message = _FAILURES[fault.kind]
        wait = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return _failed(code, kind, message, request_id, known | wait)
    key = headers.get("x-api-key") or headers.get("authorization", "")
    answer = _thought(state, key, body, raw, fault)
    state.served[answer.model] = state.served.get(answer.model, 0) + 1
    if fault is not None and fault.kind == "hung":
        return Stream(_never(), media_type="text/event-stream", headers=known)
    pace = state.pace(answer.model)
    if body.get("stream"):
        events = list(answer.events())
        if fault is not None and fault.kind == "connection_reset":
            return Severed(b"".join(events[: _middle(events)]), media_type="text/event-stream", headers=known)
        return Stream(_stream(events, fault, pace), media_type="text/event-stream", headers=known)
    whole = msgspec.json.encode(answer.whole())
    if fault is not None and fault.kind == "connection_reset":
        return Severed(whole[: len(whole) // 2], media_type=MediaType.JSON, headers=known)
    if fault is not None and fault.kind == "slow_first_token":
        return Stream(_late(whole, fault), media_type=MediaType.JSON, headers=known)
    return Response(whole, media_type=MediaType.JSON, headers=known)


def _thought(state: AnthropicSandbox, key: str, body: dict[str, Any], raw: bytes, fault: Fault | None) -> Answer:
    """What the emulated Claude answers: from the request alone, so that the same request gets the same answer."""
    asked, said = claude_go_on.broken_off(body)
    mind = Mind(read_request(asked, state.now()))
    seed = hashlib.sha256(raw).hexdigest()
    choice = body.get("tool_choice") or {"type": "auto"}
    chosen = [] if _answers_results(asked, choice) else mind.tool_calls(choice)
    kind = fault.kind if fault else None
    if kind == "only_first_tool":
        chosen = chosen[:1]
    uses = [(str(tool["name"]), mind.fill(tool)) for tool in chosen]
    if state.obeys:
        uses = _obeyed(state, mind, body, chosen, uses)
    content: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_sandbox_{seed[:16]}{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(uses)
    ]
    stop_reason, details = "tool_use" if content else "end_turn", None
    if mind.on_the_phone:
        words = mind.spoken(chosen)
        content = ([{"type": "text", "text": words}] if words else []) + content
    elif not content:
        content, stop_reason = [{"type": "text", "text": mind.reply.text}], "end_turn"
    content = misbehaved(kind, claude_go_on.left(content, said), body["max_tokens"])
    if kind == "no_tool":
        stop_reason = "end_turn"
    if kind == "leading_thinking":
        content.insert(0, {"type": "thinking", "thinking": "(emulated)", "signature": f"sandbox-{seed[:12]}"})
    if kind == "refusal":
        content, stop_reason = [], "refusal"
        details = {"type": "refusal", "category": "general_harms", "explanation": "Refused by the emulator, as asked."}
    answer = Answer(
        id=f"msg_sandbox_{seed[:20]}",
        model=body["model"],
        content=content,
        stop_reason="max_tokens" if kind == "max_tokens" else stop_reason,
        counted=state.cache.count(key, body, state.now()),
        stop_details=details,
        cut=kind == "max_tokens",
        bad_json=kind == "bad_json",
    )
    return _limited(answer, body["max_tokens"])


def _obeyed(
    state: AnthropicSandbox,
    mind: Mind,
    body: Mapping[str, Any],
    chosen: list[dict[str, Any]],
    uses: list[tuple[str, dict[str, Any]]],
) -> list[tuple[str, dict[str, Any]]]:
    """The tool calls as the orders in the data want them, and what was obeyed noted."""
    orders = claude_obey.orders_in(mind.prompt)
    state.obeyed += [order.kind for order in orders]
    if not orders:
        return uses
    system = "\n".join(block["text"] for block in body.get("system", []) if isinstance(block, dict))
    offered = list(body.get("tools") or [])
    if mind.plans and (tool := claude_obey.chosen(orders, offered)) is not None:
        uses = [(str(tool["name"]), mind.fill(tool))]
        chosen = [dict(tool)]
    given = [
        (name, claude_obey.input_of(tool, filled, orders, system))
        for tool, (name, filled) in zip(chosen, uses, strict=True)
    ]
    return given + [(call["name"], call["input"]) for call in claude_obey.calls(orders, offered)]


def _answers_results(body: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """After tool results, and nothing said since, a free choice ends in words."""
    content = body["messages"][-1]["content"]
    results = isinstance(content, list) and all(block.get("type") == "tool_result" for block in content)
    return results and choice.get("type") == "auto"


def _limited(answer: Answer, max_tokens: int) -> Answer:
    """Cuts an answer that is longer than was allowed, as the real API does."""
    left = max_tokens
    kept: list[dict[str, Any]] = []
    for block in answer.content:
        size = block_tokens(block)
        kept.append(block)
        left -= size
        if left < 0:
            if block["type"] == "text":
                kept[-1] = block | {"text": block["text"][: 4 * max(0, left + size)]}
            return Answer(answer.id, answer.model, kept, "max_tokens", answer.counted, cut=True)
    return answer


async def _stream(events: list[bytes], fault: Fault | None, pace: Pace) -> AsyncIterator[bytes]:
    kind = fault.kind if fault else None
    for n, part in enumerate(events):
        if n == _FIRST:
            if fault is not None and kind == "slow_first_token":
                async for ping in _pings(fault):
                    yield ping
            await _paced(pace.first_token_ms)
        elif n > _FIRST + 1 and part.startswith(b"event: content_block_delta"):
            await _paced(pace.per_token_ms)
        if kind == "mid_stream_error" and n == _middle(events):
            yield error_event("overloaded_error", "Overloaded")
            return
        if kind == "stall" and n == _middle(events):
            await asyncio.sleep(_LONGEST_S)
        yield part


async def _never() -> AsyncIterator[bytes]:
    await asyncio.sleep(_LONGEST_S)
    yield b""


async def _paced(ms: float) -> None:
    if ms > 0:
        await asyncio.sleep(ms / 1000)


def _middle(events: list[bytes]) -> int:
    """Behind the first pieces of content."""
    return max(4, len(events) // 2)


async def _pings(fault: Fault) -> AsyncIterator[bytes]:
    left = fault.delay_ms / 1000
    while left > 0:
        await asyncio.sleep(min(_PING_SECONDS, left))
        left -= _PING_SECONDS
        yield event("ping", {})


async def _late(whole: bytes, fault: Fault) -> AsyncIterator[bytes]:
    await asyncio.sleep(fault.delay_ms / 1000)
    yield whole


class Severed(Response[bytes]):
    """An answer whose connection breaks in the middle."""

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        """A response that promises more than it sends, on which the server closes the connection."""
        more = {"content-length": str(len(self.content) + 512), "content-type": str(self.media_type)}
        return _Half(body=self.content, status_code=200, headers=self.headers | more)


class _Half(ASGIResponse):
    async def send_body(self, send: Send, receive: Receive) -> None:
        """The first part; the rest never comes."""
        await send({"type": "http.response.body", "body": self.body, "more_body": True})


def _failed(status: int, kind: str, message: str, request_id: str, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        error_body(kind, message, request_id), status_code=status, media_type=MediaType.JSON, headers=headers
    )
