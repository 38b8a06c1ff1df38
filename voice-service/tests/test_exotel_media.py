"""Exotel's media in a pipeline of Pipecat's, over a real WebSocket: what the port's media promise, without a conversation."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from pipecat.frames.frames import EndFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from voice_world import a_call
from websockets.asyncio.client import connect

from libs.channels.exotel_media import Started
from libs.kit.embedded_process import free_port
from voice_service.exotel_media import ExotelMedia

SECOND = b"\x00\x20\x00\xe0" * 4000
"""A loud second of ours."""


async def test_a_call_is_not_hung_up_before_our_last_word_has_been_heard():
    began = 0.0

    async def talks(socket: WebSocket) -> None:
        nonlocal began
        await socket.accept()
        transport = ExotelMedia(socket, Started(stream="MZ1", ref="C1", call="7", rate=8000)).transport(a_call())
        worker = PipelineWorker(
            Pipeline([transport.input(), transport.output()]),
            params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        began = time.monotonic()
        await worker.queue_frames([OutputAudioRawFrame(SECOND, 8000, 1), EndFrame()])
        await runner.run()

    async def phone(url: str) -> None:
        async with connect(url) as socket:
            assert sum(1 for _ in [each async for each in socket]) == 5, "all of it was sent"
        assert time.monotonic() - began >= 1.0, "and was played by then"

    await served(talks, phone)


async def served(talks: Callable[[WebSocket], Awaitable[Any]], phone: Callable[[str], Awaitable[None]]) -> None:
    """A WebSocket of ours, as long as the phone wants it."""
    port = free_port()
    app = Starlette(routes=[WebSocketRoute("/", talks)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0.02)
            await phone(f"ws://127.0.0.1:{port}/")
    finally:
        server.should_exit = True
        await serving
