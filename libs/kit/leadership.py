"""One active instance of a role and shard: an advisory lock on a connection of its own; the others stand by."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from libs.kit import postgres

STANDBY_S = 0.3  # a waiting pg_advisory_lock would hold back vacuum, so the standby asks again and again


@dataclass(frozen=True, slots=True)
class Term:
    """The time for which this instance leads: as long as its connection lives."""

    connection: asyncpg.Connection
    lost: asyncio.Event

    @property
    def over(self) -> bool:
        """Whether the connection, and with it the lock, is gone."""
        return self.lost.is_set() or self.connection.is_closed()


def lock_key(role: str) -> int:
    """The first half of the advisory lock's key (int4); the shard is the second."""
    return int.from_bytes(hashlib.sha256(role.encode()).digest()[:4], signed=True)


@asynccontextmanager
async def leading(
    url: str, role: str, shard: int, *, database_role: str | None = None, on_standby: Callable[[], None] | None = None
) -> AsyncIterator[Term]:
    """Wait until this instance leads `role` in `shard`, and lead until the block ends.

    `on_standby` is called once Postgres is there and another instance leads. Raises what asyncpg raises when Postgres is away.
    """
    connection = await postgres.connect(url, role=database_role, name=f"{role}-{shard}", settings=postgres.PLANNED_ONCE)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        while True:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", lock_key(role), shard):
                break
            if on_standby is not None:
                on_standby()
            await asyncio.sleep(STANDBY_S)
        yield Term(connection, lost)
    finally:
        if not connection.is_closed():
            connection.terminate()
