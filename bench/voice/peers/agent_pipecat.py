"""Pipecat as its quickstart has it: Deepgram, Silero and Smart Turn, Claude, Cartesia, its Exotel serializer, all defaults.

With the option `flux` Deepgram's Flux takes the turns, as Pipecat recommends for it, and there is no local VAD. What differs from
the defaults: addresses of the providers, 8 kHz on both sides (Exotel's), one line of greeting, logs at WARNING.
"""

import asyncio
import json
import sys

import uvicorn
from anthropic import AsyncAnthropic
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from starlette.websockets import WebSocket

GIVEN = json.loads(sys.argv[1])
PROVIDERS = f"127.0.0.1:{GIVEN['providers']}"
FLUX = GIVEN["options"] == "flux"
GREETING = "Namaste ji, invoice ka payment baaki hai. Aapko yaad dilana tha."
SYSTEM = "You are on the phone with a business contact in India. Ask when they will pay the invoice. Short sentences."


async def talk(socket: WebSocket) -> None:
    """One call."""
    await socket.accept()
    while (told := json.loads(await socket.receive_text()))["event"] != "start":
        pass
    transport = FastAPIWebsocketTransport(
        socket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=ExotelFrameSerializer(told["stream_sid"], told["start"]["call_sid"]),
        ),
    )
    if FLUX:
        stt = DeepgramFluxSTTService(
            api_key="x",
            url=f"ws://{PROVIDERS}/v2/listen",
            settings=DeepgramFluxSTTService.Settings(model="flux-general-multi"),
        )
    else:
        stt = DeepgramSTTService(api_key="x", base_url=f"ws://{PROVIDERS}")
    llm = AnthropicLLMService(
        api_key="x",
        client=AsyncAnthropic(api_key="x", base_url=f"http://{PROVIDERS}"),
        settings=AnthropicLLMService.Settings(model="claude-haiku-5-5", system_instruction=SYSTEM),
    )
    tts = CartesiaTTSService(
        api_key="x",
        url=f"ws://{PROVIDERS}/tts/websocket",
        settings=CartesiaTTSService.Settings(voice="a0e99841-438c-4a64-b679-ae501e7d6091"),
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=None if FLUX else SileroVADAnalyzer())
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
    )

    @transport.event_handler("on_client_connected")
    async def here(_transport, _socket):
        await worker.queue_frame(TTSSpeakFrame(GREETING))

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport, _socket):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def application(scope, receive, send):
    """Every WebSocket is a call."""
    if scope["type"] == "websocket":
        await talk(WebSocket(scope, receive, send))


async def main() -> None:
    config = uvicorn.Config(application, port=GIVEN["port"], log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
