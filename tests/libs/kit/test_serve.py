"""One port, one shape of error, loops that come back, and connections that may finish."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import websockets
from litestar import WebSocket, get, post, websocket
from litestar.params import FromPath, JSONBody
from structlog.testing import capture_logs

from libs.kit import telemetry
from libs.kit.problems import Problem
from libs.kit.serve import (
    CRASHED,
    INTERRUPTED,
    App,
    Draining,
    DrainingServer,
    Loop,
    application,
    keep_running,
    serve,
)


class Promise(msgspec.Struct):
    """What the test's endpoint takes."""

    invoice: str
    amounts: list[int]


@post("/promises")
async def promise(data: JSONBody[Promise]) -> dict[str, str]:
    return {"invoice": data.invoice}


@get("/promises/{number:int}")
async def one(number: FromPath[int]) -> dict[str, int]:
    """Says how a promise stands."""
    raise Problem(409, "no transition", "nothing leaves `closed`", accepted_triggers=[{"type": "intent", "value": "x"}])


@get("/broken")
async def broken() -> None:
    raise RuntimeError("Priya's number is 9876543210")


@get("/trace")
async def trace() -> dict[str, str | None]:
    return {"traceparent": telemetry.traceparent()}


@websocket("/ws/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    async for line in socket.iter_data("text"):
        await socket.send_text(line)


@asynccontextmanager
async def browsing(*apps: App) -> AsyncIterator[httpx.AsyncClient]:
    app: Any = application(apps or [App("shop", [promise, one, broken, trace])])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@asynccontextmanager
async def serving(*apps: App, drain: timedelta = timedelta(minutes=1)) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(apps, port=0, on_ready=port.set_result, drain=drain))
    try:
        async with asyncio.timeout(60):
            yield f"127.0.0.1:{await port}", task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    return body


async def test_a_wrong_type_is_422_and_names_its_place():
    async with browsing() as client:
        body = problem_of(await client.post("/promises", json={"invoice": "INV-1", "amounts": [1, "x"]}), 422)
    assert body["title"] == "The request has the wrong shape"
    assert body["errors"][0]["path"] == "$.amounts[1]"
    assert "`int`" in body["errors"][0]["message"]


@pytest.mark.parametrize("data", [{"amounts": []}, [], None, 3, "text"])
async def test_a_missing_field_and_a_body_of_another_shape_are_422(data: object):
    async with browsing() as client:
        body = problem_of(await client.post("/promises", json=data), 422)
    assert body["errors"]


@pytest.mark.parametrize("raw", [b'{"invoice": ', b"\xff\xfe", b"{'invoice': 1}", b"nonsense"])
async def test_a_body_that_is_not_json_is_400(raw: bytes):
    async with browsing() as client:
        answer = await client.post("/promises", content=raw, headers={"content-type": "application/json"})
    assert problem_of(answer, 400)["title"] == "The body is not valid JSON"


async def test_every_refusal_of_the_framework_is_a_problem():
    async with browsing() as client:
        assert "/api/docs" in problem_of(await client.get("/nowhere"), 404)["detail"]
        not_allowed = await client.delete("/promises")
        assert problem_of(not_allowed, 405)["title"] == "Method Not Allowed"
        assert "POST" in not_allowed.headers["allow"]
        too_large = await client.post("/promises", json={"invoice": "x" * 1024 * 1024, "amounts": []})
        assert problem_of(too_large, 413)["title"] == "Request Entity Too Large"
        problem_of(await client.get("/promises/abc"), 404)


async def test_a_problem_carries_its_members():
    async with browsing() as client:
        body = problem_of(await client.get("/promises/7"), 409)
    assert body["title"] == "no transition"
    assert body["detail"] == "nothing leaves `closed`"
    assert body["accepted_triggers"] == [{"type": "intent", "value": "x"}]


async def test_a_bug_is_told_without_its_words():
    async with browsing() as client:
        answer = await client.get("/broken")
    assert "Priya" not in answer.text
    assert problem_of(answer, 500)["title"] == "Something of ours broke"


async def test_the_documentation_works_offline():
    async with browsing() as client:
        page = await client.get("/api/docs")
        document = await client.get("/api/docs/openapi.json")
    assert page.status_code == 200
    assert "/promises/{number}" in page.text
    assert "<code>amounts</code>" in page.text
    assert "Says how a promise stands." in page.text, "what a handler says of itself"
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "/promises" in json.loads(document.content)["paths"]


async def test_what_is_handed_on_to_another_process_is_documented_as_that_one_says():
    async with browsing() as client:
        theirs = json.loads((await client.get("/api/docs/openapi.json")).content)
    moved = {path.replace("/promises", "/theirs"): item for path, item in theirs["paths"].items()}
    async with browsing(App("shop", [promise, one]), App("other", document=theirs | {"paths": moved})) as client:
        page = (await client.get("/api/docs")).text
        document = json.loads((await client.get("/api/docs/openapi.json")).content)
    assert {"/promises", *moved} <= set(document["paths"])
    assert "/theirs/{number}" in page
    assert page.count("<code>amounts</code>") == 2, "also the shape of their body"
    body = document["paths"]["/theirs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
    assert body["$ref"].startswith("#/components/schemas/other.")


async def test_ready_means_that_every_service_is():
    verdicts = {"postgres": "ok", "nats": "ok: reconnected"}

    async def ready() -> dict[str, str]:
        return verdicts

    async with browsing(App("a", ready=ready), App("b")) as client:
        assert (await client.get("/health/ready")).status_code == 200
        verdicts["nats"] = "not connected"
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"]["a"]["nats"] == "not connected"
        assert (await client.get("/health/live")).status_code == 200


async def test_a_readiness_check_that_fails_is_an_answer():
    async def ready() -> dict[str, str]:
        raise OSError("no route to Postgres")

    async with browsing(App("a", ready=ready)) as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert "no route to Postgres" in answer.json()["checks"]["a"]["ready"]


async def test_metrics_are_told_under_one_prefix():
    async with browsing() as client:
        await client.get("/promises/7")
        text = (await client.get("/metrics")).text
    assert 'converse_http_requests_total{method="GET",route="/promises/{number}",status="409"}' in text


async def test_a_request_goes_on_with_its_callers_trace():
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with browsing() as client:
        assert (await client.get("/trace", headers={"traceparent": parent})).json() == {"traceparent": parent}
        assert (await client.get("/trace")).json() == {"traceparent": None}
        assert (await client.get("/trace", headers={"traceparent": "nonsense"})).json() == {"traceparent": None}


async def test_a_failed_loop_is_started_again_and_ends_when_it_returns():
    failures: list[Exception] = [KeyError("a bug"), asyncpg.CannotConnectNowError("starting up"), ConnectionError()]
    told = [CRASHED, INTERRUPTED, INTERRUPTED]

    async def fragile() -> None:
        if failures:
            raise failures.pop(0)

    with capture_logs() as logs:
        await keep_running("shop", Loop("fragile", fragile), first_backoff=0.001)
    assert failures == []
    assert [entry["event"] for entry in logs] == told


async def test_a_cancelled_loop_finishes_what_it_began():
    began, finished = asyncio.Event(), asyncio.Event()

    async def careful() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(lambda: None)
            finished.set()

    async with serving(App("shop", loops=[Loop("careful", careful)])):
        await began.wait()
    assert finished.is_set()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[DrainingServer]:
    """The servers that are made, to be told to end."""
    made: list[DrainingServer] = []
    original = DrainingServer.__init__

    def remember(self: DrainingServer, *args: Any) -> None:
        original(self, *args)
        made.append(self)

    monkeypatch.setattr(DrainingServer, "__init__", remember)
    return made


async def test_draining_lets_an_open_socket_finish_and_refuses_new_ones(servers: list[DrainingServer]):
    async with serving(App("shop", [echo])) as (address, task), httpx.AsyncClient() as client:
        async with websockets.connect(f"ws://{address}/ws/echo") as socket:
            servers[0].handle_exit(15, None)
            assert (await client.get(f"http://{address}/health/ready")).json()["status"] == "draining"
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(f"ws://{address}/ws/echo")
            await socket.send("still here")
            assert await socket.recv() == "still here"
        await task
    assert task.done()


async def test_a_draining_process_waits_for_the_socket_that_it_expects(servers: list[DrainingServer]):
    awaited = {b"call=1"}
    app = App("shop", [echo], busy=lambda: bool(awaited), expects=lambda scope: bytes(scope["query_string"]) in awaited)
    async with serving(app) as (address, task), httpx.AsyncClient() as client:
        servers[0].handle_exit(15, None)
        assert (await client.get(f"http://{address}/health/ready")).json()["status"] == "draining"
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws://{address}/ws/echo?call=2")
        async with websockets.connect(f"ws://{address}/ws/echo?call=1") as socket:
            awaited.clear()
            await socket.send("in time")
            assert await socket.recv() == "in time"
        await task
    assert task.done()


def test_draining_ends_when_nothing_is_open_or_time_is_up():
    draining = Draining(sockets=1)
    assert not draining.over(timedelta(0))
    draining.begin()
    assert not draining.over(timedelta(minutes=1))
    assert draining.over(timedelta(0))
    draining.sockets = 0
    assert draining.over(timedelta(minutes=1))
