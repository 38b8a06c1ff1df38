"""The one client of the Messages API: streams a turn under our own deadline and says how it failed."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anthropic
import httpx2
import msgspec

from libs.llm.answer import Answer
from libs.llm.attempts import attempts, following
from libs.llm.failures import BadOutput, Misconfigured, Overloaded, TimedOut, TurnFailed, Unsafe
from libs.llm.guard import shown, unsafe
from libs.llm.planning import chosen, plan_body
from libs.llm.pools import Pools
from libs.llm.prompts import REPORT_UNDERSTANDING, WRITE_REPLY, asked_tools, continued, request_body
from libs.llm.turn import ModelCall, TurnRequest, TurnResult, Understanding
from libs.llm.understanding import understood, written

OnReply = Callable[[str], None]
"""Is told all of the reply that has come so far, again and again; after a failed attempt it begins anew."""

EMULATOR_HEADER = "x-emulator"
_CONNECT_SECONDS = 5.0
_REPEATABLE = {"overloaded_error", "rate_limit_error", "api_error", "timeout_error", "conflict_error"}


class Claude:
    """Takes turns with Claude (https://platform.claude.com, or an emulator at another `base_url`).

    `first_token_seconds` runs from the request to the first content of each call: the read time-out alone would be
    fed by pings. `deadline_seconds` binds a whole attempt (`turn`) or a whole plan (`settle`). The SDK's own retries
    are off: it would wait for any `retry-after`, however long, and never repeats an error inside the stream.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        model: str,
        fallback_model: str | None = None,
        max_tokens: int = 600,
        deadline_seconds: float = 20.0,
        first_token_seconds: float = 6.0,
    ) -> None:
        self.model = model
        self.fallback_model = fallback_model
        self.max_tokens = max_tokens
        self.deadline_seconds = deadline_seconds
        self.first_token_seconds = first_token_seconds
        self._pools = Pools(
            anthropic.AsyncAnthropic(
                api_key=api_key,
                base_url=base_url,
                max_retries=0,
                timeout=anthropic.Timeout(deadline_seconds, connect=min(_CONNECT_SECONDS, deadline_seconds)),
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the pooled connections."""
        await self._pools.close()

    async def turn(
        self, request: TurnRequest, *, model: str | None = None, on_reply: OnReply | None = None
    ) -> TurnResult:
        """One attempt with one model (`model`, else the request's, else the client's). Raises TurnFailed.

        A turn that wants both is one call which must call both tools; a tool that Claude left out is asked for in a
        second call, forced, over the same (then cached) prefix.
        """
        return await self._attempt(
            request, model or request.model or self.model, time.monotonic() + self.deadline_seconds, on_reply
        )

    async def settle(self, request: TurnRequest, *, on_reply: OnReply | None = None) -> TurnResult:
        """All attempts of the plan (libs.llm.attempts) within one deadline. Raises the last TurnFailed, with all calls.

        Where no model writes what may be sent, what was understood is the result, without a reply.
        """
        deadline = time.monotonic() + self.deadline_seconds
        plan = attempts(request.model or self.model, request.fallback_model or self.fallback_model)
        attempt = plan[0]
        calls: tuple[ModelCall, ...] = ()
        while True:
            try:
                result = await self._attempt(request, attempt.model, deadline, on_reply)
                return msgspec.structs.replace(result, calls=calls + result.calls)
            except TurnFailed as failure:
                calls = failure.calls = calls + failure.calls
                after = following(plan, attempt.number, failure)
                if after is None or time.monotonic() + after.pause_ms / 1000 >= deadline:
                    if isinstance(failure, Unsafe) and failure.understanding is not None:
                        return _without_reply(failure, failure.understanding)
                    raise
                attempt = after
            await asyncio.sleep(attempt.pause_ms / 1000)

    async def _attempt(self, request: TurnRequest, model: str, deadline: float, on_reply: OnReply | None) -> TurnResult:
        if request.tools:
            return await self._plan(request, model, deadline)
        body = request_body(request, model, request.max_tokens or self.max_tokens)
        asked = asked_tools(request)
        calls: tuple[ModelCall, ...] = ()
        inputs: dict[str, Any] = {}
        try:
            tell = None if on_reply is None else _guarded(request, on_reply)
            said = await self._call(body, deadline, tell)
            calls = (said.call,)
            inputs = said.inputs()
            refused = [f"tool {name!r}: not offered" for name in inputs if name not in asked]
            missing = [name for name in asked if name not in inputs]
            if missing and len(missing) < len(asked):
                again = await self._call(continued(body, said.answered(), missing[0]), deadline, tell)
                calls = (*calls, again.call)
                inputs |= again.inputs()
            if missing := [name for name in asked if name not in inputs]:
                raise BadOutput(f"{model} did not call {missing[0]}")
            understanding = understood(inputs[REPORT_UNDERSTANDING], request) if REPORT_UNDERSTANDING in asked else None
            reply, language = written(inputs[WRITE_REPLY], request) if WRITE_REPLY in asked else (None, None)
            if reply is not None and (reasons := unsafe(reply, request, understanding)):
                raise Unsafe(
                    f"{model}: {'; '.join(reasons)}", reasons=(*refused, *reasons), understanding=understanding
                )
        except TurnFailed as failure:
            failure.calls = calls + failure.calls
            if isinstance(failure, BadOutput) and len(asked) > 1 and REPORT_UNDERSTANDING in failure.kept:
                raise _unwritten(failure, request) from failure
            raise
        if on_reply is not None and reply is not None:
            on_reply(reply)
        refused += understanding.dropped if understanding else ()
        return TurnResult(
            understanding=understanding, reply=reply, reply_language=language, calls=calls, refused=tuple(refused)
        )

    async def _plan(self, request: TurnRequest, model: str, deadline: float) -> TurnResult:
        """One attempt at a planning turn."""
        said = await self._call(plan_body(request, model, request.max_tokens or self.max_tokens), deadline, None)
        try:
            choice = chosen(said.inputs())
        except TurnFailed as failure:
            failure.calls = (said.call,)
            raise
        return TurnResult(understanding=None, reply=None, reply_language=None, calls=(said.call,), choice=choice)

    async def _call(self, body: dict[str, Any], deadline: float, on_reply: OnReply | None) -> Answer:
        said = Answer(model=body["model"])
        told, begun = None, False
        try:
            with self._pools.take() as client:
                async with (
                    _mapped(said, self.first_token_seconds, deadline) as limits,
                    await client.messages.create(**body, stream=True) as stream,
                ):
                    said.request_id = stream.response.headers.get("request-id")
                    said.emulated = EMULATOR_HEADER in stream.response.headers
                    async for event in stream:
                        said.take(event)
                        if on_reply is not None and (reply := said.text_of(WRITE_REPLY, "text")) not in (None, told):
                            told = reply
                            on_reply(reply or "")
                        if said.first_token is not None and not begun:
                            begun = True
                            limits.reschedule(_on_loop_clock(deadline))
            said.check()
        except TurnFailed as failure:
            said.request_id = failure.request_id = failure.request_id or said.request_id
            failure.calls = (said.call,)
            raise
        return said


def _guarded(request: TurnRequest, on_reply: OnReply) -> OnReply:
    """Tells of a reply only what has been judged: a few words late."""

    def tell(partial: str) -> None:
        if ready := shown(partial, request):
            on_reply(ready)

    return tell


def _unwritten(failure: BadOutput, request: TurnRequest) -> TurnFailed:
    """A reply that was cut or broken is none; what was understood before it stands."""
    try:
        understanding = understood(failure.kept[REPORT_UNDERSTANDING], request)
    except BadOutput:
        return failure
    reasons = ("shape: it was cut, or is no text",)
    return Unsafe(str(failure), reasons=reasons, understanding=understanding, calls=failure.calls)


def _without_reply(failure: Unsafe, understanding: Understanding) -> TurnResult:
    refused = (*failure.reasons, *understanding.dropped)
    return TurnResult(
        understanding=understanding, reply=None, reply_language=None, calls=failure.calls, refused=refused
    )


def _on_loop_clock(moment: float) -> float:
    """A moment of time.monotonic() on the running loop's clock."""
    return asyncio.get_running_loop().time() + moment - time.monotonic()


@asynccontextmanager
async def _mapped(said: Answer, first_token_seconds: float, deadline: float) -> AsyncIterator[asyncio.Timeout]:
    """Limits the time and turns every error of SDK and transport into a TurnFailed."""
    try:
        async with asyncio.timeout_at(_on_loop_clock(min(deadline, time.monotonic() + first_token_seconds))) as limits:
            yield limits
    except TimeoutError:
        waited = time.monotonic() - said.started
        what = "no first token" if said.first_token is None else "no end of the answer"
        raise TimedOut(f"{said.model}: {what} after {waited:.1f} s") from None
    except (anthropic.APITimeoutError, httpx2.TimeoutException) as error:
        raise TimedOut(f"{said.model}: {type(error).__name__} at the transport") from error
    except anthropic.APIStatusError as error:
        said.emulated = EMULATOR_HEADER in error.response.headers
        raise _from_status(said.model, error) from error
    except (anthropic.APIConnectionError, httpx2.TransportError) as error:
        raise Overloaded(f"{said.model}: the connection failed ({type(error.__cause__ or error).__name__})") from error
    except (anthropic.APIResponseValidationError, ValueError) as error:
        raise BadOutput(f"{said.model}: the response is not of the Messages API ({type(error).__name__})") from error


def _from_status(model: str, error: anthropic.APIStatusError) -> TurnFailed:
    """By `error.type`, since an error inside the stream has status 200; by status where the body names no type."""
    kind = error.type
    message = f"{model}: {error.status_code} {kind or 'without a type'}"
    transient = error.status_code in (408, 409, 429) or error.status_code >= 500
    if kind in _REPEATABLE or (transient and kind != "invalid_request_error"):
        return Overloaded(message, retry_after=_retry_after(error.response.headers), request_id=error.request_id)
    detail = f": {error.api_message}" if error.api_message else ""
    return Misconfigured(message + detail, status=error.status_code, error_type=kind, request_id=error.request_id)


def _retry_after(headers: httpx2.Headers) -> float | None:
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / scale
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None
