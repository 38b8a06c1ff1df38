"""Claims of which nobody knows whether they were made: what they took was begun by nobody, and is to be open again."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

import asyncpg
import structlog

from libs.kit.failures import passes

log = structlog.get_logger(__name__)

LOOK_FOR_S = 2.5  # a statement that was broken off may go on at the server, as long as its lock_timeout lets it wait
LOOK_AGAIN_S = 0.1


class Doubtful:
    """The claims of one worker whose answer was lost, be it with a connection or because the worker was cancelled.

    Left alone, their leases would run out, and then whatever they took would count as done, although nobody has begun it.
    """

    def __init__(self, pool: asyncpg.Pool, give_back: str) -> None:
        self._pool = pool
        self._sql = give_back
        self._until: dict[UUID, float | None] = {}  # None: Postgres has yet to answer, and perhaps to get to the claim

    def add(self, claim: UUID) -> None:
        """Nothing that this claim took is begun from here on."""
        self._until[claim] = None

    async def give_back(self) -> None:
        """Open again what these claims have taken by now. Raises what asyncpg raises where Postgres is away; they are kept then."""
        if not self._until:
            return
        began, claims = time.monotonic(), list(self._until)
        given = await self._pool.fetch(self._sql, claims)
        if given:
            log.warning("what was claimed by who never heard of it is open again", effects=len(given))
        for claim in claims:
            until = self._until[claim]
            if until is None:
                self._until[claim] = time.monotonic() + LOOK_FOR_S
            elif until <= began:
                del self._until[claim]

    async def settled(self) -> None:
        """Return when all is given back, or no longer to be waited for, be it that Postgres does not answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_FOR_S):
                while self._until:
                    try:
                        await self.give_back()
                    except Exception as error:
                        if not passes(error):
                            raise
                    await asyncio.sleep(LOOK_AGAIN_S)
