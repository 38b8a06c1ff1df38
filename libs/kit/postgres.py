"""Connections to Postgres: direct, impatient, and noticed when they die."""

from collections.abc import Mapping
from typing import Any

import asyncpg

COMMAND_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 5.0
RELEASE_TIMEOUT_S = 2.0  # for the server's word that what was broken off has ended; without it the connection ends
STATEMENTS = 300  # prepared on a connection and kept there: more than any service has

SETTINGS = {
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "60s",
    # The server finds a vanished client, and frees its locks, within ten seconds.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "timezone": "UTC",
    # Everything here reads by primary key and in batches; compiling such statements costs more than running them.
    "jit": "off",
}

# For connections on which a few statements run again and again: each is planned once, and not anew for what it is asked. What is
# planned over an empty table would read all of it when it no longer is empty: an index is there for whatever is looked up.
PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

# What a dying, starting or vanished server makes a caller see; the same request may be sent again later.
AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg loses count when the server dies in mid-answer
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.QueryCanceledError,  # a time-out of ours
    asyncpg.ReadOnlySQLTransactionError,  # it is a replica now
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)


def is_away(error: BaseException) -> bool:
    """Whether it is Postgres that failed, and not the request."""
    # asyncpg says DataError, a kind of InterfaceError, for an argument that it cannot send.
    return isinstance(error, AWAY) and not isinstance(error, asyncpg.DataError | ValueError)


def is_lost(connection: asyncpg.Connection) -> bool:
    """Whether a connection has died, a pool's too."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has taken the dead connection back already


def end(connection: asyncpg.Connection) -> None:
    """Close a connection at once, if it has not died yet."""
    if not is_lost(connection):
        connection.terminate()


async def connect(
    url: str, *, role: str | None = None, name: str = "converse", settings: Mapping[str, str] | None = None
) -> asyncpg.Connection:
    """One connection, for advisory locks and listening. `role` is the group role whose rights it is to have."""
    return await asyncpg.connect(
        url,
        server_settings=_settings(role, name, settings),
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=10,
        statement_cache_size=STATEMENTS,
        max_cached_statement_lifetime=0,
    )


class _Pool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg has no types
    """Nobody waits for a connection for ever, whichever of its methods is called, nor fails for what becomes of it afterwards."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=ACQUIRE_TIMEOUT_S if timeout is None else timeout)

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Take a connection back. One that cannot be used again has ended: that takes nothing away from who has used it.

        Else a cancellation in mid-query would become the error of this, and whoever goes round in a loop would go on.
        """
        try:
            await super().release(connection, timeout=RELEASE_TIMEOUT_S if timeout is None else timeout)
        except AWAY:
            if not is_lost(connection):
                raise


async def pool(
    url: str,
    *,
    role: str | None = None,
    size: int = 8,
    name: str = "converse",
    settings: Mapping[str, str] | None = None,
) -> asyncpg.Pool:
    """A pool of up to `size` connections. Set nothing on one: it is given to the next as it comes back."""
    return await _Pool(
        url,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        setup=None,
        init=None,
        loop=None,
        init_size=0,
        min_size=0,  # else the pool reconnects by itself, and fills the log while Postgres is away
        max_size=size,
        server_settings=_settings(role, name, settings),
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=10,
        reset=_reset,
        statement_cache_size=STATEMENTS,
        max_cached_statement_lifetime=0,
    )


async def _reset(connection: asyncpg.Connection) -> None:
    # asyncpg's own reset is a round trip on every release.
    if connection.is_in_transaction():
        await connection.reset()


def _settings(role: str | None, name: str, more: Mapping[str, str] | None) -> dict[str, Any]:
    settings = SETTINGS | {"application_name": name} | dict(more or {})
    return settings | {"role": role} if role else settings
