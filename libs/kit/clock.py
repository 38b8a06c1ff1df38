"""Business time, which the demo and tests can move, and machine time, which nobody can."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from libs.kit.cancelling import end, pause
from libs.kit.listen import Listener

log = structlog.get_logger(__name__)

CHANNEL = "business_clock"
RETRY_S = 0.2


class Clock:
    """Tells the time, zone-aware in UTC. Business time is machine time plus the offset in ops.business_clock."""

    def __init__(self, pool: asyncpg.Pool | None = None, *, ahead: timedelta = timedelta(0)) -> None:
        self._pool = pool
        self._ahead = ahead
        self._stopped_at: datetime | None = None
        self._moved = asyncio.Event()
        self._stale = asyncio.Event()
        self._turn = asyncio.Lock()  # what was read before a move must not be taken over after it

    @classmethod
    def fixed(cls, at: datetime) -> "Clock":
        """A clock that stands at `at` and moves only when told to."""
        clock = cls()
        clock._stopped_at = at
        return clock

    @classmethod
    @asynccontextmanager
    async def open(cls, pool: asyncpg.Pool, listener: Listener) -> AsyncIterator["Clock"]:
        """The clock that all processes of this database share."""
        clock = cls(pool)
        await clock._reload()
        undo = listener.on(CHANNEL, lambda _: clock._stale.set())
        following = asyncio.create_task(clock._follow(), name="business-clock")
        try:
            yield clock
        finally:
            undo()
            await end(following)

    def machine(self) -> datetime:
        """Machine time: for leases, waits of effects and `recorded_at`."""
        return self._stopped_at or datetime.now(UTC)

    def now(self) -> datetime:
        """Business time: for policies, timers, windows of channels and `occurred_at`."""
        return self.machine() + self._ahead

    async def advance(self, by: timedelta) -> datetime:
        """Move business time by `by`, for everybody; returns the new business time."""
        if self._pool is None:
            self._set(self._ahead + by)
        else:
            async with self._turn:
                self._set(
                    await self._pool.fetchval("UPDATE ops.business_clock SET ahead = ahead + $1 RETURNING ahead", by)
                )
        return self.now()

    async def set(self, at: datetime) -> None:
        """Move business time to `at`, for everybody; from there it goes on."""
        ahead = at - self.machine()
        async with self._turn:
            if self._pool is not None:
                await self._pool.execute("UPDATE ops.business_clock SET ahead = $1", ahead)
            self._set(ahead)

    async def sleep_until(self, at: datetime) -> None:
        """Return once business time is `at` or later, also when it is moved there."""
        while (left := at - self.now()) > timedelta(0):
            moved = self._moved
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._stopped_at else left.total_seconds()):
                    await moved.wait()

    def _set(self, ahead: timedelta) -> None:
        if ahead != self._ahead:
            self._ahead = ahead
            self._moved.set()
            self._moved = asyncio.Event()

    async def _reload(self) -> None:
        if self._pool is not None:
            async with self._turn:
                self._set(await self._pool.fetchval("SELECT ahead FROM ops.business_clock"))

    async def _follow(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._reload()
            except Exception as error:
                log.warning("business time cannot be read", error=type(error).__name__)
                self._stale.set()
                await pause(RETRY_S)
