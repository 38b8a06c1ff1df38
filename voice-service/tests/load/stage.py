"""What the acts play on: servers, the emulators, the workers; who is called; and what the log holds of it."""

import asyncio
import random
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from voice_house import House
from voice_world import ROOT, Voice, published, until

from events.base import Event, Recorded
from events.call import CallRequested
from libs.kit import http
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.embedded_process import Child, free_port
from libs.kit.migrate import migrate
from libs.kit.relay import Relay
from libs.kit.store import Store
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import MASTER

_FACTS = """SELECT pos, stream_id, type FROM log.event
WHERE shard = 0 AND pos > $1 AND category = 'call' ORDER BY pos LIMIT 10000"""

LINES = (
    "Haan ji, boliye.",
    "Maal abhi godown mein rakha hai.",
    "Humari dukaan subah khulti hai.",
    "Aaj bahut garmi hai yahan.",
    "Mere bhai bhi yahin kaam karte hain.",
    "Gaadi abhi tak nahi aayi hai.",
    "Kal ka saamaan theek tha.",
    "Hum purane grahak hain aapke.",
)
BYE = "Theek hai, bye."

Tell = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Asked:
    """A call that was asked for, and what its contact is going to say."""

    number: str
    intent: Recorded[CallRequested]
    lines: Sequence[str]
    at: float

    @property
    def id(self) -> str:
        return str(self.intent.id)


@dataclass(slots=True, kw_only=True)
class Stage:
    """`ended` are the calls whose end is in the log; `counts` how many facts of each kind each call has."""

    house: House
    chance: random.Random
    tell: Tell
    asked: list[Asked] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _read: int = 0

    @property
    def voice(self) -> Voice:
        return self.house.voice

    async def call(self, lines: Sequence[str] = (), **phone: Any) -> Asked:
        """Somebody new is called, who says these lines one after the other, and then goodbye."""
        n = len(self.asked)
        number = f"+9198{n:08}"
        says = [*lines, BYE]
        acts = [
            {"on": "heard", "do": [{"wait": round(self.chance.uniform(0.2, 2.0), 1), "say": text}]} for text in says
        ]
        given = {
            "rings_seconds": round(self.chance.uniform(0.5, 4.0), 1),
            "acts": acts,
            "deaf": True,
            "hangs_up_after": 60,
        }
        await self.voice.control("PUT", f"/phones/{number}", given | phone)
        intent = await self.voice.call(to=number, conversation=f"conversation-{n}", contact=f"c_{n}")
        asked = Asked(number=number, intent=intent, lines=says, at=time.monotonic())
        self.asked.append(asked)
        return asked

    async def look(self) -> None:
        """Read what is new in the log."""
        for row in await self.voice.store.pool.fetch(_FACTS, self._read):
            self._read = row["pos"]
            call = row["stream_id"].removeprefix("call-")
            kinds = self.counts.setdefault(call, {})
            kinds[row["type"]] = kinds.get(row["type"], 0) + 1
            if row["type"].startswith("call.ended."):
                self.ended.setdefault(call, time.monotonic())

    def open_calls(self) -> list[Asked]:
        """Those that have no end yet."""
        return [each for each in self.asked if each.id not in self.ended]

    async def all_ended(self, calls: Sequence[Asked], *, seconds: float) -> bool:
        """Wait until each has its end; False when that takes longer."""
        with suppress(TimeoutError):
            await until(lambda: self._have_ended(calls), seconds=seconds)
        return await self._have_ended(calls)

    async def answered(self, calls: Sequence[Asked], *, seconds: float) -> None:
        """Wait until each is talked on. Raises TimeoutError."""

        async def talked() -> bool:
            await self.look()
            return all(self.count(each, "call.turn_taken.v1") for each in calls)

        await until(talked, seconds=seconds)

    def count(self, asked: Asked, kind: str) -> int:
        """How many facts of a kind a call has, as last looked."""
        return self.counts.get(asked.id, {}).get(kind, 0)

    async def facts(self, asked: Asked) -> list[Event]:
        """All facts of a call."""
        return [fact.event for fact in await self.voice.store.read_stream(TENANT, f"call-{asked.id}")]

    async def publish(self, settings: str) -> None:
        """A bundle with more in its settings."""
        await published(self.voice.store, self.voice.clock, settings)

    async def _have_ended(self, calls: Sequence[Asked]) -> bool:
        await self.look()
        return all(each.id in self.ended for each in calls)


@asynccontextmanager
async def stage(*, seed: int, lines: int, tell: Tell) -> AsyncIterator[Stage]:
    """Everything but the workers, in a folder that goes away; each worker takes so many calls (`lines`)."""
    folder = Path(tempfile.mkdtemp(prefix="converse-voice-load-"))
    folder.chmod(0o711)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        tell("starting PostgreSQL, NATS and the emulators")
        database = await stack.enter_async_context(PostgresServer(folder / "postgres"))
        nats = await stack.enter_async_context(NatsServer(folder / "nats"))
        await migrate(database.url)
        store = await stack.enter_async_context(Store.open(database.url, master=MASTER, connections=4))
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        await clock.set(NOON)
        client = await stack.enter_async_context(http.client())
        sandbox = await stack.enter_async_context(_sandbox(folder, client))
        await published(store, clock)
        bus = await Bus.connect(nats.url, name="relay")
        stack.push_async_callback(bus.close)
        relaying = asyncio.create_task(Relay(0, url=database.url, bus=bus, clock=clock).run())
        house = House(
            voice=Voice("", sandbox, store, clock, client),
            database=database.url,
            nats=nats.url,
            folder=folder,
            calls=lines,
        )
        stack.push_async_callback(house.close)
        try:
            yield Stage(house=house, chance=random.Random(seed), tell=tell)
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


@asynccontextmanager
async def _sandbox(folder: Path, client: httpx.AsyncClient) -> AsyncIterator[str]:
    port = free_port()
    child = Child("sandbox", folder / "sandbox.log")
    child.spawn([ROOT / ".venv/bin/python", "-m", "services.sandbox", "--port", str(port)], cwd=ROOT)
    origin = f"http://127.0.0.1:{port}"

    async def up() -> bool:
        with suppress(httpx.HTTPError):
            return (await client.get(f"{origin}/health/live")).status_code == 200
        return False

    try:
        await until(up, seconds=60)
        yield origin
    finally:
        await child.stop((signal.SIGTERM, signal.SIGKILL))
