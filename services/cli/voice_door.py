"""The way to voice-service on the one port: `/api/v1/voice/…`, requests and media sockets alike."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
from litestar import asgi
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from libs.kit import http
from libs.kit.serve import App

PATH = "/api/v1/voice"
HOP_BY_HOP = frozenset({"connection", "host", "content-length", "transfer-encoding", "keep-alive", "upgrade"})
"""Headers of one connection, which are not passed on."""
AWAY = 1013
"""WebSocket close code: try again later."""
TIMEOUT = timedelta(seconds=30)


async def door(host: str, port: int) -> App:
    """An application that hands everything below PATH to the process at `port`, which is ready and says itself what that is."""
    client = http.client(f"http://{host}:{port}", timeout=TIMEOUT)
    document = (await client.get("/api/docs/openapi.json")).raise_for_status().json()

    @asgi(PATH, is_mount=True, copy_scope=True)
    async def voice(scope: Scope, receive: Receive, send: Send) -> None:
        target = f"{PATH}{_rest(scope)}"
        if scope["type"] == ScopeType.WEBSOCKET:
            await _talk(f"ws://{host}:{port}{target}", receive, send)
        else:
            await _ask(client, target, scope, receive, send)

    return App("voice-door", routes=[voice], close=client.aclose, document=document)


async def _ask(client: httpx.AsyncClient, target: str, scope: Any, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message: Mapping[str, Any] = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(name, value) for name, value in scope["headers"] if name.decode("latin-1").lower() not in HOP_BY_HOP]
    try:
        answer = await client.request(scope["method"], target, headers=headers, content=body)
    except httpx.HTTPError:
        answer = httpx.Response(503, json={"title": "voice-service does not answer", "status": 503})
    told = [(name, value) for name, value in answer.headers.raw if name.decode("latin-1").lower() not in HOP_BY_HOP]
    told = [(name, value) for name, value in told if name.lower() != b"content-encoding"]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": told})
    await send({"type": "http.response.body", "body": answer.content, "more_body": False})


async def _talk(url: str, receive: Receive, send: Send) -> None:
    await receive()
    try:
        async with connect(url, max_size=None, proxy=None) as inside:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            outward = asyncio.create_task(_out(inside, send))
            inward = asyncio.create_task(_in(inside, receive))
            _, left = await asyncio.wait([outward, inward], return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            code = inside.close_code or 1000
    except (OSError, WebSocketException):
        code = AWAY
    with suppress(RuntimeError):
        await send({"type": "websocket.close", "code": code, "reason": ""})


async def _out(inside: ClientConnection, send: Send) -> None:
    with suppress(ConnectionClosed):
        async for message in inside:
            text, data = (message, None) if isinstance(message, str) else (None, message)
            await send({"type": "websocket.send", "text": text, "bytes": data})


async def _in(inside: ClientConnection, receive: Receive) -> None:
    with suppress(ConnectionClosed):
        while (message := await receive())["type"] == "websocket.receive":
            told: Any = message
            await inside.send(told["text"] if told.get("text") is not None else told["bytes"])


def _rest(scope: Any) -> str:
    path = scope["path"].removeprefix(PATH)
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else str(path)
