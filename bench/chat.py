"""Chat sockets in one gateways process: what each takes, and how long a message is on its way to the contact's screen."""

import asyncio
import gc
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from bench.ingest import port_of, process
from bench.relay import MASTER, TENANT, say
from events.base import Cause, Draft
from events.conversation import MessageRequested
from events.values import Body, PolicyDecision
from libs.channels import chat_token
from libs.config.compile import compile_bundle
from libs.kit import garbage, ids, log
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.relay import Relay
from libs.kit.serve import serve
from libs.kit.store import Store
from services.cli.system import publish
from services.gateways import app as gateways
from services.gateways.settings import CHAT, Settings

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

SOCKETS = int(os.environ.get("BENCH_CHAT_SOCKETS") or 5000)
AT_ONCE = 50
MESSAGES = 600
RATE = 20.0
KILOBYTES = 64.0
P99_MS = 300.0
ROLE = "converse_gateways"
MODULE = "bench.chat"
SETTINGS = "channels: {chat: {enabled: true, provider: websocket}}\n"
WORDS = "Dhanyavaad! Maine 20 February likh liya hai. Payment ke baad UTR number bhej dijiye."


async def run(report: Report) -> None:
    """Open the sockets, then send messages to random contacts while every client acknowledges what it gets."""
    log.configure("console", "error")
    sockets = min(SOCKETS, _files() - 500)
    with tempfile.TemporaryDirectory(prefix="bench-chat-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with PostgresServer(folder / "postgres") as postgres, NatsServer(folder / "nats") as nats:
            await migrate(postgres.url)
            where = {"postgres": postgres.url, "nats": nats.url, "sockets": str(sockets)}
            async with (
                Store.open(postgres.url, master=MASTER, name="bench") as store,
                process("ours", where, MODULE) as ours,
            ):
                loaded = compile_bundle({"settings.yaml": SETTINGS, "policy.yaml": "policy: {}\n"}, {}, "development")
                assert loaded.bundle is not None
                await publish(store, Clock(), loaded.bundle)
                bus = await Bus.connect(nats.url, name="relay")
                relaying = asyncio.create_task(Relay(0, url=postgres.url, bus=bus, clock=Clock()).run())
                port = await port_of(ours)
                before = _resident(ours.pid)
                async with process("contacts", {**where, "port": str(port)}, MODULE) as contacts:
                    assert contacts.stdout
                    opened = float(await contacts.stdout.readline())
                    each = (_resident(ours.pid) - before) / sockets
                    taken = await _messages(store, contacts.stdout, sockets)
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)
                await bus.close()
    taken.sort()
    report("chat sockets open in one process", sockets, "", bar=f"≥ {SOCKETS}", ok=sockets >= SOCKETS)
    report("memory of each", each, "kB", bar=f"≤ {KILOBYTES:.0f}", ok=each <= KILOBYTES)
    report("sockets opened a second", sockets / opened, "/s")
    report(f"message asked for → on the screen, {RATE:.0f}/s, p50", _part(taken, 0.5), "ms")
    report("… p99", _part(taken, 0.99), "ms", bar=f"≤ {P99_MS:.0f}", ok=_part(taken, 0.99) <= P99_MS)
    report("messages that arrived", len(taken), "", bar=f"= {MESSAGES}", ok=len(taken) == MESSAGES)


async def _messages(store: Store, arrivals: asyncio.StreamReader, sockets: int) -> list[float]:
    """How many ms each message took from before its append to its arrival at a client."""
    asked: dict[int, float] = {}
    taken: list[float] = []
    choose = random.Random(42)

    async def ask(number: int) -> None:
        contact = f"c_{choose.randrange(sockets)}"
        cause_id = ids.cause_id(TENANT, "bench", str(number))
        now = Clock().now()
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=now, source="orchestrator")
        decision = PolicyDecision(verdict="allowed", channel=CHAT, purpose="general", at=now)
        intent = MessageRequested(
            message="",
            channel=CHAT,
            to=contact,
            body=Body(text=f"{number} {WORDS}"),
            allowed_by=decision,
            purpose="answer",
        )
        stream = f"conversation-{number}"
        asked[number] = time.perf_counter()
        await store.append(TENANT, stream, 0, [Draft(stream, intent, f"contact-{contact}", contact)], cause)

    async def asking() -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(MESSAGES):
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                group.create_task(ask(number))

    all_asked = asyncio.create_task(asking())
    try:
        async with asyncio.timeout(MESSAGES / RATE + 60):
            while len(taken) < MESSAGES:
                number, at = (await arrivals.readline()).decode().split()
                taken.append((float(at) - asked[int(number)]) * 1000)
    except TimeoutError:
        pass
    await all_asked
    return taken


async def ours(where: dict[str, str]) -> None:
    """Gateways as they are deployed: their own role, reactor and workers beside the sockets."""
    _files()
    bus = await Bus.connect(where["nats"], name="gateways")
    async with (
        Store.open(where["postgres"], master=MASTER, role=ROLE, name="gateways") as store,
        Clock.open(store.pool, store.listener) as clock,
    ):
        settings = Settings(profile="development", channels=frozenset({CHAT}))
        app = await gateways.build(settings, store=store, bus=bus, clock=clock)
        async with garbage.collected_seldom():
            await serve([app], port=0, on_ready=lambda port: say(str(port)))
    await bus.close()


async def contacts(where: dict[str, str]) -> None:
    """Everybody has the chat open, acknowledges what comes, and says when it came."""
    _files()
    gc.disable()  # its pauses would be counted as ours
    clock, gate = Clock(), asyncio.Semaphore(AT_ONCE)
    expires_at = clock.machine().replace(year=clock.machine().year + 1)

    async def open_one(number: int) -> ClientConnection:
        contact = f"c_{number}"
        token = chat_token.mint(contact, chat_token.SANDBOX_SECRET, expires_at=expires_at)
        async with gate:
            url = f"ws://127.0.0.1:{where['port']}/ws/chat/{contact}?token={token}"
            socket = await connect(url, compression=None, open_timeout=60, ping_interval=None)
            await socket.recv()  # caught up
            return socket

    async def hear(socket: ClientConnection) -> None:
        async for raw in socket:
            at = time.perf_counter()
            frame = json.loads(raw)
            if frame["type"] == "message":
                say(f"{frame['content'].partition(' ')[0]} {at}")
                await socket.send(json.dumps({"type": "ack", "position": frame["position"]}))

    began = time.perf_counter()
    sockets = await asyncio.gather(*map(open_one, range(int(where["sockets"]))))
    say(str(time.perf_counter() - began))
    await asyncio.gather(*map(hear, sockets))


def _files() -> int:
    """Let this process have as many open files as it may; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _resident(pid: int) -> int:
    """Resident memory of a process in kB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def _part(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


def main(role: str, where: dict[str, str]) -> None:
    """One of the processes above."""
    log.configure(level="error")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"ours": ours, "contacts": contacts}[role](where))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
