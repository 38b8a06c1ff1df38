"""The tables of the read models: generations beside each other, and the view that says which one is read."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from libs.kit import postgres
from projections.base import Projection

ROLE = "converse_console"
ANALYST = "converse_analyst"
LOCK = 4_711_070  # any number that nothing else in the database locks
LOCK_WAIT_MS = 200
"""So long at most readers wait behind a swap that waits itself."""
FIRST = re.compile(r"(\bread\.\w+)_v1\b")

REGISTER = "INSERT INTO console.read_model (name, generation, hash, tables, state) VALUES ($1, $2, $3, $4, 'building')"
NEXT = "SELECT coalesce(max(generation), 0) + 1 FROM console.read_model WHERE name = $1"
CURRENT = "SELECT generation, hash FROM console.read_model WHERE name = $1 AND state = 'current'"
RETIRE = (
    "UPDATE console.read_model SET state = 'old', replaced_at = clock_timestamp() WHERE name = $1 AND state = 'current'"
)
PROMOTE = "UPDATE console.read_model SET state = 'current' WHERE name = $1 AND generation = $2"
DISCARDED = (
    "SELECT generation, tables FROM console.read_model WHERE name = $1"
    " AND (state = 'building' OR (state = 'old' AND replaced_at < clock_timestamp() - interval '1 day'))"
)
FORGET = "DELETE FROM console.read_model WHERE name = $1 AND generation = $2"


@asynccontextmanager
async def maintenance(url: str) -> AsyncIterator[asyncpg.Connection]:
    """The one connection that may make, fill and swap generations; waits until no other process does."""
    connection = await postgres.connect(url, role=ROLE, name="projections-maintenance")
    try:
        # It waits for the log between statements, and copies whole tables in one.
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=3600)
        await connection.execute("SET lock_timeout = '2s'")
        yield connection
    finally:
        connection.terminate()


def hash_of(projection: Projection) -> str:
    """What tells whether the tables were made by other statements."""
    return hashlib.sha256(projection.ddl.encode()).hexdigest()


async def is_current(connection: asyncpg.Connection, projection: Projection) -> bool:
    """Whether its tables are there, and are those of this release."""
    row = await connection.fetchrow(CURRENT, projection.name)
    return row is not None and row["hash"] == hash_of(projection)


async def prune(connection: asyncpg.Connection, projection: Projection) -> None:
    """Drop what was never finished, and generations that were replaced more than a day ago."""
    async with connection.transaction():
        for row in await connection.fetch(DISCARDED, projection.name):
            for table in row["tables"]:
                await connection.execute(f'DROP TABLE IF EXISTS read."{table}"')
            await connection.execute(FORGET, projection.name, row["generation"])


async def make(connection: asyncpg.Connection, projection: Projection) -> int:
    """Empty tables of a new generation, beside the ones in use; its number."""
    await prune(connection, projection)
    async with connection.transaction():
        generation: int = await connection.fetchval(NEXT, projection.name)
        tables = tables_of(projection, generation)
        await connection.execute(REGISTER, projection.name, generation, hash_of(projection), tables)
        await connection.execute(FIRST.sub(rf"\1_v{generation}", projection.ddl))
        for table in tables:
            await connection.execute(f'ALTER TABLE read."{table}" ENABLE ROW LEVEL SECURITY')
            await connection.execute(
                f'CREATE POLICY tenant ON read."{table}" FOR SELECT TO {ANALYST}'
                " USING (tenant = current_setting('converse.tenant', true))"
            )
            await connection.execute(f'GRANT SELECT ON read."{table}" TO {ANALYST}')
    return generation


def tables_of(projection: Projection, generation: int) -> list[str]:
    """The names of a generation's tables, in the order of the projection's."""
    return [f"{table.name}_v{generation}" for table in projection.tables]


async def lock(connection: asyncpg.Connection, projection: Projection) -> None:
    """In a transaction: nobody reads or writes it until the commit. Raises LockNotAvailableError where somebody does.

    For the first table it waits a moment, or under traffic its turn would never come; whoever waited while holding one of two
    tables could block the reactor that holds the other.
    """
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS}ms'")
    mode = "ACCESS EXCLUSIVE MODE"
    for table in projection.tables:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"read.{table.name}"):
            await connection.execute(f"LOCK TABLE read.{table.name} IN {mode}")
            mode = "ACCESS EXCLUSIVE MODE NOWAIT"


async def use(connection: asyncpg.Connection, projection: Projection, generation: int) -> None:
    """In a transaction: from its commit on the views show this generation."""
    for table, name in zip(projection.tables, tables_of(projection, generation), strict=True):
        view = f'VIEW read.{table.name} WITH (security_invoker = true) AS SELECT * FROM read."{name}"'  # noqa: S608 - our tables
        try:
            async with connection.transaction():
                await connection.execute(f"CREATE OR REPLACE {view}")
        except asyncpg.InvalidTableDefinitionError:  # columns went or changed their type
            await connection.execute(f"DROP VIEW read.{table.name}")
            await connection.execute(f"CREATE {view}")
        await connection.execute(f"GRANT SELECT ON read.{table.name} TO {ANALYST}")
    await connection.execute(RETIRE, projection.name)
    await connection.execute(PROMOTE, projection.name, generation)


async def begin(
    connection: asyncpg.Connection, projections: Sequence[Projection], *, consumer: str
) -> list[Projection]:
    """Make the tables of a log that nobody has projected yet; the projections that must be rebuilt instead."""
    started = await connection.fetchval("SELECT EXISTS (SELECT FROM log.checkpoint WHERE consumer = $1)", consumer)
    outdated = []
    for projection in projections:
        if await is_current(connection, projection):
            continue
        if started:
            outdated.append(projection)
            continue
        generation = await make(connection, projection)
        async with connection.transaction():
            await use(connection, projection, generation)
    return outdated
