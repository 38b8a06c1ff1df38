"""The words of ASGI, and how the emulated providers answer in them."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def body(receive: Receive) -> bytes:
    """The whole body of a request."""
    found, more = b"", True
    while more:
        message = await receive()
        found += message.get("body", b"")
        more = message.get("more_body", False)
    return found


async def stream(send: Send) -> None:
    """Begin to answer with server-sent events."""
    headers = [(b"content-type", b"text/event-stream"), (b"request-id", b"req_bench")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def part(send: Send, body: bytes, *, more: bool = True) -> None:
    """More of an answer."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    """A whole answer."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await part(send, body, more=False)
