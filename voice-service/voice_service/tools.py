"""What Claude may ask for during a call, and what it hears of it."""

from collections.abc import Awaitable, Callable

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.services.llm_service import FunctionCallParams

from libs.llm import calls as prompts
from voice_service.calls import Call

FURTHER_WORDS = frozenset({prompts.SEND_ON_CHANNEL, prompts.SCHEDULE_CALLBACK, prompts.TRANSFER})
"""Tools whose result Claude speaks about; the others come with words of their own."""
NOT_DONE_YET = "It is on record and not done yet: say that it will be seen to, never that it is done."
"""What Claude hears of every tool: a call tells facts, and whoever acts on them does so after it."""


def schemas(call: Call) -> ToolsSchema:
    """The tools of a call, as Claude is told them."""
    asked = call.intent.event
    return ToolsSchema(standard_tools=[FunctionSchema(**each) for each in prompts.tools(asked.intents, asked.channels)])


def register(llm: AnthropicLLMService, call: Call, hang_up: Callable[[], Awaitable[None]]) -> None:
    """Each call of a tool is a fact; `hang_up` ends the call once the last words are spoken."""

    async def tool(params: FunctionCallParams) -> None:
        call.asked(params.function_name, params.arguments)
        further = params.function_name in FURTHER_WORDS
        await params.result_callback(
            {"status": "noted", "note": NOT_DONE_YET}, properties=FunctionCallResultProperties(run_llm=further)
        )
        if params.function_name == prompts.END_CALL:
            call.reason = "completed"
            await hang_up()

    for schema in schemas(call).standard_tools:
        llm.register_function(schema.name, tool)
