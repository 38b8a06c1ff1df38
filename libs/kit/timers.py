"""Business time: timers are rows beside the facts that set them, and become `timer.fired` facts when they are due."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import asyncpg
import structlog

from events.base import Cause, Draft, Event, Recorded
from events.timer import Fired
from libs.kit import telemetry
from libs.kit.cancelling import pause
from libs.kit.clock import Clock
from libs.kit.failures import passes
from libs.kit.store import ANY, Append, Store
from libs.kit.world import Row

log = structlog.get_logger(__name__)

CHANNEL = "timers"
SOURCE = "orchestrator"
BATCH = 200
TURN_S = 0.1
AWAY_S = 0.5
POLL_S = 5.0  # a timer that another replica failed to fire is found this late

_SQL = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "sql").glob("timer_*.sql")}

_FIRED = telemetry.counter("timers_fired", "Timers that came due.")
_LATE = telemetry.histogram("timer_late_seconds", "Business seconds from due to fired.", buckets=telemetry.SLOW_BUCKETS)


def timer_row(cause: Recorded[Event], *, timer: str, due_at: datetime, stream: str, set_by: UUID | None = None) -> Row:
    """Set a timer in the reactor's transaction. `due_at` is business time; `stream` is whom it wakes; ids are the tenant's.

    `set_by` is the id of the fact that sets it, where that is known: it becomes the cause of `timer.fired`; else `cause`
    does. Setting the same timer again changes nothing.
    """
    where = cause.envelope
    args: tuple[Any, ...] = (
        where.tenant,
        timer,
        due_at,
        stream,
        set_by or where.id,
        where.correlation_id,
        where.config,
        where.traceparent,
    )
    return Row(_SQL["timer_set"], args)


class DueLoop:
    """Sleeps until the next timer is due by the business clock, and appends what fires; replicas take turns."""

    def __init__(self, store: Store, clock: Clock, *, batch: int = BATCH) -> None:
        self._store = store
        self._clock = clock
        self._batch = batch
        self._wake = asyncio.Event()
        self._next: datetime | None = None  # what it sleeps for

    async def run(self) -> NoReturn:
        """Work until cancelled."""
        undo = self._store.listener.on(CHANNEL, self._notified)
        try:
            while True:
                self._wake.clear()
                self._next = None
                try:
                    while await self.fire_due():
                        pass
                    self._next = await self._store.pool.fetchval(_SQL["timer_next"])
                except Exception as error:
                    if not passes(error):
                        raise
                    log.warning("timers cannot be read", error=type(error).__name__)
                    await pause(AWAY_S)
                    continue
                await self._sleep(self._next)
        finally:
            undo()

    def _notified(self, due: str | None) -> None:
        """A timer was set for this moment (seconds since 1970); most are set for later than the next one."""
        if due is None or self._next is None or float(due) < self._next.timestamp():
            self._wake.set()

    async def fire_due(self) -> int:
        """Fire what is due now, the earliest first, at most one batch of a shard. The number of timers fired."""
        now = self._clock.now()
        fired = 0
        tenants = await self._store.pool.fetch(_SQL["timer_tenants"], now)
        shards: dict[int, list[str]] = {}
        for record in tenants:
            shards.setdefault(await self._store.shard_of(record["tenant"]), []).append(record["tenant"])
        for shard, its in shards.items():
            fired += await self._fire(shard, its, now)
        return fired

    async def _fire(self, shard: int, tenants: list[str], now: datetime) -> int:
        async with self._store.transaction(shard) as unit:
            if not await unit.connection.fetchval(_SQL["timer_turn"], shard):
                return 0  # another replica is at it
            records = await unit.connection.fetch(_SQL["timer_due"], tenants, now, self._batch)
            if not records:
                return 0
            records.sort(key=lambda record: (record["due_at"], record["tenant"], record["id"]))
            await unit.commit(appends=[_fact(record, now) for record in records])
        for record in records:
            _LATE.observe(max(0.0, (now - record["due_at"]).total_seconds()))
        _FIRED.inc(len(records))
        log.info("timers fired", number=len(records))
        return len(records)

    async def _sleep(self, due: datetime | None) -> None:
        """Until `due`, a notice of a new timer, or a while."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wake.wait())]
        longest = POLL_S
        if due is not None and due > self._clock.now():
            waits.append(asyncio.ensure_future(self._clock.sleep_until(due)))
        elif due is not None:
            longest = TURN_S  # another replica is at it
        try:
            await asyncio.wait(waits, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _fact(record: asyncpg.Record, now: datetime) -> Append:
    cause = Cause(
        id=record["cause_id"],
        correlation_id=record["correlation_id"],
        occurred_at=now,
        source=SOURCE,
        config=record["config"],
        traceparent=record["traceparent"],
    )
    stream = f"timer-{record['id']}"
    draft = Draft(stream, Fired(timer=record["id"], stream=record["stream"]))
    return Append(record["tenant"], stream, ANY, [draft], cause, "timers")
