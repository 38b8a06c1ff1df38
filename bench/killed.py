"""A turn killed with -9 at four points, ours and LangGraph's: messages without an answer, effects and replies beyond one.

Claude, the ERP and Meta are in this process and count what they did, whoever lives to hear of it; the one at the point
holds its answer until the side is dead. Then all answer at once, the side is started again, and its turn ends or does not.

Ours is one process of relay, orchestrator, backend-sync and gateways, with time-outs of two seconds (a lease is two and a
half of them). A message whose outcome nobody knows is never sent again: it stays unknown until Meta's webhook tells, or
ten minutes are over; here no webhook comes. LangGraph is a graph with its Postgres checkpointer and `durability="sync"`.
It promises that a node whose end was not kept runs again, and leaves to its caller: to keep a message until it is taken, to
find the threads that wait to be resumed, and to make each node safe to run twice. All of that the caller does here, but for
the last, which is measured without and with: for an ERP that honours keys the tool call's id can be one, as ours has the
intent's. Where the provider has no keys, as WhatsApp has none, the caller would have to keep that a sending was begun.
"""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import uvloop

from bench import messages
from bench.deployed import bench_store
from bench.dialogue import REPLY, WORDS, Dialogue, phone_of
from bench.dialogue_bundle import MODEL, compiled
from bench.ingest import port_of, process
from bench.langgraph.environment import LANGGRAPH, langgraph
from bench.outside import DISPLAY_NUMBER, PHONE_ID, Connection
from bench.relay import MASTER, say, show
from libs.kit import ids, log
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.serve import serve
from libs.kit.store import Store
from libs.testkit.nouns import MORNING
from services.backend_sync import app as backend_sync
from services.backend_sync.settings import Settings as BackendSettings
from services.cli.system import publish
from services.gateways import app as gateways
from services.gateways.settings import WHATSAPP
from services.gateways.settings import Settings as GatewaySettings
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.relay import app as relay
from services.relay.settings import Settings as RelaySettings
from services.sandbox import meta_webhook

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

MODULE = "bench.killed"
POINTS = {
    "understand": "while Claude understands",
    "act": "while the tool is called",
    "reply": "while Claude writes the reply",
    "send": "when Meta has the reply",
}
TIMEOUT = timedelta(seconds=2)
PATIENCE_S = 30.0
LOOK_S = 0.05
APP_SECRET = "sandbox-app-secret"  # noqa: S105 - what the gateways know the emulator by
AT_REST = """SELECT NOT EXISTS (SELECT FROM log.checkpoint c JOIN log.log_head h USING (shard) WHERE c.pos < h.pos)
    AND NOT EXISTS (
        SELECT FROM orchestrator.effect WHERE state IN ('open', 'claimed')
        UNION ALL SELECT FROM gateways.effect WHERE state IN ('open', 'claimed')
        UNION ALL SELECT FROM backend_sync.effect WHERE state IN ('open', 'claimed'))"""
UNKNOWN = "SELECT count(*) FROM log.event WHERE type = 'message.outcome_unknown.v1'"


@dataclass(frozen=True, slots=True)
class Left:
    """What a kill and the turn after it left behind. `unknown`: messages of ours that are told as neither sent nor not."""

    lost: int
    effects: int
    replies: int
    unknown: int = 0


class Outside:
    """Claude, the ERP and Meta on one port, which hold the first answer at one point of a turn until `release`."""

    def __init__(self, greeted: Callable[[str], None] | None = None) -> None:
        self.port = 0
        self._greeted = greeted
        self.expect("")

    def expect(self, point: str) -> None:
        """Another turn begins, whose point this is; nothing is counted of it yet."""
        self.reached = asyncio.Event()
        self.replied = asyncio.Event()
        self.effects: list[str] = []
        self.replies = 0
        self._point = point
        self._released = asyncio.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def release(self) -> None:
        """Answer at once from here on."""
        self._released.set()

    def left(self, unknown: int = 0) -> Left:
        """The verdict on one message, whose answer takes one effect."""
        return Left(int(self.replies == 0), max(0, len(self.effects) - 1), max(0, self.replies - 1), unknown)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                method, target, _ = first.split(" ", 2)
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                kind, content = await self._answer(method, urlsplit(target).path, headers, body)
                about = f"content-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + about.encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
        match method, path.strip("/").split("/"):
            case "POST", ["v1", "messages"]:
                await self._reach("reply" if self.effects else "understand")
                return "text/event-stream", messages.streamed(json.loads(body), WORDS, REPLY)
            case "POST", ["erp", "promises"]:
                await self._record(headers.get("idempotency-key") or f"none, request {len(self.effects) + 1}")
                return "application/json", b'{"promise_id": "P-1"}'
            case "POST", [_, _, "messages"]:
                return "application/json", json.dumps(await self._send(json.loads(body))).encode()
        return "application/json", b"{}"

    async def _record(self, key: str) -> None:
        """The ERP does what it is told once a key, and each time without one."""
        if key not in self.effects:
            self.effects.append(key)
        await self._reach("act")

    async def _send(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Meta knows no keys: each request is a message, but for the mark that one of the contact's was read."""
        if asked.get("status") == "read":
            return {"success": True}
        to = str(asked["to"]).removeprefix("+")
        if asked["type"] == "template":
            assert self._greeted
            self._greeted(f"+{to}")
        else:
            self.replies += 1
            self.replied.set()
            await self._reach("send")
        contact = {"input": to, "wa_id": to}
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": f"wamid.{ids.fresh()}"}]}

    async def _reach(self, point: str) -> None:
        if point == self._point:
            self.reached.set()
            await self._released.wait()


async def run(report: Report) -> None:
    """Both sides at once: what is counted here does not depend on speed."""
    python = langgraph()
    with tempfile.TemporaryDirectory(prefix="bench-killed-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with PostgresServer(folder / "postgres") as postgres, NatsServer(folder / "nats") as nats:
            await migrate(postgres.url)
            connection = await asyncpg.connect(postgres.url)
            await connection.execute("CREATE DATABASE langgraph")
            await connection.close()
            async with bench_store(postgres.url) as (store, clock):
                await clock.set(MORNING)
                await publish(store, clock, compiled())
                where = {"postgres": postgres.url, "nats": nats.url}
                ours, theirs = await asyncio.gather(
                    _all_of_ours(where, store, clock),
                    _all_of_theirs(python, postgres.url.rpartition("/")[0] + "/langgraph"),
                )
    for point, when in POINTS.items():
        _tell(report, f"ours, {when}", ours[point], bar="= 0")
        if ours[point].unknown:
            report("… its outcome is told as unknown, not sent again", ours[point].unknown, "messages")
        _tell(report, f"LangGraph, {when}", theirs[point])
    _tell(report, f"… with a key, {POINTS['act']}", theirs["keyed"])


def _tell(report: Report, where: str, left: Left, bar: str = "") -> None:
    for what, number in ("lost", left.lost), ("effects > 1", left.effects), ("replies > 1", left.replies):
        report(f"{where}: {what}", number, "", bar=bar, ok=not bar or number == 0)


async def _all_of_ours(where: Mapping[str, str], store: Store, clock: Clock) -> dict[str, Left]:
    """What came back after one kill is what the next one kills: each start takes seconds of imports."""
    talk = Dialogue(store, clock)
    left = {}
    async with Outside(talk.answered) as outside, AsyncExitStack() as stack:
        asked = {**where, "outside": outside.origin}
        side = await stack.enter_async_context(process("ours", asked, MODULE))
        port = await port_of(side)
        for point in POINTS:
            before = await store.pool.fetchval(UNKNOWN)
            outside.expect(point)
            number = int(ids.fresh().hex[-6:], 16)
            async with asyncio.timeout(PATIENCE_S):
                await talk.begin(number)
                await _at_rest(store)
                await _write(port, phone_of(number), clock)
            await _kill(side, outside)
            side = await stack.enter_async_context(process("ours", asked, MODULE))
            port = await port_of(side)
            await _ended(store, outside)
            left[point] = outside.left(await store.pool.fetchval(UNKNOWN) - before)
    return left


async def _all_of_theirs(python: Path, database: str) -> dict[str, Left]:
    async with Outside() as outside:
        left = {point: await _theirs(python, database, outside, point, keyed=False) for point in POINTS}
        return left | {"keyed": await _theirs(python, database, outside, "act", keyed=True)}


async def _theirs(python: Path, database: str, outside: Outside, point: str, *, keyed: bool) -> Left:
    """A caller has a message for a thread; the graph's process dies at the point of that turn, and is started again."""
    outside.expect(point)
    about = {"theirs": database, "api": outside.origin, "model": MODEL, "words": WORDS, "phone": "919876512345"}
    asked = json.dumps({**about, "thread": str(ids.fresh()), "keyed": keyed})
    async with _graph(python, asked) as first:
        await _kill(first, outside)
    async with _graph(python, asked) as second, asyncio.timeout(PATIENCE_S):
        if await second.wait() != 0:
            raise RuntimeError("LangGraph's side ended with an error; it stands above")
    return outside.left()


@asynccontextmanager
async def _graph(python: Path, asked: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(python, LANGGRAPH / "killed.py", asked)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _kill(side: asyncio.subprocess.Process, outside: Outside) -> None:
    """Dead at the point: nothing was answered there before, and nobody hears what is answered after."""
    waits = [asyncio.ensure_future(each) for each in (outside.reached.wait(), side.wait())]
    await asyncio.wait(waits, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if not outside.reached.is_set() or side.returncode is not None:
        raise RuntimeError(f"a side did not come to the point; it ended with {side.returncode}")
    side.kill()
    assert await side.wait() == -signal.SIGKILL
    outside.release()


async def _ended(store: Store, outside: Outside) -> None:
    """Return when the contact has an answer and nothing is left to do, or when patience is over and there is none."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await outside.replied.wait()
    except TimeoutError:
        return
    async with asyncio.timeout(PATIENCE_S):
        await _at_rest(store)


async def _at_rest(store: Store) -> None:
    """Return when every fact was looked at and no effect is open or under way."""
    while True:
        if await store.pool.fetchval(AT_REST):
            return
        await asyncio.sleep(LOOK_S)


async def _write(port: int, phone: str, clock: Clock) -> None:
    """The contact writes: Meta's signed webhook, which is acknowledged once it is kept."""
    content = {"type": "text", "text": {"body": WORDS}}
    sender = phone.removeprefix("+")
    value = meta_webhook.inbound(
        f"wamid.{ids.fresh()}", sender, "Priya", clock.now(), content, quoted=None, hidden=False
    )
    raw = json.dumps(meta_webhook.envelope(PHONE_ID, DISPLAY_NUMBER, value)).encode()
    signature = hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    connection = Connection("127.0.0.1", port)
    status, _ = await connection.request("POST", "/webhooks/whatsapp", raw, x_hub_signature_256=f"sha256={signature}")
    connection.close()
    if status != 200:
        raise RuntimeError(f"the webhook was answered with {status}")


async def ours(where: dict[str, str]) -> None:
    """Every service that a turn needs, each with its own role."""
    async with AsyncExitStack() as stack:

        async def kit(service: str) -> dict[str, Any]:
            opened = Store.open(where["postgres"], master=MASTER, role=f"converse_{service}", name=service)
            store = await stack.enter_async_context(opened)
            clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
            return {"store": store, "bus": await bus(service), "clock": clock}

        async def bus(service: str) -> Bus:
            connected = await Bus.connect(where["nats"], name=service.replace("_", "-"))
            stack.push_async_callback(connected.close)
            return connected

        outside = where["outside"]
        its = await kit("orchestrator")
        apps = [
            await relay.build(
                RelaySettings(), database_url=where["postgres"], bus=await bus("relay"), clock=its["clock"]
            ),
            await orchestrator.build(
                OrchestratorSettings(profile="development", sandbox_url=outside), **its, timeout=TIMEOUT
            ),
            await backend_sync.build(
                BackendSettings(sandbox_url=f"{outside}/erp"), **await kit("backend_sync"), timeout=TIMEOUT
            ),
            await gateways.build(
                GatewaySettings(
                    sandbox_urls={WHATSAPP: outside}, profile="development", channels=frozenset({WHATSAPP})
                ),
                **await kit("gateways"),
                timeout=TIMEOUT,
            ),
        ]
        await serve(apps, port=0, on_ready=lambda port: say(str(port)))


def main(role: str, where: dict[str, str]) -> None:
    """The process that is killed."""
    log.configure(level="error")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"ours": ours}[role](where))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        log.configure("console", "error")
        uvloop.run(run(show))
    else:
        main(sys.argv[1], json.loads(sys.argv[2]))
