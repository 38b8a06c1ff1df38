"""Group commit: the appends of a process to one shard that are ready go in one call, one transaction, one flush."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import structlog

from libs.kit import postgres, telemetry
from libs.kit.appends import PACKED_CALL, Appended, KeysLost, Overloaded, Request, StreamMoved, Unavailable, send
from libs.kit.arrays import PACKED, takes_packed

log = structlog.get_logger(__name__)

BATCH_FACTS = 1024
BATCH_BYTES = 4 * 1024 * 1024
WAITING = 10_000
WAITING_BYTES = 64 * 1024 * 1024
PATIENCE_S = 5.0
PAUSE_S = 0.05

BATCH = telemetry.histogram(
    "append_batch_facts",
    "Facts that one transaction appended",
    "shard",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
SECONDS = telemetry.histogram("append_seconds", "From the first call of a batch of appends to its answer", "shard")
FACTS = telemetry.counter("append_facts", "Facts appended", "shard")
CONFLICTS = telemetry.counter("append_conflicts", "Appends refused because their stream had moved", "shard")
REPEATS = telemetry.counter("append_repeats", "Batches sent again because their outcome was unknown", "shard")

Outcome = Appended | StreamMoved

Ticket = tuple[Request, "asyncio.Future[Appended]", float]


class Line(NamedTuple):
    """A connection with the call prepared on it."""

    connection: asyncpg.Connection
    call: asyncpg.prepared_stmt.PreparedStatement


class Lines:
    """Keeps some lines of all lanes between batches: to take a connection from the pool costs as much as ten facts."""

    def __init__(self, pool: asyncpg.Pool, keep: int) -> None:
        self._pool = pool
        self._keep = keep
        self._kept: list[Line] = []

    async def take(self, timeout_s: float) -> Line:
        """A line, kept or new. Raises what asyncpg raises when Postgres is away."""
        while self._kept:
            line = self._kept.pop()
            if not postgres.is_lost(line.connection):
                return line
            await self._pool.release(line.connection)
        connection = await self._pool.acquire(timeout=timeout_s)
        try:
            await takes_packed(connection)
            return Line(connection, await connection.prepare(PACKED_CALL))
        except BaseException:
            await self._pool.release(connection)
            raise

    async def give_back(self, line: Line) -> None:
        """Keep the line for the next batch, if there are not enough already."""
        if len(self._kept) < self._keep:
            self._kept.append(line)
        else:
            await self._pool.release(line.connection)

    async def cut(self, line: Line) -> None:
        """End a line that has failed."""
        postgres.end(line.connection)
        await self._pool.release(line.connection)

    async def close(self) -> None:
        """Let the pool have all of them."""
        while self._kept:
            await self._pool.release(self._kept.pop().connection)


class Lane:
    """The queue of one shard. `width` batches may be on their way at once: one is prepared while the other is flushed."""

    def __init__(self, lines: Lines, shard: int, *, width: int = 2, patience_s: float = PATIENCE_S) -> None:
        self._lines = lines
        self._shard = shard
        self._width = width
        self._patience_s = patience_s
        self._queue: deque[Ticket] = deque()
        self._bytes = 0
        self._flying = 0
        self._drivers: set[asyncio.Task[None]] = set()
        self._closed = False
        self._batch = BATCH.labels(shard)
        self._seconds = SECONDS.labels(shard)
        self._facts = FACTS.labels(shard)
        self._conflicts = CONFLICTS.labels(shard)

    def submit(self, request: Request) -> "asyncio.Future[Appended]":
        """What becomes of the request. Raises Overloaded, when nothing will."""
        if self._closed or len(self._queue) >= WAITING or self._bytes + request.size > WAITING_BYTES:
            raise Overloaded(self._shard)
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Appended] = loop.create_future()
        self._queue.append((request, outcome, time.perf_counter()))
        self._bytes += request.size
        # No await stands between a driver's finding the queue empty and its leaving the set, so none is missed here.
        if len(self._drivers) < self._width:
            driver = loop.create_task(self._drive())
            self._drivers.add(driver)
        return outcome

    async def close(self) -> None:
        """Take no more, and return once everything that waits has been answered."""
        self._closed = True
        while self._drivers:
            await asyncio.wait(self._drivers)

    async def _drive(self) -> None:
        line: Line | None = None
        me = asyncio.current_task()
        batch: list[Ticket] = []
        try:
            while batch := self._take():
                try:
                    line = await self._append(line, batch, time.monotonic() + self._patience_s)
                finally:
                    self._flying -= len(batch)
                # Those who were answered may come again, and go with this batch.
                await asyncio.sleep(0)
        except BaseException as error:
            # Nobody waits for this task, but callers wait for their requests.
            _fail(batch, Unavailable(f"appending was broken off ({type(error).__name__}); try again later"), error)
            raise
        finally:
            if me is not None:
                self._drivers.discard(me)
            if line is not None:
                await self._lines.give_back(line)

    def _take(self) -> list[Ticket]:
        """The requests to go next: no stream twice, for each is checked against what the log holds before the batch."""
        # Of what is under way, each batch takes its share: while one is being flushed, the other's callers go on.
        share = -(-(len(self._queue) + self._flying) // self._width)
        batch: list[Ticket] = []
        later: list[Ticket] = []
        streams: set[tuple[str, str]] = set()
        facts = size = 0
        while self._queue and len(batch) < share and facts < BATCH_FACTS and size < BATCH_BYTES:
            ticket = self._queue.popleft()
            request, outcome, _ = ticket
            if outcome.done():
                self._bytes -= request.size
                continue
            place = (request.tenant, request.stream)
            if place in streams:
                later.append(ticket)
                continue
            streams.add(place)
            batch.append(ticket)
            facts += len(request.ids)
            size += request.size
        self._queue.extendleft(reversed(later))
        self._bytes -= size
        self._flying += len(batch)
        return batch

    async def _append(self, line: Line | None, batch: Sequence[Ticket], deadline: float) -> Line | None:
        """Settle the batch and return the line, if it is still good."""
        requests = [request for request, _, _ in batch]
        told = False
        while True:
            try:
                if line is None:
                    line = await self._lines.take(max(0.1, deadline - time.monotonic()))
                self._settle(batch, await send(line.call.fetchrow, self._shard, requests, arrays=PACKED))
                return line
            except KeysLost as error:
                _fail(batch, error, None)
                return line
            except Exception as error:
                if not postgres.is_away(error):
                    return await self._isolate(line, batch, deadline, error)
                if line is not None and not isinstance(error, asyncpg.LockNotAvailableError):
                    await self._lines.cut(line)
                    line = None
                if time.monotonic() > deadline:
                    _fail(batch, Unavailable(f"Postgres did not answer in time: {type(error).__name__}"), error)
                    return line
                # Facts that were written after all are found by their ids.
                if not told:
                    told = True
                    log.warning("append is repeated", shard=self._shard, error=type(error).__name__, facts=len(batch))
                REPEATS.labels(self._shard).inc()
                await asyncio.sleep(PAUSE_S)

    async def _isolate(
        self, line: Line | None, batch: Sequence[Ticket], deadline: float, error: Exception
    ) -> Line | None:
        """One bad request must not disturb the others: halve until it stands alone."""
        if len(batch) == 1:
            _fail(batch, error, None)
            return line
        middle = len(batch) // 2
        line = await self._append(line, batch[:middle], deadline)
        return await self._append(line, batch[middle:], deadline)

    def _settle(self, batch: Sequence[Ticket], outcomes: Sequence[Outcome]) -> None:
        written = 0
        for (request, future, _), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, StreamMoved):
                self._conflicts.inc()
                if not future.done():
                    future.set_exception(outcome)
                continue
            if not outcome.duplicate:
                written += len(request.ids)
            if not future.done():
                future.set_result(outcome)
        self._batch.observe(written)
        self._seconds.observe(time.perf_counter() - batch[0][2])
        self._facts.inc(written)


def _fail(batch: Sequence[Ticket], error: Exception, cause: BaseException | None) -> None:
    for _, future, _ in batch:
        if not future.done():
            failure = type(error)(*error.args) if isinstance(error, Unavailable) else error
            failure.__cause__ = cause
            future.set_exception(failure)
