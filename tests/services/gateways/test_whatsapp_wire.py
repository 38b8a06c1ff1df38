"""What a hostile wire makes of one call to Meta: each way of breaking is told apart by whether something may have been sent."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from libs.channels import whatsapp
from libs.channels.outcome import Accepted, Outcome, Refused, Retry, Unknown
from libs.kit import http
from services.gateways.whatsapp.call import Graph
from services.gateways.whatsapp.door import sandbox_door

PATIENCE, HASTY = timedelta(minutes=1), timedelta(seconds=2)
REQUEST = whatsapp.Request("/v26.0/106540352242922/messages", {"to": "919876543210"})
Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TAKEN = b'{"messaging_product":"whatsapp","contacts":[],"messages":[{"id":"wamid.1"}]}'


def answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


def says(raw: bytes) -> Says:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(raw)
        await writer.drain()

    return say


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The request is taken, then the connection is reset."""
    await reader.readuntil(b"}")
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that does not end."""
    await reader.readuntil(b"}")
    writer.write(answer("200 OK", b"", length=10**12))
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b" " * 65536)
            await writer.drain()


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"}")
    await reader.read()


BROKEN: list[tuple[str, Says, type[Outcome]]] = [
    ("taken", says(answer("200 OK", TAKEN)), Accepted),
    ("closed without a word", says(b""), Unknown),
    ("reset after the request", resets, Unknown),
    ("silent", is_silent, Unknown),
    ("endless", floods, Unknown),
    ("truncated", says(answer("200 OK", TAKEN[:40], length=len(TAKEN))), Unknown),
    ("garbage", says(b"\x00\xff\x00 garbage\r\n\r\n"), Unknown),
    ("a page of a captive portal", says(answer("200 OK", b"<html>log in</html>")), Unknown),
    ("empty", says(answer("200 OK", b"")), Unknown),
    ("no content", says(answer("204 No Content", b"")), Unknown),
    ("gzip that is none", says(answer("200 OK", TAKEN, "content-encoding: gzip")), Unknown),
    ("a redirect elsewhere", says(answer("307 Temporary Redirect", b"", "location: http://127.0.0.1:1/x")), Refused),
    ("bad gateway", says(answer("502 Bad Gateway", b"<html>")), Unknown),
    ("too many", says(answer("429 Too Many", b"", "retry-after: 17")), Retry),
    ("too many, for ever", says(answer("429 Too Many", b"", "retry-after: 1e999")), Retry),
    ("deep", says(answer("400 Bad Request", b"[" * 100_000)), Refused),
    ("not found", says(answer("404 Not Found", b"")), Refused),
]


@pytest.mark.parametrize(("says", "expected"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
async def test_only_what_surely_was_not_sent_is_tried_again(says: Says, expected: type[Outcome]):
    timeout = HASTY if says is is_silent else PATIENCE
    async with server(says) as port, http.client(timeout=timeout) as client:
        outcome = await Graph(client).say(REQUEST, sandbox_door(f"http://127.0.0.1:{port}"), 0)
    assert isinstance(outcome, expected), outcome


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:{port}"])
async def test_where_nobody_could_be_asked_nothing_was_sent(url: str):
    async with server(says(answer("200 OK", TAKEN))) as port, http.client(timeout=HASTY) as client:
        outcome = await Graph(client).say(REQUEST, sandbox_door(url.format(port=port)), 0)
    assert isinstance(outcome, Retry), outcome


@asynccontextmanager
async def server(says: Says) -> AsyncIterator[int]:
    """Answers on a port of loopback as it pleases; every connection is over when the context is."""
    over: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over.append(ended := asyncio.Event())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await says(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        async with asyncio.timeout(60):
            for each in over:
                await each.wait()
