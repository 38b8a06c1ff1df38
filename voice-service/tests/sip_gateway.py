"""A gateway between a SIP trunk and the sandbox's phones, as a carrier has one: `python -m sip_gateway <port> <sandbox>`.

Whoever is called rings, answers, talks, presses keys and hangs up as their phone in the sandbox does, which takes the gateway for
a business of Exotel's. A busy phone is 486; a failed one rings on. Both sides have 8 kHz; sound comes in blocks of 100 ms there.
"""

import asyncio
import base64
import contextlib
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from baresip import Account, AudioNotActive, AudioRestarted, Call, Config, Runtime, UserAgent
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from libs.kit import ids
from voice_service.sip_stack import closing, hang_up

BLOCK = 3200
"""200 ms: the least that the phone's side takes at once."""
AHEAD = bytes(BLOCK)
"""Sound that waits on either side, so that neither runs dry."""
NUMBER = re.compile(r"sip:([^@;>]+)@")
LISTENING = "listening"


@dataclass(slots=True, eq=False)
class Leg:
    """A phone's side of a call, once it was answered."""

    socket: ServerConnection
    stream: str
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Gateway:
    """`sandbox` is the origin of the emulators."""

    def __init__(self, port: int, sandbox: str) -> None:
        self._port = port
        self._sandbox = sandbox
        self._runtime = Runtime()
        self._client = httpx.AsyncClient(timeout=120)
        self._answered: dict[str, asyncio.Future[Leg]] = {}
        self._server: Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Carry calls until the process ends."""
        self._server = await serve(self._media, "127.0.0.1", 0, compression=None)
        await self._runtime.start(
            Config(
                net_interface="127.0.0.1",
                max_concurrent_calls=None,
                expose_headers=("To",),
                extra_config_text=f"sip_listen 127.0.0.1:{self._port}\nrtp_ports 19000-22998\n"
                "audio_jitter_buffer_type adaptive\naudio_jitter_buffer_ms 40-200\n",
            )
        )
        anybody = Account(
            user="anybody",
            domain="127.0.0.1",
            password="",
            reg_interval=0,
            audio_codecs=("pcma", "pcmu"),
            extra_params=("catchall=yes",),
        )
        agent = await UserAgent.create(self._runtime, anybody)
        agent.on_incoming(self._start)
        print(LISTENING, flush=True)  # noqa: T201 - who started it waits for this
        await asyncio.Event().wait()

    def _start(self, call: Call) -> None:
        number = NUMBER.search(call.headers["To"])
        assert number is not None, call.headers
        task = asyncio.create_task(self._carry(call, number[1]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, call: Call, number: str) -> None:
        key = ids.fresh().hex
        answered = self._answered[key] = asyncio.get_running_loop().create_future()
        gone = asyncio.create_task(closing(call).wait())
        sid = await self._dial(number, key)
        over = asyncio.create_task(self._status(sid))
        await asyncio.wait((answered, gone, over), return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            await self._talk(call, answered.result(), gone)
        elif over.done() and over.result() == "busy":
            await call.reject()
        await gone
        with contextlib.suppress(httpx.HTTPError):
            await self._client.post(f"{self._sandbox}/_sandbox/exotel/calls/{sid}/hang-up")
        over.cancel()

    async def _dial(self, number: str, key: str) -> str:
        assert self._server is not None
        [socket] = self._server.sockets
        form = {
            "From": number,
            "CallerId": "1600047189",
            "StreamUrl": f"ws://127.0.0.1:{socket.getsockname()[1]}/?call={key}",
            "StreamType": "bidirectional",
            "TimeOut": "120",
        }
        url = f"{self._sandbox}/sandbox/exotel/v1/Accounts/gateway/Calls/connect.json"
        answer = await self._client.post(url, data=form, auth=("gateway", "gateway"))
        sid: str = answer.raise_for_status().json()["Call"]["Sid"]
        return sid

    async def _status(self, sid: str) -> str:
        answer = await self._client.get(f"{self._sandbox}/_sandbox/exotel/calls/{sid}/over")
        status: str = answer.raise_for_status().json()["status"]
        return status

    async def _media(self, socket: ServerConnection) -> None:
        """A phone was answered: its stream is the call's as long as that lasts."""
        async for raw in socket:
            told = msgspec.json.decode(raw, type=dict[str, Any])
            if told["event"] == "start":
                leg = Leg(socket, told["stream_sid"])
                self._answered.pop(told["start"]["custom_parameters"]["call"]).set_result(leg)
                await leg.over.wait()
                return

    async def _talk(self, call: Call, leg: Leg, gone: "asyncio.Task[bool]") -> None:
        await call.answer()
        await call.wait_established(10)
        both = [asyncio.create_task(self._from_phone(call, leg)), asyncio.create_task(_to_phone(call, leg))]
        await asyncio.wait((*both, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        for ended in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, ConnectionClosed):
                raise ended
        leg.over.set()
        await hang_up(call)

    async def _from_phone(self, call: Call, leg: Leg) -> None:
        _write(call, AHEAD)
        pressing: list[asyncio.Task[None]] = []
        async for raw in leg.socket:
            match msgspec.json.decode(raw, type=dict[str, Any]):
                case {"event": "media", "media": {"payload": str(payload)}}:
                    _write(call, base64.b64decode(payload))
                case {"event": "dtmf", "dtmf": {"digit": str(digit)}}:
                    pressing.append(asyncio.create_task(_press(call, digit, pressing[-1] if pressing else None)))
                case {"event": "stop"}:
                    return


async def _press(call: Call, digit: str, before: "asyncio.Task[None] | None") -> None:
    if before is not None:
        await before
    await call.send_dtmf(digit)
    await asyncio.sleep(0.12)


def _write(call: Call, pcm: bytes) -> None:
    with contextlib.suppress(AudioNotActive, AudioRestarted):
        call.audio.write(pcm)


async def _to_phone(call: Call, leg: Leg) -> None:
    heard = bytearray(AHEAD)
    while True:
        with contextlib.suppress(AudioNotActive, AudioRestarted):
            heard += call.audio.read(BLOCK)
        while len(heard) >= BLOCK:
            payload = base64.b64encode(bytes(heard[:BLOCK])).decode()
            del heard[:BLOCK]
            sound = {"event": "media", "stream_sid": leg.stream, "media": {"payload": payload}}
            await leg.socket.send(msgspec.json.encode(sound).decode())
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(Gateway(int(sys.argv[1]), sys.argv[2]).run())
