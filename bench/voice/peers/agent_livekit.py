"""livekit-agents 1.8.9 without its server: an AgentSession a call, with an audio input and output of our own that speak Exotel.

LiveKit's own way is a room on a media server, which a telephone reaches by SIP: that, its transport and its process a call are not
in these figures. Turns by Deepgram Flux (`turn_detection: stt`, as its documentation has it), Claude, Cartesia at 8 kHz; the rest
are defaults, the local VAD among them.
"""

import asyncio
import base64
import json
import logging
import sys
import time

import aiohttp
import uvicorn
import uvloop
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice import io
from livekit.plugins import anthropic, cartesia, deepgram
from starlette.websockets import WebSocket, WebSocketDisconnect

GIVEN = json.loads(sys.argv[1])
PROVIDERS = f"127.0.0.1:{GIVEN['providers']}"
RATE = 8000
SMALLEST, STEP = 3200, 320
GREETING = "Namaste ji, invoice ka payment baaki hai. Aapko yaad dilana tha."
SYSTEM = "You are on the phone with a business contact in India. Ask when they will pay the invoice. Short sentences."


class FromExotel(io.AudioInput):
    """The contact's sound."""

    def __init__(self) -> None:
        super().__init__(label="exotel")
        self.blocks = asyncio.Queue()

    async def __anext__(self):
        if (pcm := await self.blocks.get()) is None:
            raise StopAsyncIteration
        return rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)


class ToExotel(io.AudioOutput):
    """Our sound, in chunks that Exotel takes, as soon as they are there; it plays them in time."""

    def __init__(self, socket, stream) -> None:
        super().__init__(label="exotel", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._socket = socket
        self._stream = stream
        self._kept = bytearray()
        self._pushed = 0.0
        self._began = 0.0
        self._ending = None
        self._sending = set()

    async def capture_frame(self, frame) -> None:
        await super().capture_frame(frame)
        if not self._pushed:
            self._began = time.time()
            self.on_playback_started(created_at=self._began)
        self._pushed += frame.duration
        self._kept += bytes(frame.data)
        while len(self._kept) >= SMALLEST:
            await self._media(bytes(self._kept[:SMALLEST]))
            del self._kept[:SMALLEST]

    def flush(self) -> None:
        super().flush()
        if self._kept:
            rest, self._kept = bytes(self._kept).ljust(SMALLEST, b"\0"), bytearray()
            self._soon(self._media(rest))
        if self._pushed:
            self._ending = asyncio.get_running_loop().call_later(
                max(0.0, self._began + self._pushed - time.time()), self._ended, False
            )

    def clear_buffer(self) -> None:
        self._kept.clear()
        self._soon(self._send({"event": "clear", "stream_sid": self._stream}))
        if self._pushed:
            self._ended(True)

    def _ended(self, interrupted) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        position = min(self._pushed, time.time() - self._began)
        self._pushed = 0.0
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    def _soon(self, sending) -> None:
        task = asyncio.ensure_future(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _media(self, pcm) -> None:
        payload = base64.b64encode(pcm + bytes(-len(pcm) % STEP)).decode()
        await self._send({"event": "media", "stream_sid": self._stream, "media": {"payload": payload}})

    async def _send(self, message) -> None:
        try:
            await self._socket.send_text(json.dumps(message))
        except (RuntimeError, WebSocketDisconnect):
            pass  # the contact has hung up


async def talk(socket, http) -> None:
    """One call."""
    await socket.accept()
    while (told := json.loads(await socket.receive_text()))["event"] != "start":
        pass
    session = AgentSession(
        stt=deepgram.STTv2(
            model="flux-general-multi",
            sample_rate=RATE,
            api_key="x",
            base_url=f"ws://{PROVIDERS}/v2/listen",
            http_session=http,
        ),
        llm=anthropic.LLM(model="claude-haiku-5-5", api_key="x", base_url=f"http://{PROVIDERS}"),
        tts=cartesia.TTS(api_key="x", sample_rate=RATE, base_url=f"http://{PROVIDERS}", http_session=http),
        turn_handling={"turn_detection": "stt"},
    )
    ears = FromExotel()
    session.input.audio = ears
    session.output.audio = ToExotel(socket, told["stream_sid"])
    await session.start(Agent(instructions=SYSTEM))
    session.say(GREETING)
    try:
        while True:
            told = json.loads(await socket.receive_text())
            if told["event"] == "media":
                ears.blocks.put_nowait(base64.b64decode(told["media"]["payload"]))
            elif told["event"] == "stop":
                break
    except WebSocketDisconnect:
        pass
    finally:
        ears.blocks.put_nowait(None)
        await session.aclose()


async def main() -> None:
    async with aiohttp.ClientSession() as http:

        async def application(scope, receive, send):
            if scope["type"] == "websocket":
                await talk(WebSocket(scope, receive, send), http)

        config = uvicorn.Config(application, port=GIVEN["port"], log_level="warning", lifespan="off")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
