"""A Postgres of one's own that has no room for all our connections is told of before it runs out."""

from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from services.cli.room import CONNECTIONS, Room
from services.cli.settings import from_environment
from services.cli.system import surroundings
from tests.services.cli.conftest import Converse


async def test_a_postgres_without_room_is_told_by_the_doctor_and_at_the_start(
    converse: Converse, database: str, environment: dict[str, str]
):
    name = urlsplit(database).path[1:]
    connection = await asyncpg.connect(database)
    await connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 60')
    await connection.close()
    words = f"ALTER DATABASE … CONNECTION LIMIT {CONNECTIONS} (it is 60)"
    looked = await converse("doctor", "--json")
    [check] = [check for check in msgspec.json.decode(looked.stdout) if check["name"] == "PostgreSQL"]
    assert (looked.exit_code, check["well"]) == (1, False)
    assert "60 connections for us" in check["found"]
    assert words in check["advice"]
    said: list[str] = []
    async with surroundings(from_environment(environment), said.append):
        pass
    [careful] = [line for line in said if line.startswith("careful")]
    assert words in careful


@pytest.mark.parametrize(
    ("room", "allowed", "advice"),
    [
        (Room(200, 3, None, None, 5), 197, ""),
        (Room(100, 3, None, None, 5), 97, "max_connections = 143 or more (it is 100"),
        (Room(200, 3, 20, None, 0), 20, "ALTER ROLE … CONNECTION LIMIT 140 (it is 20)"),
        (Room(100, 3, 20, 30, 0), 20, "ALTER DATABASE … CONNECTION LIMIT 140 (it is 30)"),
    ],
)
def test_what_binds_the_connections_is_what_is_to_be_raised(room: Room, allowed: int, advice: str):
    assert room.allowed == allowed
    assert advice in room.advice if advice else room.advice == ""
