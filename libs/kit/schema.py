"""What a database's schema is, as text, to be compared: `python -m libs.kit.schema > infra/postgres/schema.txt`."""

import asyncio
import sys

import asyncpg

from libs.kit.embedded_postgres import PostgresServer
from libs.kit.migrate import SQL, migrate

SNAPSHOT = SQL / "schema.txt"

FACTS = (SQL / "describe.sql").read_text(encoding="utf-8")


async def describe(connection: asyncpg.Connection) -> str:
    """The schema of the connected database: its catalog in sorted lines."""
    return "".join(f"{line}\n" for (line,) in await connection.fetch(FACTS))


async def snapshot() -> str:
    """What the migrations make of an empty database."""
    async with PostgresServer() as server:
        await migrate(server.url)
        connection = await asyncpg.connect(server.url)
        try:
            return await describe(connection)
        finally:
            await connection.close()


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(snapshot()))
