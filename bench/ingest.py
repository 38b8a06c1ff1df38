"""`POST /api/v1/events` a second, against a bare Litestar endpoint that makes one durable append through the same store."""

import asyncio
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn
import uvloop
from litestar import Litestar, post
from litestar.params import JSONBody

from bench.relay import MASTER, ROOT, TENANT, say, show, standard_input
from events.base import Cause, Draft
from events.business import EventReceived
from libs.kit import ids, log
from libs.kit.clock import Clock
from libs.kit.embedded import PostgresServer
from libs.kit.migrate import migrate
from libs.kit.serve import serve
from libs.kit.store import Store
from services.ingest import app as ingest
from services.ingest.decide import EventIn
from services.ingest.settings import Settings

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

ROUNDS = 5
SECONDS = 3.0
WARM_S = 2.0
CONNECTIONS = 64
RATIO = 0.6
ROLE = "converse_ingest"

DATA = {
    "invoice_number": "INV-2026-0042",
    "contact_id": "c_123",
    "contact_name": "Priya Sharma",
    "organization": "Acme Corp",
    "amount": 52400,
    "currency": "INR",
    "due_date": "2026-01-30",
    "days_overdue": 17,
}


async def run(report: Report) -> None:
    """Measure both endpoints in turn, each in a process of its own beside the load, and report the median round."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with PostgresServer(folder / "postgres") as postgres:
            await migrate(postgres.url)
            where = {"postgres": postgres.url, "token": await _token(postgres.url)}
            async with process("ours", where) as ours, process("bare", where) as bare, process("load", where) as load:
                ports = {"ours": await port_of(ours), "bare": await port_of(bare)}
                for port in ports.values():
                    await round_of(load, port, WARM_S)
                rounds = [
                    {side: await round_of(load, port, SECONDS) for side, port in ports.items()} for _ in range(ROUNDS)
                ]
    rates = {side: median(each[side]["rate"] for each in rounds) for side in ports}
    ratio = median(each["ours"]["rate"] / each["bare"]["rate"] for each in rounds)
    report(f"POST /api/v1/events, {CONNECTIONS} connections", rates["ours"], "req/s")
    report("bare Litestar endpoint, one append", rates["bare"], "req/s")
    report("ours against bare", ratio, "×", bar=f"≥ {RATIO:.2f}", ok=ratio >= RATIO)
    for part in ("p50", "p99"):
        report(f"… its {part}", median(each["ours"][part] for each in rounds), "ms")
        report(f"… {part} of the bare one", median(each["bare"][part] for each in rounds), "ms")
    report("the client's share of a core", median(each["ours"]["cpu"] for each in rounds), "")


async def _token(url: str) -> str:
    """An API key as the ERP would have one."""
    async with Store.open(url, master=MASTER, name="bench") as store:
        _, token = await store.tenants.create_key(TENANT, "bench", ["events:write"])
        return token


@asynccontextmanager
async def process(
    role: str, where: dict[str, str], module: str = "bench.ingest"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of the roles of `module` in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, role, json.dumps(where),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def port_of(server: asyncio.subprocess.Process) -> int:
    assert server.stdout
    return int(await server.stdout.readline())


async def round_of(load: asyncio.subprocess.Process, port: int, seconds: float) -> dict[str, float]:
    assert load.stdin
    assert load.stdout
    load.stdin.write(json.dumps({"port": port, "seconds": seconds}).encode() + b"\n")
    saw: dict[str, float] = json.loads(await load.stdout.readline())
    return saw


async def ours(where: dict[str, str]) -> None:
    """Ingest as it is deployed: its own role, production profile, API keys."""
    async with (
        Store.open(where["postgres"], master=MASTER, role=ROLE, name="ingest") as store,
        Clock.open(store.pool, store.listener) as clock,
    ):
        app = await ingest.build(Settings(profile="production"), store=store, clock=clock)
        await serve([app], port=0, on_ready=lambda port: say(str(port)))


async def bare(where: dict[str, str]) -> None:
    """The least that Litestar can do to keep an event: decode, append, answer; the server is set as libs/kit/serve.py does."""
    async with Store.open(where["postgres"], master=MASTER, role=ROLE, name="bare") as store:
        clock = Clock()

        @post("/api/v1/events", status_code=202)
        async def take(data: JSONBody[EventIn]) -> dict[str, Any]:
            cause_id = ids.fresh()
            cause = Cause(correlation_id=cause_id, occurred_at=clock.now(), source="bare", id=cause_id)
            fact = EventReceived(
                event_name=data.event_name,
                external_id=data.event_id or "",
                origin=data.source or "",
                fingerprint="0" * 64,  # as long as ours
                data=data.data,
                happened_at=data.occurred_at,
            )
            stream = f"business-{cause_id.hex}"
            appended = await store.append(TENANT, stream, 0, [Draft(stream, fact)], cause)
            return {"event_id": data.event_id, "duplicate": appended.duplicate}

        bound = socket.create_server(("127.0.0.1", 0), backlog=2048)
        config = uvicorn.Config(
            Litestar([take], openapi_config=None, logging_config=None), log_config=None, access_log=False,
            timeout_keep_alive=75, server_header=False, lifespan="on",
        )  # fmt: skip
        say(str(bound.getsockname()[1]))  # who connects before it serves waits in the backlog
        await uvicorn.Server(config).serve([bound])


class Caller(asyncio.Protocol):
    """One connection that sends the next request as soon as the one before is answered; nothing but a socket and a regex."""

    LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

    def __init__(self, request: Callable[[], bytes], took: list[float], wanted: bytes) -> None:
        self._request = request
        self._took = took
        self._wanted = wanted
        self._began = 0.0
        self._answer = b""
        self._transport: Any = None
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.idle.done():
            self.idle.set_exception(exc or ConnectionResetError("the server closed a connection"))

    def post(self) -> None:
        """Send the next request."""
        request = self._request()
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = self.LENGTH.search(self._answer, 0, end + 2)
        if length is None or not self._answer.startswith(b"HTTP/1.1 " + self._wanted):
            self.idle.set_exception(RuntimeError(f"unexpected answer: {self._answer[:300]!r}"))
            return
        if len(self._answer) < end + 4 + int(length[1]):
            return
        now = time.perf_counter()
        self._took.append((now - self._began) * 1e3)
        self._answer = b""
        if now < self.until:
            self.post()
        else:
            self.idle.set_result(None)

    def close(self) -> None:
        self._transport.close()


def _same(caller: Caller) -> Caller:
    return caller


def _events(token: str) -> Callable[[], bytes]:
    """Requests with an event each; its id is new, so that each is stored."""
    prefix = os.urandom(6).hex()
    numbers = count()
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
        "content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    ).encode()

    def request() -> bytes:
        event = {
            "event_name": "invoice_overdue",
            "event_id": f"{prefix}-{next(numbers):08}",
            "source": "erp",
            "data": DATA,
        }
        body = json.dumps(event).encode()
        return head % len(body) + body

    return request


async def load(request: Callable[[], bytes], wanted: bytes) -> None:
    """For each line of the standard input a round of load, and what was seen."""
    lines = await standard_input()
    loop = asyncio.get_running_loop()
    while line := await lines.readline():
        asked = json.loads(line)
        took: list[float] = []
        callers = [Caller(request, took, wanted) for _ in range(CONNECTIONS)]
        for caller in callers:
            await loop.create_connection(partial(_same, caller), "127.0.0.1", asked["port"])
        began, cpu = time.perf_counter(), time.process_time()
        for caller in callers:
            caller.until = began + asked["seconds"]
            caller.post()
        await asyncio.gather(*(caller.idle for caller in callers))
        span, cpu = time.perf_counter() - began, time.process_time() - cpu
        for caller in callers:
            caller.close()
        took.sort()
        say(
            json.dumps(
                {
                    "rate": len(took) / span,
                    "p50": took[len(took) // 2],
                    "p99": took[int(len(took) * 0.99)],
                    "cpu": cpu / span,
                }
            )
        )


if __name__ == "__main__":
    log.configure("console", "error")
    match sys.argv[1:]:
        case ["ours", where]:
            uvloop.run(ours(json.loads(where)))
        case ["bare", where]:
            uvloop.run(bare(json.loads(where)))
        case ["load", where]:
            uvloop.run(load(_events(json.loads(where)["token"]), b"202"))
        case _:
            uvloop.run(run(show))
