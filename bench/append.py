"""Appending, against what the disk and Postgres allow at best, plain inserts, and the `eventsourcing` library; and loading a stream."""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import asyncpg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from events.base import Category, Cause, Draft, Event, Personal
from libs.kit import garbage, ids, postgres
from libs.kit.appends import Append, keys_of, seal
from libs.kit.clock import Clock
from libs.kit.crypto import Keys
from libs.kit.embedded import PostgresServer
from libs.kit.migrate import migrate
from libs.kit.store import Store

ROUNDS = 5
SECONDS = 0.6
CALLERS = (1, 16, 64, 256)
JUDGED = 64
CONNECTIONS = 16
STREAM_LENGTH = 50
LOADS = 60
TENANT = "default"

COLUMNS = (
    *("shard", "pos", "stream_id", "version", "tenant", "category", "type", "event_id", "correlation_id"),
    *("causation_id", "occurred_at", "recorded_at", "meta", "data"),
)
INSERT = (
    f"INSERT INTO bare.raw ({', '.join(COLUMNS)}) VALUES ({', '.join(f'${n}' for n in range(1, len(COLUMNS) + 1))})"
)
TABLES = """
CREATE SCHEMA bare;
CREATE TABLE bare.copied (LIKE log.event);
CREATE TABLE bare.indexed (LIKE log.event INCLUDING INDEXES);
CREATE TABLE bare.raw (LIKE log.event INCLUDING INDEXES);
ALTER TABLE bare.copied ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE bare.indexed ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE bare.raw ALTER COLUMN data SET STORAGE EXTERNAL;
"""


class Report(Protocol):
    """Takes one figure; `bar` is what it has to reach, in words, and `ok` whether it did."""

    def __call__(self, name: str, value: float, unit: str, *, bar: str = "", ok: bool = True) -> None: ...


class Said(Event, tag="bench.said.v1"):
    """Somebody said something: 120 bytes of a person's words, and 200 of ours."""

    text: Annotated[str, Personal()]
    channel: str
    conversation: str
    reason: str


BENCH = Category("bench", current=(Said,))
SAID = Said(
    text="Haan ji, hum 20 February tak poora payment kar denge, aap chinta mat kijiye, kal subah bank jaayenge. Dhanyavaad!",
    channel="whatsapp",
    conversation="conversation-6f9c2c52-93a5-5c0e-8f0b-6f0a4d0c7e11",
    reason="the contact promised to pay the whole amount of the invoice at the given date, in answer to our first reminder",
)
"""As stored: some 440 bytes."""


def because(clock: Clock) -> Cause:
    """A cause of its own for each append."""
    id_ = ids.fresh()
    return Cause(correlation_id=id_, occurred_at=clock.now(), source="bench", id=id_)


@dataclass(slots=True)
class Caller:
    """Appends to a stream of its own for a known contact, and begins a new one now and then."""

    number: int
    cause: Cause
    stream: str = ""
    version: int = STREAM_LENGTH
    drafts: list[Draft] = field(default_factory=list)

    def next(self, events: int) -> int:
        """The version that the stream has before the next append."""
        if self.version >= STREAM_LENGTH:
            self.version = 0
            self.stream = f"bench-{ids.fresh()}"
            self.drafts = [Draft(self.stream, SAID, key=f"contact-{self.number}")] * events
        expected = self.version
        self.version += events
        return expected


Strategy = Callable[[int, int], Awaitable[float]]
"""Facts a second with so many callers and so many facts an append."""


class Copying:
    """Group after group of facts by COPY into a table, `width` groups on their way at a time: without a check of anything."""

    def __init__(self, pool: asyncpg.Pool, table: str, width: int) -> None:
        self._pool = pool
        self._table = table
        self._width = width
        self._queue: deque[tuple[list[tuple[Any, ...]], asyncio.Future[None]]] = deque()
        self._flying = 0
        self._drivers: set[asyncio.Task[None]] = set()

    async def put(self, rows: list[tuple[Any, ...]]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._queue.append((rows, done))
        if len(self._drivers) < self._width:
            self._drivers.add(asyncio.create_task(self._drive()))
        await done

    async def _drive(self) -> None:
        me = asyncio.current_task()
        async with self._pool.acquire() as connection:
            while self._queue:
                share = -(-(len(self._queue) + self._flying) // self._width)
                batch = [self._queue.popleft() for _ in range(min(share, len(self._queue)))]
                self._flying += len(batch)
                rows = [row for rows, _ in batch for row in rows]
                await connection.copy_records_to_table(self._table, schema_name="bare", columns=COLUMNS, records=rows)
                self._flying -= len(batch)
                for _, done in batch:
                    done.set_result(None)
                await asyncio.sleep(0)  # who was answered comes again, and goes with the next group
            if me is not None:
                self._drivers.discard(me)  # nothing is awaited since the queue was seen empty


class Contest:
    """The strategies, all on one server."""

    def __init__(self, store: Store, pool: asyncpg.Pool, clock: Clock, recorder: PostgresApplicationRecorder) -> None:
        self._store = store
        self._pool = pool
        self._clock = clock
        self._recorder = recorder
        self._bare = Copying(pool, "copied", width=1)
        self._indexed = Copying(pool, "indexed", width=2)
        self._positions = count(1)
        self._row: tuple[Any, ...] = ()
        self._keys: Keys = {}

    async def prepare(self) -> None:
        """Have every key at hand, and one sealed append to copy from."""
        append = Append(TENANT, "bench-x", 0, [Draft("bench-x", SAID)], because(self._clock))
        names = {*keys_of(append, self._store.codec), *(f"contact-{n}" for n in range(max(CALLERS)))}
        self._keys = await self._store.keyring.ensure(TENANT, names)
        sealed, now = seal(append, self._store.codec, self._keys), self._clock.machine()
        self._row = (
            *(0, 1, sealed.stream, 1, TENANT, "bench", sealed.types[0], ids.fresh(), ids.fresh()),
            *(ids.fresh(), now, now, *sealed.bodies),
        )

    async def ours(self, callers: int, events: int) -> float:
        async def once(caller: Caller) -> None:
            expected = caller.next(events)
            await self._store.append(TENANT, caller.stream, expected, caller.drafts, caller.cause, first=expected)

        return await self._measured(callers, events, once)

    async def copied(self, callers: int, events: int) -> float:
        """Facts that were sealed before, one group on its way at a time."""
        rows = [self._row] * events
        return await self._measured(callers, events, lambda _: self._bare.put(rows))

    async def bound(self, callers: int, events: int) -> float:
        """What our storage allows on this disk: each seals its facts as ours does, COPY into our indexes, and no protocol."""
        return await self._measured(callers, events, lambda caller: self._indexed.put(self._rows(caller, events)))

    async def inserted(self, callers: int, events: int) -> float:
        """Each seals its facts as ours does, and INSERTs them in a transaction of its own; sixteen connections, our indexes."""

        async def once(caller: Caller) -> None:
            rows = self._rows(caller, events)
            async with self._pool.acquire() as connection:
                if events == 1:
                    await connection.execute(INSERT, *rows[0])
                else:
                    await connection.executemany(INSERT, rows)

        return await self._measured(callers, events, once)

    def _rows(self, caller: Caller, events: int) -> list[tuple[Any, ...]]:
        """The caller's next facts, sealed, at positions that nobody else takes."""
        expected = caller.next(events)
        append = Append(TENANT, caller.stream, expected, caller.drafts, caller.cause, first=expected)
        sealed = seal(append, self._store.codec, self._keys)
        return [
            (
                *(0, next(self._positions), sealed.stream, expected + n + 1, sealed.tenant, "bench", sealed.types[n]),
                *(sealed.ids[n], sealed.correlation, sealed.causation, append.cause.occurred_at, self._row[11]),
                *sealed.bodies[2 * n : 2 * n + 2],
            )
            for n in range(events)
        ]

    async def eventsourcing(self, callers: int, events: int) -> float:
        """`eventsourcing` with its database functions, a thread a caller, sixteen connections, the same bytes."""
        state, counts = self._row[-1], [0] * callers
        stop = time.perf_counter() + SECONDS

        def call(number: int) -> None:
            stream, version = ids.fresh(), 0
            while time.perf_counter() < stop:
                if version >= STREAM_LENGTH:
                    stream, version = ids.fresh(), 0
                self._recorder.insert_events(
                    [StoredEvent(stream, version + n, "bench:Said", state) for n in range(events)]
                )
                version += events
                counts[number] += events

        threads = [threading.Thread(target=call, args=[number]) for number in range(callers)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        return sum(counts) / (time.perf_counter() - began)

    async def _measured(self, callers: int, events: int, once: Callable[[Caller], Awaitable[object]]) -> float:
        """Facts a second when every caller calls again as soon as it is answered."""
        done = 0
        cast = [Caller(number, because(self._clock)) for number in range(callers)]
        stop = time.perf_counter() + SECONDS

        async def call(caller: Caller) -> None:
            nonlocal done
            while time.perf_counter() < stop:
                await once(caller)
                done += events

        began = time.perf_counter()
        await asyncio.gather(*map(call, cast))
        return done / (time.perf_counter() - began)


async def load(store: Store, pool: asyncpg.Pool, clock: Clock) -> tuple[float, float]:
    """Milliseconds to load and fold a stream of fifty facts, and for one `select 1`; medians, taken in turns."""
    stream = "bench-load"
    for expected in range(0, STREAM_LENGTH, 10):
        await store.append(TENANT, stream, expected, [Draft(stream, SAID, key="contact-1")] * 10, because(clock))
    loads, trips = [], []
    async with pool.acquire() as connection:
        for _ in range(LOADS):
            began = time.perf_counter()
            folded = 0
            for fact in await store.read_stream(TENANT, stream):
                folded += len(fact.event.text) if isinstance(fact.event, Said) else 0
            between = time.perf_counter()
            await connection.fetchval("SELECT 1")
            trips.append(time.perf_counter() - between)
            loads.append(between - began)
    return median(loads) * 1000, median(trips) * 1000


async def run(report: Report) -> None:
    """Five rounds, every strategy in each; medians."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(PostgresServer(durable=True))
        await migrate(server.url)
        connection = await asyncpg.connect(server.url)
        await connection.execute(TABLES)
        await connection.close()
        store = await stack.enter_async_context(
            Store.open(server.url, master=os.urandom(32), categories=[BENCH], connections=4)
        )
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        pool = await stack.enter_async_context(await postgres.pool(server.url, size=CONNECTIONS, name="bench"))
        contest = Contest(store, pool, clock, library(server.url, stack))
        await contest.prepare()
        await stack.enter_async_context(garbage.collected_seldom())  # as in every service
        rates = await rounds(contest)
        load_ms, trip_ms = await load(store, pool, clock)
    judge(report, rates)
    trips = load_ms / trip_ms
    report("load and fold a 50-event stream", load_ms, "ms")
    report("… in `select 1` round trips", trips, "×", bar="≤ 8", ok=trips <= 8)


Rates = dict[tuple[str, int, int], float]


async def rounds(contest: Contest) -> Rates:
    """The median rate of each strategy, number of callers and number of facts an append."""
    measures: dict[tuple[str, int, int], list[float]] = {}
    strategies: dict[str, Strategy] = {
        "LIM": contest.copied,
        "bound": contest.bound,
        "ours": contest.ours,
        "INSERT": contest.inserted,
        "eventsourcing": contest.eventsourcing,
    }
    for round_ in range(ROUNDS + 1):
        for callers in CALLERS:
            for events in (1, 3):
                for name, strategy in strategies.items():
                    rate = await strategy(callers, events)
                    if round_:  # the first warms everything up
                        measures.setdefault((name, callers, events), []).append(rate)
    return {place: median(values) for place, values in measures.items()}


def judge(report: Report, rates: Rates) -> None:
    """The figures, and the ratios beside their bars."""
    for events in (1, 3):
        for callers in CALLERS:
            limit, bound, ours, insert, others = (
                rates[name, callers, events] for name in ("LIM", "bound", "ours", "INSERT", "eventsourcing")
            )
            judged = callers == JUDGED
            label = f"append {events} event{'s' if events > 1 else ''}, {callers} callers"
            report(f"{label}: COPY into a bare table (LIM)", limit, "events/s")
            report(f"{label}: COPY into our indexes, sealed, two at once", bound, "events/s")
            report(f"{label}: … of LIM", bound / limit, "×")
            report(f"{label}: ours, sealed", ours, "events/s")
            least = 0.50 if events == 1 else 0.65
            report(
                f"{label}: … of LIM",
                ours / limit,
                "×",
                bar=f"≥ {least:.2f}" if judged else "",
                ok=not judged or ours >= least * limit,
            )
            judged = judged and events == 1
            report(
                f"{label}: … of raw INSERT",
                ours / insert,
                "×",
                bar="≥ 4" if judged else "",
                ok=not judged or ours >= 4 * insert,
            )
            report(
                f"{label}: … of eventsourcing",
                ours / others,
                "×",
                bar="≥ 10" if judged else "",
                ok=not judged or ours >= 10 * others,
            )


def library(url: str, stack: AsyncExitStack) -> PostgresApplicationRecorder:
    """The recorder of `eventsourcing`, with its database functions."""
    address = urlsplit(url)
    datastore = PostgresDatastore(
        dbname=address.path.strip("/"),
        host=address.hostname or "",
        port=str(address.port),
        user=address.username or "",
        password=address.password or "",
        pool_size=CONNECTIONS,
        max_overflow=0,
        max_waiting=0,
        enable_db_functions=True,
        originator_id_type="uuid",
    )
    stack.callback(datastore.close)
    recorder = PostgresApplicationRecorder(datastore, events_table_name="library_events")
    recorder.create_table()
    return recorder
