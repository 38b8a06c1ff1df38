"""The pipeline of one call: Deepgram Flux, the turn-taking engine, Claude, Cartesia, and the telephony's media between."""

import asyncio
import ssl
from functools import cache
from typing import Any

from anthropic import AsyncAnthropic
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import EndFrame, FunctionCallResultProperties
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.tts_service import TextAggregationMode
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from starlette.websockets import WebSocket

from libs.channels.exotel_media import RATE
from libs.domain.endpointing import Endpointing
from libs.domain.floor import INDIAN, Manners, Silence
from libs.llm import calls as prompts
from voice_service.calls import Call
from voice_service.media import CHUNK_10MS, ExotelMedia
from voice_service.settings import Door, Voice
from voice_service.turns import Listened, Planned, Spoken, TurnTaking

FURTHER_WORDS = frozenset({prompts.SEND_ON_CHANNEL, prompts.SCHEDULE_CALLBACK, prompts.TRANSFER})
"""Tools whose result Claude speaks about; the others come with words of their own."""
NOT_DONE_YET = "It is on record and not done yet: say that it will be seen to, never that it is done."
"""What Claude hears of every tool: a call tells facts, and whoever acts on them does so after it."""
KEY_TERMS = ["invoice", "payment", "rupees", "lakh", "crore"]


@cache
def _tls() -> ssl.SSLContext:
    """One for all sockets: making it blocks the loop for tens of milliseconds."""
    return ssl.create_default_context()


class _SharedTls:
    async def _websocket_connect(self, uri: str, **options: Any) -> Any:
        if uri.startswith("wss"):
            options.setdefault("ssl", _tls())
        return await super()._websocket_connect(uri, **options)  # type: ignore[misc]


class Flux(_SharedTls, DeepgramFluxSTTService):
    """Deepgram Flux."""


class Cartesia(_SharedTls, CartesiaTTSService):
    """Cartesia's voice."""


def manners(voice: Voice) -> Manners:
    """How the tenant's agent takes turns: the Indian preset, and what the settings say otherwise."""
    endpointing = {"base_ms": INDIAN.endpointing.base_ms, **voice.endpointing}
    silence = {name: getattr(INDIAN.silence, name) for name in Silence.__slots__} | dict(voice.silence)
    return Manners(endpointing=Endpointing(**endpointing), silence=Silence(**silence))


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
    schemas = [FunctionSchema(**each) for each in prompts.tools(asked.intents, asked.channels)]
    opening: list[Any] = [{"role": "user", "content": "(the call has been answered)"}]
    context = LLMContext(opening, tools=ToolsSchema(standard_tools=schemas))
    stt = Flux(
        api_key=door.keys["stt"],
        url=f"{door.urls['stt']}/v2/listen",
        audio_passthrough=False,
        should_interrupt=False,
        settings=DeepgramFluxSTTService.Settings(model=voice.stt_model, keyterm=KEY_TERMS),
    )
    llm = AnthropicLLMService(
        api_key=door.keys["llm"],
        client=claude,
        settings=AnthropicLLMService.Settings(
            model=voice.model or call.bundle.settings.llm.model,
            system_instruction=prompts.system(asked.instructions, asked.context, now, voice.max_response_words),
            max_tokens=400,
            enable_prompt_caching=True,
        ),
    )
    tts = Cartesia(
        api_key=door.keys["tts"],
        url=f"{door.urls['tts']}/tts/websocket",
        sample_rate=RATE,
        settings=CartesiaTTSService.Settings(
            voice=voice.voice_id, model=voice.tts_model, language=asked.language or "hi"
        ),
        text_aggregation_mode=TextAggregationMode.TOKEN,
    )
    turns = TurnTaking(call, context, manners(voice), asked.opening)
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
        params=PipelineParams(
            audio_in_sample_rate=RATE, audio_out_sample_rate=RATE, enable_metrics=True, enable_usage_metrics=True
        ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    async def tool(params: FunctionCallParams) -> None:
        call.asked(params.function_name, params.arguments)
        further = params.function_name in FURTHER_WORDS
        await params.result_callback(
            {"status": "noted", "note": NOT_DONE_YET}, properties=FunctionCallResultProperties(run_llm=further)
        )
        if params.function_name == prompts.END_CALL:
            call.reason = "completed"
            await worker.queue_frame(EndFrame())

    for schema in schemas:
        llm.register_function(schema.name, tool)

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
