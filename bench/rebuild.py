"""Reading the log back for a rebuild, against the wire (the raw rows, undecoded) and the `eventsourcing` library."""

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from uuid import UUID, uuid5

import asyncpg
import msgspec
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from bench.append import Report, library
from events.conversation import ProcessMoved
from events.values import Trigger
from libs.kit.codec import COLUMNS
from libs.kit.embedded import PostgresServer
from libs.kit.migrate import migrate
from libs.kit.store import Store
from projections.rebuild import Fold
BATCH = 2000
from projections.state_bindings import STATE_BINDINGS

FACTS = 20_000
ROUNDS = 3
ROOT = UUID("00000000-0000-0000-0000-00000000beef")
MOVED = ProcessMoved(
    matter="43980b2a-26d4-5e75-94e3-f8434d5bc461",
    from_state="reminded",
    to_state="promised",
    trigger=Trigger(type="intent", value="promise_to_pay"),
    reasons=["extracted_info.payment_date exists: 2026-02-20", "the intent is one that this state accepts"],
)
"""With its envelope about the 442 bytes of an average fact; nothing in it is sealed, as nothing is in the library's."""

FILL = """
INSERT INTO log.event (shard, pos, stream_id, version, tenant, category, type, event_id, correlation_id, causation_id,
    occurred_at, recorded_at, meta, data)
SELECT 0, n, 'conversation-' || n / 50, n % 50 + 1, 'default', 'conversation', 'conversation.process_moved.v1',
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), now(), '{"source":"bench"}', $2
FROM generate_series(1, $1::int) AS n
"""
HEAD = "UPDATE log.log_head SET pos = $1 WHERE shard = 0"
RAW = f"SELECT {COLUMNS} FROM log.event WHERE shard = 0 AND pos > $1 ORDER BY pos LIMIT {BATCH}"

FULL_OF_WIRE, FULL_OF_LIBRARY = 0.35, 3.5


async def run(report: Report) -> None:
    """The median of a few rounds, each way in each round."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(PostgresServer())
        await migrate(server.url)
        store = await stack.enter_async_context(Store.open(server.url, master=os.urandom(32), connections=4))
        await store.pool.execute(FILL, FACTS, msgspec.json.encode(MOVED))
        await store.pool.execute(HEAD, FACTS)
        await store.pool.execute("ANALYZE log.event")
        recorder = library(server.url, stack)
        fill_library(recorder)
        ways: dict[str, Callable[[], Awaitable[int]]] = {
            "wire": lambda: wire(store.pool),
            "full": lambda: full(store),
            "library": lambda: through_library(recorder),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(ROUNDS + 1):
            for name, way in ways.items():
                began = time.perf_counter()
                read = await way()
                if read != FACTS:
                    raise RuntimeError(f"{name} read {read} facts of {FACTS}")
                if round_:  # the first warms everything up
                    rates[name].append(FACTS / (time.perf_counter() - began))
    middle = {name: median(values) for name, values in rates.items()}
    of_wire, of_library = middle["full"] / middle["wire"], middle["full"] / middle["library"]
    report("wire: raw rows", middle["wire"], "events/s")
    report("rebuild: every field, read ahead, folded", middle["full"], "events/s")
    report("… of wire", of_wire, "×", bar=f"≥ {FULL_OF_WIRE}", ok=of_wire >= FULL_OF_WIRE)
    report("eventsourcing: notifications, undecoded", middle["library"], "events/s")
    report(
        "rebuild, times eventsourcing", of_library, "×", bar=f"≥ {FULL_OF_LIBRARY}", ok=of_library >= FULL_OF_LIBRARY
    )


async def wire(pool: asyncpg.Pool) -> int:
    """Every row as the driver gives it."""
    pos = read = 0
    async with pool.acquire() as connection:
        while rows := await connection.fetch(RAW, pos):
            pos, read = rows[-1]["pos"], read + len(rows)
    return read


async def full(store: Store) -> int:
    """As `converse projections rebuild` does it."""
    fold = Fold(store, [STATE_BINDINGS])
    await fold.upto({0: FACTS})
    return fold.facts


def fill_library(recorder: PostgresApplicationRecorder) -> None:
    """The same facts as the library stores them."""
    state = msgspec.json.encode(MOVED)
    for start in range(0, FACTS, 1000):
        recorder.insert_events(
            [
                StoredEvent(uuid5(ROOT, str(number // 50)), number % 50 + 1, "ProcessMoved", state)
                for number in range(start, start + 1000)
            ]
        )


async def through_library(recorder: PostgresApplicationRecorder) -> int:
    """Its notification log in pages."""
    start, read = 1, 0
    while page := recorder.select_notifications(start, BATCH):
        start, read = int(page[-1].id) + 1, read + len(page)
    return read
