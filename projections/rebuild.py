"""Building read models from the log: into new tables beside the old ones, which are replaced while traffic flows."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import asyncpg

from events.base import Recorded
from libs.kit.lists import Facts, Listed, uncollected
from libs.kit.store import Store
from projections import generations
from projections.base import Held, Key, Projection, Row, Table, by_kind
from projections.live import CONSUMER

NEAR = 500
"""So few facts behind, the rest is read while the view is locked."""
SWAP_TRIES = 400
SWAP_PAUSE_S = 0.02

Touched = dict[tuple[type[Row], Key], Row]
Progress = Callable[[int, int], None]
"""Told how many positions are done of how many."""


class SwapRefused(Exception):
    """The tables were in use without a pause for too long; run it again when there is less traffic."""


@dataclass(frozen=True, slots=True)
class Built:
    """A read model that was rebuilt: its new generation, how many rows it has, and up to which position."""

    name: str
    generation: int
    rows: int
    pos: int


class Fold:
    """The log folded into read models in memory, up to a position of each shard."""

    def __init__(self, store: Store, projections: Sequence[Projection]) -> None:
        hear = by_kind(projections)
        self._log = Facts(store, hear)
        self._apply = {kind: [projection.apply for projection in hearing] for kind, hearing in hear.items()}
        self.held = Held()
        self.at: dict[int, int] = {}
        self.facts = 0

    async def upto(self, goal: dict[int, int], progress: Progress = lambda done, of: None) -> None:
        """Take every fact up to these positions."""
        await self._upto(goal, progress, None)

    async def changes(self, goal: dict[int, int]) -> list[Row]:
        """Take every fact up to these positions; the rows that changed."""
        touched: Touched = {}
        await self._upto(goal, lambda done, of: None, touched)
        return list(touched.values())

    async def _upto(self, goal: dict[int, int], progress: Progress, touched: Touched | None) -> None:
        total = sum(goal.values())
        for shard, last in goal.items():
            others = sum(done for other, done in self.at.items() if other != shard)
            pages = self._log.pages(shard, self.at.get(shard, 0), last)
            with uncollected():
                async with aclosing(pages):
                    async for facts in pages:
                        self._take(facts, touched)
                        progress(others + facts[-1].pos, total)
            self.at[shard] = max(last, self.at.get(shard, 0))
        progress(total, total)

    def _take(self, facts: Sequence[Listed[Any]], touched: Touched | None) -> None:
        put, held, heard = self.held.put, self.held, self._apply
        # A listed fact has all that a recorded one has, without taking the time to become one.
        for fact in cast(Sequence[Recorded[Any]], facts):
            for apply in heard.get(type(fact.event), ()):
                for row in apply(fact, held):
                    key = put(row)
                    if touched is not None:
                        touched[type(row), key] = row
        self.facts += len(facts)


async def rebuild(
    store: Store, projections: Sequence[Projection], progress: Progress = lambda done, of: None
) -> list[Built]:
    """Build new tables from the log, catch up, and let the views show them. Raises SwapRefused."""
    async with generations.maintenance(store.url) as connection:
        return await rebuild_with(connection, store, projections, progress)


async def rebuild_with(
    connection: asyncpg.Connection, store: Store, projections: Sequence[Projection], progress: Progress
) -> list[Built]:
    """As `rebuild`, on the connection of a maintenance that has begun."""
    made = {each.name: await generations.make(connection, each) for each in projections}
    fold = Fold(store, projections)
    await fold.upto(await watermarks(connection), progress)
    for projection in projections:
        for kind, name in zip(projection.tables, generations.tables_of(projection, made[projection.name]), strict=True):
            await copy(connection, kind, name, fold.held, schema="read")
    built = []
    for projection in projections:
        alone = Fold(store, [projection])
        alone.held, alone.at = fold.held, dict(fold.at)
        built.append(await _swap(connection, alone, projection, made[projection.name]))
    return built


async def watermarks(connection: asyncpg.Connection) -> dict[int, int]:
    """Up to where each shard is projected."""
    rows = await connection.fetch("SELECT shard, pos FROM log.checkpoint WHERE consumer = $1", CONSUMER)
    return {row["shard"]: row["pos"] for row in rows}


async def copy(connection: asyncpg.Connection, table: Table, name: str, held: Held, *, schema: str | None) -> int:
    """Fill an empty table; the number of rows."""
    rows = held.all(table.kind)
    columns = [column.name for column in table.columns]
    records = map(table.values, rows)
    await connection.copy_records_to_table(name, schema_name=schema, columns=columns, records=records, timeout=3600)
    return len(rows)


async def _swap(connection: asyncpg.Connection, fold: Fold, projection: Projection, generation: int) -> Built:
    """Catch up until little is missing; then, with the view locked, take the rest and show the new tables."""
    names = dict(
        zip((table.kind for table in projection.tables), generations.tables_of(projection, generation), strict=True)
    )
    for _ in range(SWAP_TRIES):
        goal = await watermarks(connection)
        behind = sum(goal.values()) - sum(fold.at.values())
        await _write(connection, projection, names, await fold.changes(goal))
        if behind > NEAR:
            continue
        try:
            async with connection.transaction():
                await generations.lock(connection, projection)
                # Whoever changed these tables has committed, its watermark too; nobody does until we have.
                last = await watermarks(connection)
                await _write(connection, projection, names, await fold.changes(last))
                await generations.use(connection, projection, generation)
            rows = sum(len(fold.held.all(table.kind)) for table in projection.tables)
            return Built(projection.name, generation, rows, max(last.values(), default=0))
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(SWAP_PAUSE_S)
    raise SwapRefused(f"{projection.name} was in use without a pause; run it again when there is less traffic")


async def _write(
    connection: asyncpg.Connection, projection: Projection, names: dict[type[Row], str], rows: Sequence[Row]
) -> None:
    for table in projection.tables:
        values = [table.values(row) for row in rows if isinstance(row, table.kind)]
        if values:
            await connection.executemany(table.upsert_into(names[table.kind]), values, timeout=600)
