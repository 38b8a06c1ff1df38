"""Projecting as facts come: the rows that a fact touches are read, folded and written in the reactor's transaction."""

from collections.abc import Sequence
from typing import Any, Protocol

from events.base import Event, Recorded
from events.contact import Erased
from libs.kit import world
from libs.kit.world import Decision, Handler, World
from projections.base import Held, Key, Projection, Row, Table, by_kind, clean
from projections.erasing import Erasing

CONSUMER = "projections"


class Rows(Protocol):
    """Where rows are read from."""

    async def fetch(self, sql: str, *args: Any) -> list[Any]: ...


class Projector:
    """Handlers that keep read models; what they write goes through the views, to whichever generation is in use."""

    def __init__(self, projections: Sequence[Projection], erasing: Erasing | None = None) -> None:
        self._hear = by_kind(projections)
        self._erasing = erasing
        self._tables = {table.kind: table for projection in projections for table in projection.tables}

    def handlers(self) -> dict[type[Event], Handler]:
        """One for all that is heard."""
        return dict.fromkeys(self._hear, self.on_fact)

    async def on_fact(self, fact: Recorded[Any], about: World) -> Decision | None:
        """The rows that a fact changes."""
        hearing = self._hear[type(fact.event)]
        wanted = dict.fromkeys(each for projection in hearing for each in projection.reads(fact))
        held = await load(about.db, [(self._tables[kind], key) for kind, key in wanted])
        rows = [row for projection in hearing for row in projection.apply(fact, held)]
        if self._erasing is not None and isinstance(fact.event, Erased):
            rows += await self._erasing.rows(fact, about)
        return Decision(rows=[self._write(row) for row in rows]) if rows else None

    def _write(self, row: Row) -> world.Row:
        table = self._tables[type(row)]
        return world.Row(table.upsert, table.values(row))


async def load(rows: Rows, wanted: Sequence[tuple[Table, Key]]) -> Held:
    """The rows by their keys, in one round trip."""
    held = Held()
    if not wanted:
        return held
    parts: list[str] = []
    args: list[str | int] = []
    for place, (table, key) in enumerate(wanted):
        ids = []
        for name, value in zip(table.key, key, strict=True):
            args.append(clean(value) if isinstance(value, str) else value)
            ids.append(f"t.{name} = ${len(args)}")
        parts.append(
            f"SELECT {place}, to_jsonb(t)::text FROM read.{table.name} t WHERE {' AND '.join(ids)}"  # noqa: S608 - names of our own structs
        )
    for place, text in await rows.fetch(" UNION ALL ".join(parts), *args):
        held.put(wanted[place][0].read(text))
    return held
