"""What Claude may ask for during a call, what it hears of it, and what it is told to go on with."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallCancelFrame, FunctionCallResultProperties
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.services.llm_service import FunctionCallParams

from events.call import Talk
from events.phone import CallGuided
from libs.kit.failures import passes
from libs.llm import calls as prompts
from voice_service.calls import Call

log = structlog.get_logger(__name__)

OWN_WORDS = frozenset({prompts.REPORT_INTENT, prompts.END_CALL})
"""Tools that come with words of their own; of what came of the others Claude speaks afterwards."""
NOT_DONE_YET = "It is on record and not done yet: say that it will be seen to, never that it is done."
"""What Claude hears where nobody could say in time what came of it."""
UNKNOWN_YET = {"status": "noted", "note": NOT_DONE_YET}
PATIENCE_S = 1.5
"""How long the contact may wait for that: a held breath, not a silence."""


def schemas(told: Talk | CallGuided) -> ToolsSchema:
    """The tools of a call, as Claude is told them."""
    tools = prompts.tools(told.intents, told.channels, told.tools, told.facts)
    return ToolsSchema(standard_tools=[FunctionSchema(**each) for each in tools])


AGAIN_S, TRIES = 0.5, 20
"""How often it is tried to write down that a person takes over: until then the flow would find nobody to ring."""


async def _done(doing: Awaitable[None]) -> bool:
    """Whether it has been; Postgres may be away."""
    try:
        await doing
    except Exception as error:
        if not passes(error):
            raise
        log.warning("a hand-over waits for the database", error=type(error).__name__)
        return False
    return True


class Remembering(LLMAssistantAggregator):
    """What Claude remembers. Who interrupts while a tool runs has not taken it back: it is `told`, and done all the same.

    Pipecat would have it as cancelled, so that Claude asks for it a second time.
    """

    def __init__(self, context: LLMContext, told: set[str]) -> None:
        super().__init__(context)
        self._told = told

    async def _handle_function_call_cancel(self, frame: FunctionCallCancelFrame) -> None:
        await super()._handle_function_call_cancel(frame)
        if frame.tool_call_id in self._told:
            self._update_function_call_result(frame.function_name, frame.tool_call_id, json.dumps(UNKNOWN_YET))


class Steering:
    """Keeps Claude's prompt and tools as the orchestrator's newest word has them, and brings it the results."""

    def __init__(
        self, llm: AnthropicLLMService, context: LLMContext, call: Call, now: datetime, words: int | Callable[[], int]
    ) -> None:
        self._llm = llm
        self._context = context
        self._call = call
        self._now = now
        self._words = words
        self.told: set[str] = set()
        """What Claude has asked for that is in the log."""
        self._open = 0
        self._leaving: asyncio.Task[None] | None = None
        self._speaks = False

    def register(self, hang_up: Callable[[], Awaitable[None]], hand_over: Callable[[], Awaitable[None]]) -> None:
        """Each call of a tool is a fact, and its result is what came of it; `hang_up` ends the call after the last words.

        `hand_over` says that a person comes, and lets the contact go to them.
        """

        async def tool(params: FunctionCallParams) -> None:
            name = params.function_name
            self._open += 1
            result: Mapping[str, Any] | None = None
            try:
                number = self._call.asked(name, params.arguments)
                if name != prompts.END_CALL:  # whoever interrupts our goodbye goes on talking
                    self.told.add(params.tool_call_id)
                if name != prompts.END_CALL and self._call.guide is not None:
                    result = await self._call.guide.answer(number, PATIENCE_S)
            finally:
                self._open -= 1
            await params.result_callback(
                dict(result) if result else UNKNOWN_YET,
                properties=FunctionCallResultProperties(run_llm=self._runs(name)),
            )
            if name == prompts.END_CALL:
                self._call.reason = "completed"
                await hang_up()

        self._llm.register_function(None, tool)
        if self._call.guide is not None:
            self._call.guide.told = self.follow
            self._call.guide.hands_over = lambda version: self._hands_over(version, hand_over)

    def _hands_over(self, version: int, hand_over: Callable[[], Awaitable[None]]) -> None:
        """A person takes over: Claude says nothing more, and the contact is let go once the flow can find whom to ring."""
        begin = self._call.hand_over
        if begin is None or self._call.handed_over:
            return
        self._call.handed_over = True

        async def leave() -> None:
            for _ in range(TRIES):
                if await _done(begin(version)):
                    await hand_over()
                    return
                await asyncio.sleep(AGAIN_S)
            self._call.handed_over = False  # Claude goes on with them

        self._leaving = asyncio.create_task(leave())

    async def follow(self, told: CallGuided) -> None:
        """From the next turn on the call is about this."""
        words = self._words if isinstance(self._words, int) else self._words()
        system = prompts.system(told.instructions, told.context, self._now, words)
        # Not by Pipecat's frame for it, which would wait behind speech.
        await self._llm._update_settings(AnthropicLLMService.Settings(system_instruction=system))
        self._context.set_tools(schemas(told))

    def _runs(self, name: str) -> bool:
        """Whether Claude speaks now: once for all tools of an answer, where it has said nothing yet or they want words."""
        newest = self._call.guide.newest if self._call.guide is not None else None
        silent = not self._call.exchange.planned.strip()
        asks = name not in OWN_WORDS or (name == prompts.REPORT_INTENT and newest is not None and newest.speaks)
        self._speaks = self._speaks or asks or (silent and name != prompts.END_CALL)
        if self._open or self._call.handed_over:
            return False
        speaks, self._speaks = self._speaks, False
        return speaks
