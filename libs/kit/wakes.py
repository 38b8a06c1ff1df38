"""Who takes up the work that a commit brings: a worker of this process at once; those of others are notified where none does.

Postgres wakes every connection that listens, whatever to, for each notice. So it is asked only where nobody here has a hand free.
A wake-up that is lost costs the half second until the workers look by themselves.
"""

import asyncio
from collections.abc import Callable, Collection

import asyncpg
import structlog

log = structlog.get_logger(__name__)

Offer = Callable[[str], bool]
"""Told of work of a kind; whether it is taken up at once. Must not block nor raise."""

Work = tuple[str, str]
"""The channel of a ledger's workers, and the kind of the work."""


class Wakes:
    """The workers of one store."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._offers: dict[str, list[Offer]] = {}
        self._notices: set[asyncio.Task[None]] = set()

    def on(self, channel: str, offer: Offer) -> Callable[[], None]:
        """Have work of a channel offered; what is returned undoes it."""
        self._offers.setdefault(channel, []).append(offer)
        return lambda: self._offers[channel].remove(offer)

    def tell(self, works: Collection[Work]) -> None:
        """Offer what has been committed to the workers here, and have the others notified of what none of them takes."""
        left = {channel for channel, kind in works if not any(offer(kind) for offer in self._offers.get(channel, ()))}
        for channel in left:
            notice = asyncio.get_running_loop().create_task(self._notify(channel), name=f"notify {channel}")
            self._notices.add(notice)
            notice.add_done_callback(self._notices.discard)

    async def close(self) -> None:
        """Return once every notice is given."""
        if self._notices:
            await asyncio.wait(self._notices, timeout=1.0)

    async def _notify(self, channel: str) -> None:
        try:
            await self._pool.execute("SELECT pg_notify($1, '')", channel)
        except Exception as error:  # whatever it is: they will look by themselves
            log.debug("workers elsewhere could not be woken", channel=channel, error=type(error).__name__)
