"""Who takes up the work that a commit brings: a worker of this process at once; those of others are notified where none does.

Postgres wakes every connection that listens, whatever to, for each notice. So it is asked only where nobody here has a hand free.
A wake-up that is lost costs the half second until the workers look by themselves.
"""

import asyncio
from collections.abc import Callable, Collection

import asyncpg
import structlog

from libs.kit.hands import Taking

log = structlog.get_logger(__name__)

Offer = Callable[[str], bool]
"""Told of work of a kind; whether it is taken up at once. Must not block nor raise."""

Take = Callable[[Collection[str], int], Taking | None]
"""Asked whether it may take effects of some kinds, how many at most, that are about to be opened. As an offer else."""

Work = tuple[str, str]
"""The channel of a ledger's workers, and the kind of the work."""


class Wakes:
    """The workers of one store."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._offers: dict[str, list[Offer]] = {}
        self._takes: dict[str, list[Take]] = {}
        self._notices: set[asyncio.Task[None]] = set()

    def on(self, channel: str, offer: Offer, take: Take | None = None) -> Callable[[], None]:
        """Have work of a channel offered, and a `take` asked before it is opened; what is returned undoes it."""
        takes = [] if take is None else [take]
        self._offers.setdefault(channel, []).append(offer)
        self._takes.setdefault(channel, []).extend(takes)

        def undo() -> None:
            self._offers[channel].remove(offer)
            for each in takes:
                self._takes[channel].remove(each)

        return undo

    def taking(self, channel: str, kinds: Collection[str], number: int) -> Taking | None:
        """The claim of a worker here on up to `number` effects that are about to be opened; None where none has a hand free."""
        for take in self._takes.get(channel, ()):
            if (taking := take(kinds, number)) is not None:
                return taking
        return None

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
