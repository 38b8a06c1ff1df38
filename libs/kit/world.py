"""What a handler is given and what it gives back: the fact's world in, a decision out."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import asyncpg

from events.base import Cause, Draft, Recorded
from libs.kit.folds import Fold, Overlay, Reached
from libs.kit.memo import Answers, Memo
from libs.kit.one_statement import Row, may_see, only_reads
from libs.kit.own_work import OwnWork
from libs.kit.unit import Unit

__all__ = ["Decision", "Handler", "PrivateRows", "Row", "World"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a handler agrees to: facts to append and private rows to write, both or neither.

    `config` is the bundle that decided, where it is not the one of the fact in hand. `reached` are states of streams after
    all the drafts, where the decision has folded them from what the world gave. `own` tells by a draft's number what it means
    for this service's own ledger.
    """

    drafts: Sequence[Draft] = ()
    rows: Sequence[Row] = ()
    config: str | None = None
    reached: Sequence[Reached] = ()
    own: Mapping[int, OwnWork] = field(default_factory=dict)

    def cause(self, fact: Recorded[Any], now: datetime, source: str, traceparent: str | None) -> Cause:
        """What the drafts tell of why they are there: `fact` was heard."""
        return Cause(
            id=fact.id,
            correlation_id=fact.envelope.correlation_id,
            occurred_at=now,
            source=source,
            config=self.config or fact.envelope.config,
            traceparent=traceparent,
        )


class PrivateRows:
    """The service's own tables inside the reactor's transaction; a read sees every row decided before it."""

    def __init__(self, unit: Unit, memo: Memo | None = None) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._waiting: list[Row] = []
        self._memo = memo if memo is not None else Memo()
        self._told: dict[Hashable, Answers] = {}

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows of a query."""
        await self._see(sql)
        rows: list[asyncpg.Record] = await self._connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row of a query."""
        await self._see(sql)
        return await self._connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first value of the first row of a query."""
        await self._see(sql)
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run a statement now; prefer `Decision.rows`, which travel together."""
        await self._begin()
        status: str = await self._connection.execute(sql, *args)
        return status

    async def recall(self, about: Hashable, sql: str, *args: Any) -> list[asyncpg.Record]:
        """As `fetch`, of rows that this reactor alone writes: asked once, until a row is written that `alters` what it is about."""
        return await self.recall_of([about], sql, *args)

    async def recall_of(self, abouts: Sequence[Hashable], sql: str, *args: Any) -> list[asyncpg.Record]:
        """As `recall`, of something that is about several things: asked again once any of them is altered."""
        query = (sql, args)
        known = [self._known(about, query) for about in abouts]
        if known and all(each is not None for each in known):
            return known[0] or []
        told = await self.fetch(sql, *args)
        for about in abouts:
            self._told.setdefault(about, {})[query] = told
        return told

    def _known(self, about: Hashable, query: tuple[str, tuple[Any, ...]]) -> list[asyncpg.Record] | None:
        told = self._told.get(about, {}).get(query)
        return told if told is not None else self._memo.get(about).get(query)

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows to be written before the next read and before the commit."""
        self._waiting.extend(rows)
        for row in rows:
            if row.alters is not None:
                self._told.pop(row.alters, None)
                self._memo.drop(row.alters)

    def keep(self) -> None:
        """After the commit: what was told is true for later batches, too."""
        for about, answers in self._told.items():
            self._memo.put(about, answers)

    def take(self) -> list[Row]:
        """What waits to be written; it is the caller's from now on, to be committed with the facts."""
        waiting, self._waiting = self._waiting, []
        return waiting

    async def flush(self) -> None:
        """Write what waits."""
        await self._unit.write(self.take())

    async def _begin(self) -> None:
        await self._unit.begin()
        await self.flush()

    async def _see(self, sql: str) -> None:
        """What only reads needs no transaction, as long as it asks for nothing that waits to be written."""
        if not only_reads(sql) or (self._waiting and may_see(sql, self._waiting)):
            await self._begin()


class World:
    """Everything that one handler call may know besides the fact itself."""

    def __init__(self, fact: Recorded[Any], now: datetime, rows: PrivateRows, overlay: Overlay) -> None:
        self.fact = fact
        self.db = rows
        self._now = now
        self._overlay = overlay

    @property
    def tenant(self) -> str:
        """Whose fact this is; drafts go to the same tenant."""
        return self.fact.tenant

    def now(self) -> datetime:
        """The business now: the same through one call, and `occurred_at` of what is decided."""
        return self._now

    async def fold(self, fold: Fold[S], stream: str) -> S:
        """The state of a stream.

        A family that this service writes is folded to its newest fact, with what this batch has decided already; any
        other up to the position of the fact in hand, so that a replay decides the same.
        """
        return await self._overlay.fold(fold, stream, self.fact)


Handler = Callable[[Any, World], Awaitable[Decision | None]]
"""`async def on_x(fact: Recorded[X], world: World) -> Decision | None`"""
