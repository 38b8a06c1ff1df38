"""The pipeline of one call: Deepgram Flux, the turn-taking engine, Claude, Cartesia, and the telephony's media between."""

import asyncio
from typing import Any

from anthropic import AsyncAnthropic
from pipecat.frames.frames import EndFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from starlette.websockets import WebSocket

from libs.channels.exotel_media import RATE
from libs.domain.floor import manners
from libs.llm import calls as prompts
from voice_service import providers, tools
from voice_service.calls import Call
from voice_service.media import CHUNK_10MS, ExotelMedia
from voice_service.settings import Door, Voice
from voice_service.turns import Listened, Planned, Spoken, TurnTaking


async def talk(
    socket: WebSocket, stream: str, call: Call, door: Door, voice: Voice, claude: AsyncAnthropic, now: Any
) -> None:
    """Hold the conversation until somebody hangs up; `call` knows afterwards how it ended."""
    asked = call.intent.event
    transport = FastAPIWebsocketTransport(
        socket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=ExotelMedia(stream, call),
            audio_out_10ms_chunks=CHUNK_10MS,
            audio_out_end_silence_secs=0,
        ),
    )
    opening: list[Any] = [{"role": "user", "content": "(the call has been answered)"}]
    context = LLMContext(opening, tools=tools.schemas(call))
    system = prompts.system(asked.instructions, asked.context, now, voice.max_response_words)
    stt = providers.ears(door, voice)
    llm = providers.mind(door, claude, voice.model or call.bundle.settings.llm.model, system)
    tts = providers.mouth(door, voice, asked.language or "hi")
    turns = TurnTaking(call, context, manners(call.bundle.settings.voice), asked.opening)
    assistant = LLMAssistantAggregator(context)
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                stt,
                turns,
                llm,
                Planned(call),
                tts,
                Spoken(call),
                transport.output(),
                Listened(call, turns),
                assistant,
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE, enable_usage_metrics=True),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    async def hang_up() -> None:
        await worker.queue_frame(EndFrame())

    tools.register(llm, call, hang_up)

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def gone(_transport: Any, _socket: Any) -> None:
        await worker.cancel()

    async def limit() -> None:
        await asyncio.sleep(asked.max_seconds)
        call.reason = "max_duration"
        await worker.queue_frame(EndFrame())

    limiting = asyncio.create_task(limit())
    try:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
    finally:
        limiting.cancel()
