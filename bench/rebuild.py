"""Reading the log back for a rebuild, against the wire (the raw rows, sealed, by batches) and the `eventsourcing` library."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from statistics import median
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, StoredEvent, UUIDAsHex
from eventsourcing.postgres import PostgresApplicationRecorder
from eventsourcing.utils import Environment, get_topic

from bench.append import Report, library
from bench.mix import tell
from events import CATEGORIES
from events.base import Event, Recorded, personal_fields
from libs.kit.codec import COLUMNS
from libs.kit.embedded import PostgresServer
from libs.kit.lists import Lists, uncollected
from libs.kit.migrate import migrate
from libs.kit.store import Store
from projections import PROJECTIONS
from projections.base import Held, Projection, Row
from projections.rebuild import Fold
from projections.state_bindings import STATE_BINDINGS

FACTS = 20_000
ROUNDS = 5
ROOT = UUID("00000000-0000-0000-0000-00000000beef")
BATCH = 2000
"""Rows that the wire and the library ask for at a time; more make them no faster."""
RAW = f"SELECT {COLUMNS} FROM log.event WHERE shard = 0 AND pos > $1 ORDER BY pos LIMIT {BATCH}"
FULL_OF_WIRE, NARROW_OF_WIRE, FULL_OF_LIBRARY = 0.35, 0.5, 3.5


class Stream(Row, frozen=True, kw_only=True):
    """A stream's last fact."""

    TABLE = "bench_streams"
    KEY = ("tenant", "stream")

    stream: str
    version: int
    at: datetime
    pos: int


def last_of(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The stream after one more fact."""
    yield Stream(
        tenant=fact.tenant, stream=fact.stream, version=fact.version, at=fact.envelope.occurred_at, pos=fact.pos
    )


EVERY = tuple(kind for category in CATEGORIES for kind in category.current.values())
STREAMS = Projection("bench_streams", (Stream,), EVERY, lambda fact: (), last_of)
"""Hears every fact, so that each has to be read, decoded and opened, and does little with it."""


class Touch(msgspec.Struct, gc=False):
    """What the narrow read model wants of any fact's data."""

    conversation: str | None = None
    channel: str | None = None


class Touched(msgspec.Struct, array_like=True, gc=False):
    """… and of its row."""

    pos: int
    stream: str
    data: Touch


class Told(DomainEvent):
    """A fact as the library keeps it: what is an envelope here are attributes there."""

    originator_id: UUID
    originator_version: int
    data: dict[str, Any]


class Private(Told):
    """One with personal fields. The library seals whole events; the others are left in clear, as ours are."""


class Library:
    """The same facts in `eventsourcing`, written and read through its mapper."""

    def __init__(self, recorder: PostgresApplicationRecorder) -> None:
        transcoder = JSONTranscoder()
        transcoder.register(UUIDAsHex())
        transcoder.register(DatetimeAsISO())
        cipher = AESCipher(Environment(env={"CIPHER_KEY": AESCipher.create_key(32)}))
        plain, sealing = Mapper[UUID](transcoder), Mapper[UUID](transcoder, cipher=cipher)
        self._recorder = recorder
        self._mappers = {get_topic(Told): plain, get_topic(Private): sealing}

    def fill(self, facts: list[Recorded[Event]]) -> None:
        """Store facts in their streams."""
        stored = [self._stored(fact) for fact in facts]
        for start in range(0, len(stored), 1000):
            self._recorder.insert_events(stored[start : start + 1000])

    def read(self) -> int:
        """Its notification log in pages, every event decoded."""
        start, read = 1, 0
        while page := self._recorder.select_notifications(start, BATCH):
            for each in page:
                event = self._mappers[each.topic].to_domain_event(each)
                read += isinstance(event, Told)
            start = int(page[-1].id) + 1
        return read

    def _stored(self, fact: Recorded[Event]) -> StoredEvent:
        kind = Private if personal_fields(type(fact.event)) else Told
        event = object.__new__(kind)
        about = fact.envelope
        event.__dict__.update(  # asyncpg's UUIDs are a class of their own, which the transcoder does not know
            originator_id=uuid5(ROOT, fact.stream),
            originator_version=fact.version,
            timestamp=about.occurred_at,
            kind=about.type,
            source=about.source,
            subject=about.subject,
            config=about.config,
            correlation_id=UUID(bytes=about.correlation_id.bytes),
            causation_id=about.causation_id and UUID(bytes=about.causation_id.bytes),
            data=msgspec.to_builtins(fact.event),
        )
        return self._mappers[get_topic(kind)].to_stored_event(event)


async def run(report: Report) -> None:
    """The median of five rounds, each way in each round."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(PostgresServer())
        await migrate(server.url)
        store = await stack.enter_async_context(Store.open(server.url, master=os.urandom(32), connections=4))
        head = await tell(store, FACTS)
        others = Library(library(server.url, stack))
        others.fill(await store.read_log(0, 0, head))
        await store.pool.execute("VACUUM ANALYZE log.event")
        ways: dict[str, Callable[[], Awaitable[int]]] = {
            "wire": lambda: wire(store.pool),
            "full": lambda: folded(store, [STREAMS], head),
            "narrow": lambda: narrow(store, head),
            "library": lambda: asyncio.to_thread(others.read),
            "one": lambda: folded(store, [STATE_BINDINGS], head),
            "all": lambda: folded(store, PROJECTIONS, head),
        }
        rates = await rounds(ways, head)
    judge(report, rates)


async def rounds(ways: dict[str, Callable[[], Awaitable[int]]], head: int) -> dict[str, float]:
    """Facts of the log a second, each way."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            read = await way()
            took = time.perf_counter() - began
            if read != head:
                raise RuntimeError(f"{name} read {read} facts of {head}")
            if round_:  # the first warms everything up
                rates[name].append(head / took)
    return {name: median(values) for name, values in rates.items()}


def judge(report: Report, rates: dict[str, float]) -> None:
    """The figures, and the ratios beside their bars."""
    report("load average over the last minute, of the machine", os.getloadavg()[0], f"/ {os.cpu_count()} cpus")
    report("wire: raw rows, sealed", rates["wire"], "events/s")
    report("rebuild: every fact whole, opened and folded", rates["full"], "events/s")
    _bar(report, "… of wire", rates["full"] / rates["wire"], FULL_OF_WIRE)
    report("narrow: two columns and two fields of every fact", rates["narrow"], "events/s")
    _bar(report, "… of wire", rates["narrow"] / rates["wire"], NARROW_OF_WIRE)
    report("eventsourcing: notifications through its mapper", rates["library"], "events/s")
    _bar(report, "rebuild, times eventsourcing", rates["full"] / rates["library"], FULL_OF_LIBRARY)
    report("rebuild of state_bindings: only what it hears", rates["one"], "events/s")
    report("… of wire", rates["one"] / rates["wire"], "×")
    report("… times eventsourcing, which reads all", rates["one"] / rates["library"], "×")
    report("rebuild of all nine read models, in memory", rates["all"], "events/s")


def _bar(report: Report, name: str, ratio: float, least: float) -> None:
    report(name, ratio, "×", bar=f"≥ {least}", ok=ratio >= least)


async def wire(pool: asyncpg.Pool) -> int:
    """Every row as the driver gives it."""
    pos = read = 0
    async with pool.acquire() as connection:
        while rows := await connection.fetch(RAW, pos):
            pos, read = rows[-1]["pos"], read + len(rows)
    return read


async def folded(store: Store, projections: list[Projection] | tuple[Projection, ...], head: int) -> int:
    """As `converse projections rebuild` does it, up to the tables; how much of the log that was."""
    fold = Fold(store, projections)
    await fold.upto({0: head})
    if len(projections) == 1 and projections[0] is STREAMS:
        return fold.facts
    return fold.at[0]


async def narrow(store: Store, head: int) -> int:
    """Where each conversation was last touched: a few columns and fields of every fact, in lists."""
    lists: Lists[Touched] = Lists(store, Touched, ("pos", "stream_id"), meta=False)
    types = sorted(store.codec.types)
    families = sorted(category.name for category in CATEGORIES)
    last: dict[str, tuple[int, str | None]] = {}
    read = 0
    with uncollected():
        async for facts in lists.pages(0, 0, head, families, types):
            for fact in facts:
                if fact.data.conversation is not None:
                    last[fact.data.conversation] = (fact.pos, fact.data.channel)
            read += len(facts)
    return read
