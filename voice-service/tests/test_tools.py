"""What Claude asks for in a call: let go to a person only once that is written down, and nothing is taken back by an interruption."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from pipecat.frames.frames import EndFrame, FunctionCallFromLLM, InterruptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.workers.runner import WorkerRunner
from voice_world import a_call

from libs.testkit.nouns import NOON, TENANT
from voice_service import tools
from voice_service.guides import Guide
from voice_service.tools import NOT_DONE_YET, Remembering, Steering


@pytest.mark.parametrize(("away", "let_go"), [(2, True), (99, False)])
async def test_they_are_let_go_once_the_flow_can_find_whom_to_ring(
    away: int, let_go: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tools, "AGAIN_S", 0)
    call, tried, gone = a_call(), [], []

    async def begin(version: int) -> None:
        tried.append(version)
        if len(tried) <= away:
            raise ConnectionRefusedError

    async def goes() -> None:
        gone.append(True)

    call.hand_over = begin
    nobody: Any = None
    now: datetime = NOON
    steering = Steering(nobody, nobody, call, now, 80)
    for _ in range(2):  # it may be asked for twice
        steering._hands_over(7, goes)
    assert steering._leaving is not None
    async with asyncio.timeout(5):
        await steering._leaving
    assert (bool(gone), call.handed_over) == (let_go, let_go)
    assert set(tried) == {7}
    assert len(tried) == min(away + 1, tools.TRIES)


async def test_who_interrupts_while_a_tool_runs_has_not_taken_it_back_and_claude_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(tools, "PATIENCE_S", 60)
    call = a_call()
    call.guide = Guide(TENANT, call.known.call, "conversation-1", 0)  # nobody says what came of it
    context = LLMContext([{"role": "user", "content": "Invoice WhatsApp pe bhej do."}])
    llm = AnthropicLLMService(api_key="nobody is asked")
    steering = Steering(llm, context, call, NOON, 80)

    async def nothing() -> None:
        raise AssertionError("the call goes on")

    steering.register(nothing, nothing)
    worker = PipelineWorker(
        Pipeline([llm, Remembering(context, steering.told)]),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    ready = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator] # Pipecat has none
    async def started(_worker: Any, _frame: Any) -> None:
        ready.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(20):
        await ready.wait()
        asks = FunctionCallFromLLM("send_on_channel", "toolu_1", {"channel": "whatsapp"}, context)
        asking = asyncio.create_task(llm.run_function_calls([asks]))
        while call.tools == 0 or result(context) != "IN_PROGRESS":  # noqa: ASYNC110 - Pipecat's own tasks
            await asyncio.sleep(0.01)
        await worker.queue_frame(InterruptionFrame())
        while result(context) == "IN_PROGRESS":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    await worker.queue_frame(EndFrame())
    await asyncio.gather(running, asking)
    assert NOT_DONE_YET in result(context), "it is in the log, and done by whoever reads that"


def result(context: LLMContext) -> str:
    """What Claude is told of its tool."""
    told: list[Any] = [each for each in context.get_messages() if isinstance(each, dict) and each["role"] == "tool"]
    return str(told[-1]["content"]) if told else ""
