"""The mind of a call: Claude by one model; where it fails or thinks too long, another goes on, and nothing is said twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import anthropic
import structlog
from anthropic import AsyncAnthropic
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.services.anthropic.llm import AnthropicLLMService

from libs.llm.calls import GO_ON
from voice_service.prepared import AGAIN, SAFE
from voice_service.providers.profiles import LlmProfile
from voice_service.providers.sockets import Refused, reason
from voice_service.providers.switches import Switches

log = structlog.get_logger(__name__)

FIRST_TOKEN_S = 0.7
"""Then the next model is asked beside the first; whoever speaks first is listened to."""
SAFE_S = 1.1
"""Then the contact hears a prepared sentence."""
STALL_S = 1.2
"""Between two events of an answer that has begun; pings do not count."""
GIVE_UP_S = 12.0
"""Then the contact is asked to say it again."""
AGAIN_S = 0.3
MAX_TOKENS = 400

_OVERLOADED = {"overloaded_error": "server_error", "rate_limit_error": "rate_limited", "api_error": "server_error"}
_CONTENT = ("content_block_start", "content_block_delta")
Say = Callable[[str], Awaitable[None]]


class Mind(AnthropicLLMService):
    """Pipecat's service for Claude, whose stream of events never breaks: it is sewn together here."""

    def __init__(self, chain: Sequence[LlmProfile], client: AsyncAnthropic, system: str, switches: Switches) -> None:
        super().__init__(
            api_key="",
            client=client,
            settings=AnthropicLLMService.Settings(
                model=chain[0].model,
                system_instruction=system,
                max_tokens=MAX_TOKENS,
                enable_prompt_caching=True,
            ),
        )
        self._chain = chain
        self._switches = switches

    async def _create_message_stream(self, api_call: Any, params: dict[str, Any]) -> AsyncIterator[Any]:
        """Where Pipecat asks Claude: the events of one whole answer, whoever gives it."""
        return Answer(self, api_call, params, self._ordered(str(params["model"])), self._switches, self._say).events()

    def _ordered(self, model: str) -> list[LlmProfile]:
        """Who is asked first, by what is asked for and whose breaker lets us."""
        asked = [LlmProfile(name="asked", model=model), *(each for each in self._chain if each.model != model)]
        allowed = [each for each in asked if self._switches.breakers.allows(each.provider)]
        return allowed + [each for each in asked if each not in allowed]

    def with_model(self, params: dict[str, Any], model: str) -> dict[str, Any]:
        """The same request for another model, which thinks as little as it can."""
        changed = {key: value for key, value in params.items() if key not in ("thinking", "output_config")}
        settings: Any = self._settings
        before, settings.model = settings.model, model
        try:
            self._maybe_apply_thinking_default(changed)
        finally:
            settings.model = before
        return changed | {"model": model}

    async def _say(self, text: str) -> None:
        await self.push_frame(TTSSpeakFrame(text, append_to_context=False))


class Answer:
    """One answer of Claude's, as a stream of events that may come from several requests."""

    def __init__(
        self,
        mind: Mind,
        api_call: Any,
        params: dict[str, Any],
        order: list[LlmProfile],
        switches: Switches,
        say: Say,
    ) -> None:
        self._mind = mind
        self._api_call = api_call
        self._params = params
        self._order = order
        self._switches = switches
        self._say = say
        self._said = ""
        self._safe = False
        self._began = time.monotonic()
        self._tasks: set[asyncio.Task[Attempt]] = set()

    async def events(self) -> AsyncIterator[Any]:
        """What Pipecat reads. Where nobody answers at all it ends without words, and the contact is asked again."""
        order = self._order
        try:
            while time.monotonic() - self._began < GIVE_UP_S:
                attempt = await self._first(order)
                if attempt is None:
                    await asyncio.sleep(AGAIN_S)
                    continue
                try:
                    async for event in attempt.rest():
                        self._note(event)
                        yield event
                    self._switches.breakers.succeeded(attempt.profile.provider)
                    return
                except Refused as error:
                    order = self._after(attempt.profile, error.why)
                finally:
                    await attempt.close()
            await self._say(AGAIN)
        finally:
            await self._drop()

    async def _first(self, order: Sequence[LlmProfile]) -> "Attempt | None":
        """The first model that says something; the next is asked when one has failed, or is late."""
        asked_at = time.monotonic()
        left, failed = list(order), ""
        why = "silent"
        last = left[0]
        self._ask(left.pop(0))
        while self._tasks:
            wait = FIRST_TOKEN_S if left else None
            if not self._safe:
                safe_in = max(0.0, asked_at + SAFE_S - time.monotonic())
                wait = safe_in if wait is None else min(wait, safe_in)
            done, self._tasks = await asyncio.wait(self._tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is None:
                    attempt = task.result()
                    if attempt.profile is not order[0]:
                        if not failed:  # it was late, and is told so; who failed was told when it did
                            self._switches.breakers.failed(order[0].provider)
                        self._switches.switched("llm", order[0].provider, attempt.profile.provider, why)
                    for other in done - {task}:
                        if other.exception() is None:
                            await other.result().close()
                    await self._drop()
                    return attempt
                if not isinstance(error, Refused):
                    raise error
                why, failed = error.why, error.args[0]
                self._switches.breakers.failed(failed)
            if left and (not self._tasks or not done):
                last = left.pop(0)
                self._ask(last)
            if not self._tasks or time.monotonic() - asked_at >= SAFE_S:
                await self._reassure()
            if time.monotonic() - self._began > GIVE_UP_S:
                await self._drop()
        self._switches.switched("llm", last.provider, order[0].provider, "nothing_left")
        return None

    def _ask(self, profile: LlmProfile) -> None:
        self._switches.breakers.asked(profile.provider)
        params = self._mind.with_model(self._params, profile.model)
        if self._said:
            spoken = {"role": "assistant", "content": [{"type": "text", "text": self._said}]}
            params["messages"] = [*params["messages"], spoken, {"role": "user", "content": GO_ON}]
        self._tasks.add(asyncio.create_task(Attempt(profile, self._api_call, params).begin()))

    def _after(self, profile: LlmProfile, why: str) -> list[LlmProfile]:
        """Who goes on after one that broke off in the middle."""
        self._switches.breakers.failed(profile.provider)
        others = [each for each in self._order if each.model != profile.model] or [profile]
        self._switches.switched("llm", profile.provider, others[0].provider, why)
        return [*others, *([profile] if profile not in others else [])]

    async def _reassure(self) -> None:
        if not self._safe:
            self._safe = True
            await self._say(SAFE)

    def _note(self, event: Any) -> None:
        if event.type == "content_block_delta" and hasattr(event.delta, "text"):
            self._said += event.delta.text

    async def _drop(self) -> None:
        """Whoever is late is no longer listened to."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, Attempt):
                await found.close()


class Attempt:
    """One request, read up to its first content by `begin`. Raises Refused."""

    def __init__(self, profile: LlmProfile, api_call: Any, params: dict[str, Any]) -> None:
        self.profile = profile
        self._api_call = api_call
        self._params = params
        self._stream: Any = None
        self._events: Any = None
        self._head: list[Any] = []
        self._whole = False

    async def begin(self) -> "Attempt":
        """Itself, once there is content. `args[0]` of what it raises is the provider."""
        try:
            self._stream = await self._api_call(**self._params)
            self._events = aiter(self._stream)
            async for event in self._events:
                self._head.append(event)
                if event.type in _CONTENT or event.type == "message_delta":
                    break
        except asyncio.CancelledError:
            await self.close()
            raise
        except Exception as error:
            await self.close()
            raise Refused(_why(error), self.profile.provider) from error
        return self

    async def rest(self) -> AsyncIterator[Any]:
        """All events, those that were read already first."""
        for event in self._head:
            self._whole = self._whole or event.type == "message_delta"
            yield event
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    event = await anext(self._events)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Refused("silent") from None
            except Exception as error:
                if self._whole:
                    return
                raise Refused(_why(error)) from error
            self._whole = self._whole or event.type == "message_delta"
            yield event
        if not self._whole:
            raise Refused("connection_lost")

    async def close(self) -> None:
        """Let the connection go."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


def _why(error: Exception) -> str:
    match error:
        case anthropic.APIStatusError(status_code=200):
            return _OVERLOADED.get(str(getattr(error, "type", "")), "server_error")
        case anthropic.APIStatusError():
            return reason(error.status_code)
        case anthropic.APITimeoutError():
            return "silent"
        case anthropic.APIConnectionError():
            return "connection_lost"
        case _:
            log.warning("Claude's answer broke off", reason=type(error).__name__)
            return "connection_lost"
