"""From the append to the consumer's commit: latency in multiples of the measured fsync, and throughput, in four processes."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import uvloop

from events.base import Category, Cause, Draft, Event, Recorded
from libs.kit import ids, log, nats_config
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.reactor import Reactor
from libs.kit.relay import Relay
from libs.kit.store import Store
from libs.kit.world import Decision, Row, World

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

ROOT = Path(__file__).resolve().parents[1]
MASTER = bytes(range(32))
TENANT = "default"
CONSUMER = "projections"
PADDING = "x" * 150  # with its envelope a fact is then about 442 bytes, as a fact of a conversation is

LATENCY_FACTS = 300
LATENCY_PAUSE_S = 0.02
CALLERS = 256
SECONDS = 5.0

P50_FSYNCS, P50_MS, P99_MS, RATE = 3.0, 3.0, 20.0, 8000.0


class Measured(Event, tag="bench.measured.v1"):
    """Something happened at a moment of the machine's monotonic clock, in nanoseconds."""

    at: int
    text: str


BENCH = Category("bench", current=(Measured,))


async def run(report: Report) -> None:
    """Measure with real servers that sync to disk, and report each figure beside its bar."""
    with tempfile.TemporaryDirectory(prefix="bench-relay-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with servers(folder) as where:
            fsync_ms = measure_fsync(folder)
            report("fsync", fsync_ms, "ms")
            async with process("relay", where), process("consumer", where) as consumer:
                await one(where, "warm", consumer)
                slow = await one(where, "slow", consumer)
                bar = P50_FSYNCS * fsync_ms + P50_MS
                report("append → consumer p50", slow["p50"], "ms", bar=f"≤ {bar:.1f}", ok=slow["p50"] <= bar)
                report("… in fsyncs", slow["p50"] / fsync_ms, "×")
                report("append → consumer p99", slow["p99"], "ms", bar=f"≤ {P99_MS:.0f}", ok=slow["p99"] <= P99_MS)
                fast = await one(where, "fast", consumer)
                report("appended meanwhile", fast["appended"], "events/s")
                report("end to end", fast["rate"], "events/s", bar=f"≥ {RATE:.0f}", ok=fast["rate"] >= RATE)
                report("consumer behind the last append", fast["behind"], "ms")


def measure_fsync(folder: Path, times: int = 200) -> float:
    """The median of writing 8 KB and syncing it, in milliseconds."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return median(took)


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Postgres and NATS that keep their data, hence sync."""
    users = nats_config.users()
    passwords = nats_config.passwords(users)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PostgresServer(folder / "postgres"))
        nats = NatsServer(folder / "nats", config=nats_config.authorization(users, passwords))
        await stack.enter_async_context(nats)
        await migrate(postgres.url)
        yield {
            "postgres": postgres.url,
            "nats": nats.url,
            "relay": passwords["relay"],
            "console": passwords["console"],
        }


@asynccontextmanager
async def process(role: str, where: dict[str, str], *args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of the roles below in a process of its own, once it says that it is ready."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.relay", role, json.dumps(where), *args,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert child.stdout
        assert (await child.stdout.readline()).strip() == b"ready", f"{role} did not start"
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def one(where: dict[str, str], pace: str, consumer: asyncio.subprocess.Process) -> dict[str, float]:
    """Let an appender run at a pace, then ask the consumer what it saw."""
    async with process("appender", where, pace) as appender:
        assert appender.stdout
        wrote = json.loads(await appender.stdout.readline())
    assert consumer.stdin
    assert consumer.stdout
    consumer.stdin.write(json.dumps(wrote).encode() + b"\n")
    saw: dict[str, float] = json.loads(await consumer.stdout.readline())
    return saw | {"appended": wrote["count"] / (wrote["ended"] - wrote["began"]) * 1e9}


async def relay(where: dict[str, str]) -> None:
    bus = await Bus.connect(where["nats"], name="relay", user="relay", password=where["relay"])
    working = asyncio.create_task(Relay(0, url=where["postgres"], bus=bus, clock=Clock()).run())
    say("ready")
    await working


async def consumer(where: dict[str, str]) -> None:
    """Counts facts by stream in a private table, as a projection does, and notes when each is committed."""
    waiting: deque[tuple[int, int]] = deque()
    took: list[float] = []
    last = 0

    async def on_measured(fact: Recorded[Measured], world: World) -> Decision:
        waiting.append((fact.pos, fact.event.at))
        return Decision(rows=[Row("INSERT INTO public.seen (pos) VALUES ($1)", (fact.pos,))])

    async with Store.open(where["postgres"], master=MASTER, categories=[BENCH]) as store:
        await store.pool.execute("CREATE TABLE IF NOT EXISTS public.seen (pos bigint PRIMARY KEY)")
        bus = await Bus.connect(where["nats"], name="console", user="console", password=where["console"])
        reactor = Reactor(CONSUMER, 0, {Measured: on_measured}, store=store, bus=bus, clock=Clock())
        working = asyncio.create_task(reactor.run())

        async def note() -> None:
            nonlocal last
            while True:
                await reactor.caught_up(reactor.position + 1)
                last = time.monotonic_ns()
                while waiting and waiting[0][0] <= reactor.position:
                    took.append((last - waiting.popleft()[1]) / 1e6)

        noting = asyncio.create_task(note())
        lines = await standard_input()
        say("ready")
        while line := await lines.readline():
            wrote = json.loads(line)
            await reactor.caught_up(wrote["pos"])
            await asyncio.sleep(0)
            ordered = sorted(took)
            took.clear()
            span = (last - wrote["began"]) / 1e9
            say(
                json.dumps(
                    {
                        "p50": ordered[len(ordered) // 2],
                        "p99": ordered[int(len(ordered) * 0.99)],
                        "rate": len(ordered) / span,
                        "behind": (last - wrote["ended"]) / 1e6,
                    }
                )
            )
        for task in (working, noting):
            task.cancel()


async def appender(where: dict[str, str], pace: str) -> None:
    """`slow`: one caller, a fact every 20 ms; `fast`: 256 callers without a pause."""
    async with Store.open(where["postgres"], master=MASTER, categories=[BENCH]) as store:
        say("ready")
        began, count, pos = time.monotonic_ns(), 0, 0
        until = time.monotonic() + SECONDS

        async def append(stream: str, version: int) -> None:
            nonlocal count, pos
            cause_id: UUID = ids.fresh()
            cause = Cause(correlation_id=cause_id, occurred_at=Clock().now(), source="bench", id=cause_id)
            draft = Draft(stream, Measured(at=time.monotonic_ns(), text=PADDING))
            appended = await store.append(TENANT, stream, version, [draft], cause)
            count, pos = count + 1, max(pos, appended.pos)

        async def caller() -> None:
            stream, version = f"bench-{ids.fresh()}", 0
            while time.monotonic() < until:
                await append(stream, version)
                version += 1

        if pace == "fast":
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
        else:
            stream = f"bench-{ids.fresh()}"
            for version in range(LATENCY_FACTS if pace == "slow" else 20):
                await append(stream, version)
                await asyncio.sleep(LATENCY_PAUSE_S)
        say(json.dumps({"began": began, "ended": time.monotonic_ns(), "count": count, "pos": pos}))


async def standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show(name: str, value: float, unit: str, **judged: Any) -> None:
    say(f"{name:34} {value:10.2f} {unit:9} {judged.get('bar', '')} {'' if judged.get('ok', True) else 'MISSED'}")


if __name__ == "__main__":
    log.configure("console", "error")
    match sys.argv[1:]:
        case ["relay", where]:
            uvloop.run(relay(json.loads(where)))
        case ["consumer", where]:
            uvloop.run(consumer(json.loads(where)))
        case ["appender", where, pace]:
            uvloop.run(appender(json.loads(where), pace))
        case _:
            uvloop.run(run(show))
