"""The providers that a call needs, as lean as their protocols allow, in one ASGI application, so that they are not what is measured.

Deepgram's `/v2/listen` and `/v1/listen` (ears.py), Claude's Messages API (mind.py), Cartesia's socket (mouth.py), and Exotel's
`Calls/connect`. How long they take is fixed (script.Pace).
"""

import json
from collections.abc import Callable
from urllib.parse import parse_qsl
from uuid import uuid4

from bench.voice import asgi, mouth
from bench.voice.asgi import Receive, Scope, Send
from bench.voice.ears import Ears
from bench.voice.mind import Mind
from bench.voice.mouth import Mouth
from bench.voice.script import Pace

Dialled = Callable[[dict[str, str], str], None]
"""`dialled(form, sid)`: somebody asked Exotel for a call."""


class Providers:
    """All of them; `pace` may change between runs."""

    def __init__(self, pace: Pace, dialled: Dialled) -> None:
        self.mind = Mind(pace)
        self._dialled = dialled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        match scope["type"], scope["path"].rsplit("/", 1)[-1]:
            case "websocket", "listen":
                await Ears(self.mind.pace, send, scope).attend(receive)
            case "websocket", _:
                await Mouth(self.mind.pace, send).attend(receive)
            case "http", "messages":
                await self.mind.messages(await asgi.body(receive), send)
            case "http", "completions":
                await self.mind.completions(await asgi.body(receive), send)
            case "http", "bytes":
                await mouth.whole(await asgi.body(receive), send, self.mind.pace)
            case "http", "connect.json":
                await self._connect(await asgi.body(receive), send)
            case "http", sid if "/Calls/" in scope["path"]:
                told = {"Call": {"Sid": sid.removesuffix(".json"), "Status": "in-progress"}}
                await asgi.respond(send, 200, json.dumps(told).encode())
            case "http", _:
                await asgi.respond(send, 404, b"{}")

    async def _connect(self, body: bytes, send: Send) -> None:
        form = dict(parse_qsl(body.decode()))
        sid = uuid4().hex
        await asgi.respond(send, 200, json.dumps({"Call": {"Sid": sid, "Status": "in-progress"}}).encode())
        self._dialled(form, sid)
