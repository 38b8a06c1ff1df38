"""HTTP under faults: whatever is sent, the answer is a problem below 500; a log that is away is 503."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from prometheus_client import generate_latest

from libs.kit import requests
from libs.kit.auth import Auth
from libs.kit.embedded import PostgresServer
from libs.kit.serve import App, application, serve
from libs.kit.store import Overloaded, Store, Unavailable
from libs.kit.tenants import Tenants
from libs.testkit.servers import MASTER


class Order(msgspec.Struct):
    """What the test's endpoint takes."""

    item: str
    count: int = 1


@post("/orders")
async def order(data: JSONBody[Order]) -> Order:
    return data


@post("/raw")
async def raw(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"body": await requests.body(request, dict[str, Any]), "key": requests.idempotency_key(request)}


@get("/orders/{name:str}")
async def one(name: FromPath[str], at: FromQuery[int | None] = None, q: FromQuery[str | None] = None) -> dict[str, Any]:
    return {"name": name, "at": at, "q": q}


@get("/away")
async def away() -> None:
    raise Unavailable("Postgres is away or slow; try again later")


@get("/full")
async def full() -> None:
    raise Overloaded(0)


ROUTES = [order, raw, one, away, full]


@asynccontextmanager
async def served(*routes: Any) -> AsyncIterator[int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = App("shop", routes or ROUTES)
    task = asyncio.create_task(serve([app], port=0, on_ready=port.set_result, drain=timedelta(seconds=1)))
    try:
        yield await port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with served() as port:
        yield port


async def say(port: int, wire: bytes) -> tuple[int, bytes]:
    """Status and all that came back, for bytes as they are; status 0 where the connection was closed without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire)
    writer.write_eof()
    try:
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


VISIBLE = some.text(
    some.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"(),/:;<=>?@[\\]{}'), min_size=1
)
TARGET = some.binary(max_size=30).map(lambda raw: b"".join(b"%%%02X" % byte for byte in raw)) | VISIBLE.map(str.encode)
VALUE = some.text(some.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40).map(
    lambda text: text.strip().encode("latin-1")
)


@given(method=VISIBLE, target=TARGET, query=TARGET)
async def test_no_request_line_is_our_fault(port: int, method: str, target: bytes, query: bytes):
    for name in (b"/orders/" + target, b"/" + target):
        line = b"%b %b?at=%b&q=%b HTTP/1.1\r\n" % (method.encode(), name, query, query)
        status, answer = await say(port, line + b"host: x\r\nconnection: close\r\n\r\n")
        assert 0 <= status < 500, answer


HEADERS = (
    "content-type",
    "authorization",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "baggage",
    "cookie",
    "accept",
)


@given(name=some.sampled_from(HEADERS), value=VALUE)
async def test_no_header_is_our_fault(port: int, name: str, value: bytes):
    head = b"host: x\r\nconnection: close\r\n%b: %b\r\ncontent-length: 2\r\n\r\n{}" % (name.encode(), value)
    for path in (b"/raw", b"/orders"):
        status, answer = await say(port, b"POST %b HTTP/1.1\r\n%b" % (path, head))
        assert 200 <= status < 500, answer


JSON = some.recursive(
    some.none() | some.booleans() | some.floats() | some.integers() | some.text(some.characters()),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(some.characters()), inner, max_size=3),
    max_leaves=5,
)


@given(body=some.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_no_body_is_our_fault(port: int, body: bytes):
    for path in (b"/raw", b"/orders"):
        head = b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n" % path
        status, answer = await say(port, head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        assert 200 <= status < 500, answer


@pytest.mark.parametrize("path", ["/raw", "/orders"])
async def test_a_body_without_a_stated_length_is_bounded_too(port: int, path: str):
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"item":"'
        for _ in range(64):
            yield b"x" * 65536

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            answer = await client.post(path, content=endless(), headers={"content-type": "application/json"})
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            return  # it was cut off in the middle
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_head_and_options_are_answered(port: int):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.head("/orders/1")).status_code in (200, 405)
        assert (await client.head("/health/live")).status_code in (200, 405)
        assert (await client.options("/orders")).status_code in (204, 405)


async def test_made_up_methods_make_no_metrics(port: int):
    for number in range(5):
        await say(port, b"BREW%d /orders HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % number)
    assert b"BREW" not in generate_latest()


@pytest.mark.parametrize("path", ["/away", "/full"])
async def test_a_log_that_is_away_or_full_is_503(path: str):
    transport = httpx.ASGITransport(application([App("shop", ROUTES)]), raise_app_exceptions=False)  # type: ignore[arg-type]  # Litestar's ASGI types differ
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_an_api_key_that_cannot_be_looked_up_is_503_not_401(embedded_postgres: PostgresServer):
    async with Store.open(embedded_postgres.url, master=MASTER) as store:
        auth = Auth(Tenants(store.pool), profile="production")
        _, token = await store.tenants.create_key("default", "erp", ["read"])

        @get("/mine")
        async def mine(request: Request[Any, Any, Any]) -> dict[str, str]:
            return {"tenant": (await auth.caller(request, "read")).tenant}

        await embedded_postgres.kill()
        async with served(mine) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/mine", headers={"authorization": f"Bearer {token}"})).status_code == 503
        await embedded_postgres.start()
