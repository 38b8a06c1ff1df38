"""Proving that the read models equal the log: folded anew up to the position that one snapshot shows, and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from libs.kit.store import Store
from projections import generations
from projections.base import Projection, Table
from projections.rebuild import Fold, Progress, copy, watermarks

SHOWN = 20
"""So many differences of a table are told; all are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the log says; `columns` names what differs, the values may be personal."""

    table: str
    key: Mapping[str, Any]
    what: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison came to: rows in the table, rows that differ, and some of them."""

    name: str
    pos: int
    rows: int
    differing: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return self.differing == 0


async def verify(
    store: Store, projections: Sequence[Projection], progress: Progress = lambda done, of: None
) -> list[Verdict]:
    """Compare the read models with the log; traffic goes on."""
    async with generations.maintenance(store.url) as connection:
        fold = Fold(store, projections)
        await fold.upto(await watermarks(connection), progress)
        # Rows and watermark commit together, so that a snapshot shows the tables exactly at its watermark.
        async with connection.transaction(isolation="repeatable_read"):
            at = await watermarks(connection)
            await fold.upto(at)
            return [
                await _compare(connection, projection, fold, max(at.values(), default=0)) for projection in projections
            ]


async def _compare(connection: asyncpg.Connection, projection: Projection, fold: Fold, pos: int) -> Verdict:
    rows, differing = 0, 0
    told: list[Difference] = []
    for table in projection.tables:
        name = f"folded_{table.name}"
        await connection.execute(f"CREATE TEMP TABLE {name} (LIKE read.{table.name}) ON COMMIT DROP")
        await copy(connection, table, name, fold.held, schema=None)
        keys = ", ".join(table.key)
        # Names of our own structs, never of a request.
        both = (
            f"FROM (SELECT {keys}, to_jsonb(l) AS live FROM read.{table.name} l) AS x FULL JOIN"  # noqa: S608
            f" (SELECT {keys}, to_jsonb(f) AS folded FROM {name} f) AS y USING ({keys})"
        )
        counts = await connection.fetchrow(
            f"SELECT count(live) AS rows, count(*) FILTER (WHERE live IS DISTINCT FROM folded) AS differing {both}"  # noqa: S608
        )
        rows += counts["rows"]
        differing += counts["differing"]
        if counts["differing"]:
            found = await connection.fetch(
                f"SELECT live::text, folded::text {both} WHERE live IS DISTINCT FROM folded"  # noqa: S608
                f" ORDER BY {keys} LIMIT {SHOWN}"
            )
            told += [_difference(table, row["live"], row["folded"]) for row in found]
    return Verdict(projection.name, pos, rows, differing, tuple(told))


def _difference(table: Table, live: str | None, folded: str | None) -> Difference:
    has: dict[str, Any] = msgspec.json.decode(live) if live else {}
    should: dict[str, Any] = msgspec.json.decode(folded) if folded else {}
    key = {name: (has or should)[name] for name in table.key}
    if not has:
        return Difference(table.name, key, "is missing")
    if not should:
        return Difference(table.name, key, "the log knows no such row")
    columns = tuple(name for name in should if has.get(name) != should[name])
    return Difference(table.name, key, "differs", columns)
