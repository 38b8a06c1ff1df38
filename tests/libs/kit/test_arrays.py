"""Both forms of an array arrive as the same one."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from libs.kit.arrays import PACKED, WRITTEN, takes_packed
from libs.testkit.servers import StoreOf

MOMENT = datetime(2026, 2, 20, 9, 30, 0, 123456, tzinfo=UTC)
EARLY = datetime(1, 1, 1, tzinfo=UTC)

ARRAYS: list[tuple[str, list[Any]]] = [
    ("ints", []),
    ("ints", [0, -1, 2**31 - 1, -(2**31)]),
    ("texts", []),
    ("texts", ["", "null", "NULL", 'a "word" \\ {b,c}', "नमस्ते", " ", "\n"]),
    ("uuids", []),
    ("uuids", ["0b8e7d1a2f645b7d9c395a7f1e6b2d44", "", "f" * 32]),
    ("times", []),
    ("times", [MOMENT, MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), EARLY]),
]


async def test_a_packed_array_is_the_one_that_is_written(store_of: StoreOf):
    store = await store_of()
    async with store.writers.acquire() as connection:
        await takes_packed(connection)
        for kind, values in ARRAYS:
            packed, written = getattr(PACKED.casts, kind), getattr(WRITTEN.casts, kind)
            arrived = await connection.fetchrow(
                f"SELECT p = w AS equal, cardinality(p) AS length FROM (SELECT $1::{packed}, $2::{written}) AS a (p, w)",
                getattr(PACKED, kind)(values),
                getattr(WRITTEN, kind)(values),
            )
            assert arrived["equal"], (kind, values)
            assert arrived["length"] == len(values), (kind, values)
