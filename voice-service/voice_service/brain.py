"""Claude in a call by text: the same prompt and tools as in our own pipeline, for those who speak and hear elsewhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import anthropic
import msgspec
from anthropic import AsyncAnthropic

from events.call import CallRequested
from events.phone import CallGuided
from libs.config.bundle import Bundle
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.llm import calls as prompts
from voice_service import costs, lines
from voice_service.providers.shared import Shared
from voice_service.settings import ChannelOff, Settings
from voice_service.tools import OWN_WORDS, UNKNOWN_YET

MAX_TOKENS = 400
ROUNDS = 3
"""How often Claude is asked for one answer: it may speak of what a tool came to."""

Called = tuple[str, dict[str, Any]]
Newest = Callable[[], Awaitable[CallGuided | None]]
CameOf = Callable[[Sequence[Called], int], Awaitable[tuple[Sequence[Mapping[str, Any] | None], bool]]]
"""Takes tools and how many were called in this turn before them: the result of each, and whether they want words."""


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One exchange: what the contact said, what we wanted to say, and what they heard of it (None: nobody told)."""

    contact: str = ""
    say: str = ""
    heard: str | None = None
    tools: list[Called] = []
    end: bool = False
    latency_ms: dict[str, int] = {}


class Spoke(msgspec.Struct, frozen=True):
    """An exchange before this one, as Claude is told it."""

    contact: str
    agent: str
    tools: list[Called]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said, which tools were called, whether that was the last word; `tokens` as [unit, model, count]."""

    say: str
    tools: list[Called] = []
    end: bool = False
    tokens: list[tuple[str, str, int]] = []


class Brain:
    """Asks Claude: the models of the call's profiles in their order, until one answers."""

    def __init__(self, settings: Settings, clock: Clock, shared: Shared) -> None:
        self._settings = settings
        self._clock = clock
        self._shared = shared

    async def answer(
        self,
        bundle: Bundle,
        asked: CallRequested,
        before: Sequence[Spoke],
        text: str,
        *,
        newest: Newest,
        came_of: CameOf,
    ) -> Answer:
        """The answer to what the contact said. Raises Problem 503 where Claude does not answer.

        `newest` gives what the call goes on with by now, `came_of` what came of the tools that Claude called.
        """
        try:
            door = self._settings.door(bundle)
        except ChannelOff as off:
            raise Problem(404, "There are no calls here", str(off)) from off
        claude = self._shared.claude(door.urls["llm"], door.keys["llm"])
        voice = self._settings.voice(bundle, door, lines.spoken_language(asked))
        models = [each.model for each in voice.chains.minds]
        now = self._clock.now().astimezone(ZoneInfo(bundle.policy.timezone))
        messages = _history(asked.opening, before, text)
        words: list[str] = []
        called: list[Called] = []
        tokens: dict[tuple[str, str], int] = {}
        for _ in range(ROUNDS):
            guide = await newest() or asked
            system = prompts.system(guide.instructions, guide.context, now, voice.max_response_words)
            told = await _asked(
                claude,
                models,
                max_tokens=MAX_TOKENS,
                system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
                messages=messages,
                tools=_tools(guide),
            )
            costs.count_answer(tokens, told.model, told)
            words += [block.text.strip() for block in told.content if block.type == "text" and block.text.strip()]
            uses = [block for block in told.content if block.type == "tool_use"]
            asks = [(use.name, dict(use.input)) for use in uses]
            results, speaks = await came_of(asks, len(called)) if asks else ([], False)
            called += asks
            if words and not speaks and all(name in OWN_WORDS for name, _ in asks):
                break
            messages.append({"role": "assistant", "content": [block.model_dump() for block in told.content]})
            messages.append(
                {
                    "role": "user",
                    "content": [_result(use.id, result) for use, result in zip(uses, results, strict=True)],
                }
            )
            if not uses or any(name == prompts.END_CALL for name, _ in asks):
                break
        end = any(name == prompts.END_CALL for name, _ in called)
        counted = [(unit, named, count) for (unit, named), count in tokens.items() if count]
        return Answer(say=" ".join(words), tools=called, end=end, tokens=counted)


async def _asked(claude: AsyncAnthropic, models: Sequence[str], **request: Any) -> Any:
    """The answer of the first model that gives one. Raises Problem 503 where none does."""
    why = "no model is named"
    for model in models:
        try:
            return await claude.messages.create(model=model, **request)
        except anthropic.APIError as error:
            why = type(error).__name__
    raise Problem(503, "Claude does not answer", why, headers={"retry-after": "1"})


def _tools(told: CallRequested | CallGuided) -> Any:
    return [
        {
            "name": each["name"],
            "description": each["description"],
            "input_schema": {"type": "object", "properties": each["properties"], "required": each["required"]},
        }
        for each in prompts.tools(told.intents, told.channels, told.tools, told.facts)
    ]


def _history(opening: str, before: Sequence[Spoke], text: str) -> Any:
    """The conversation so far as messages; it begins with the call being answered."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "(the call has been answered)"}]
    spoke = list(before)
    if not spoke or spoke[0].contact:
        spoke.insert(0, Spoke("", opening, []))
    open_: list[dict[str, Any]] = []
    for turn, each in enumerate(spoke):
        if each.contact:
            messages.append({"role": "user", "content": [*open_, {"type": "text", "text": each.contact}]})
            open_ = []
        ids = [f"toolu_{turn}_{n}" for n in range(len(each.tools))]
        uses: list[dict[str, Any]] = [
            {"type": "tool_use", "id": id_, "name": name, "input": inputs}
            for id_, (name, inputs) in zip(ids, each.tools, strict=True)
        ]
        said: list[dict[str, Any]] = [{"type": "text", "text": each.agent}] if each.agent else []
        if said or uses:
            messages.append({"role": "assistant", "content": [*said, *uses]})
        open_ = [_result(id_) for id_ in ids]
    messages.append({"role": "user", "content": [*open_, {"type": "text", "text": text}]})
    return messages


def _result(use: str, result: Mapping[str, Any] | None = None) -> dict[str, Any]:
    told = dict(result) if result else UNKNOWN_YET
    failed = {"is_error": True} if told.get("status") in ("failed", "refused") else {}
    return {"type": "tool_result", "tool_use_id": use, "content": msgspec.json.encode(told).decode(), **failed}
