"""One transaction: private rows, then facts and the watermark."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from events.base import Event, Recorded
from libs.kit import postgres
from libs.kit.appends import Append, Appended, Fenced, Request, StreamMoved, asking_postgres, send
from libs.kit.effect_sql import Ledger, channel
from libs.kit.hands import Taking
from libs.kit.one_statement import Row, together
from libs.kit.own_work import Opened, Placed, claim_of, gate_rows, openings, work_of
from libs.kit.wakes import Work

if TYPE_CHECKING:
    from libs.kit.store import Store

ROLLBACK_S = 5.0

_Outcomes = list[Appended | StreamMoved]


class Unit:
    """One transaction: private rows through `connection`, then `commit`, once and last. `begun`: a statement of it was sent."""

    def __init__(self, store: "Store", shard: int, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.shard = shard
        self.committed = False
        self._store = store
        self._transaction = connection.transaction()
        self.begun = False
        self._works: set[Work] = set()
        self._taking: Taking | None = None
        self._taken: list[asyncpg.Record] = []

    @property
    def lost(self) -> bool:
        """Whether the connection has died, and with it what was not committed."""
        return postgres.is_lost(self.connection)

    async def begin(self) -> None:
        """To be called before a statement of one's own, where the transaction begins lazily."""
        if not self.begun:
            self.begun = True
            with asking_postgres():
                await self._transaction.start()

    async def write(self, rows: Sequence[Row]) -> None:
        """Write rows in their order; neighbours with the same statement go in one round trip."""
        if not rows:
            return
        await self.begin()
        start = 0
        for end in range(1, len(rows) + 1):
            if end < len(rows) and rows[end].sql == rows[start].sql:
                continue
            if end - start == 1:
                await self.connection.execute(rows[start].sql, *rows[start].args)
            else:
                await self.connection.executemany(rows[start].sql, [row.args for row in rows[start:end]])
            start = end
        self._works |= {row.wakes for row in rows if row.wakes}

    async def rollback(self) -> None:
        """Undo what was done so far. Raises TimeoutError where Postgres does not answer: then it is undone when the connection ends."""
        async with asyncio.timeout(ROLLBACK_S):
            await self._transaction.rollback()

    async def read_stream(
        self, tenant: str, stream: str, after_version: int = 0, upto_pos: int | None = None
    ) -> list[Recorded[Event]]:
        """As the store's, on this connection."""
        return await self._store.read_stream(tenant, stream, after_version, upto_pos, connection=self.connection)

    async def commit(
        self,
        consumer: str | None = None,
        from_pos: int = 0,
        upto_pos: int = 0,
        appends: Sequence[Append] = (),
        rows: Sequence[Row] = (),
        own: Sequence[Placed] = (),
    ) -> list[Appended]:
        """Write the rows, all facts, move the consumer's watermark from `from_pos` to `upto_pos`, and commit; or nothing of it.

        Several appends to one stream follow each other. Without a consumer there is no watermark and no fence. `own` is what
        some of the facts mean for the service's own ledger.
        Raises StreamMoved, Fenced, Unavailable (then whether it was committed is not known), FactTooLarge.
        """
        try:
            outcomes = await self._commit(consumer, from_pos, upto_pos, appends, rows, own)
        except (StreamMoved, Fenced):
            if self._taking is not None:
                self._taking.begin(())
            raise
        except BaseException:
            if self._taking is not None:
                self._taking.lose()
            raise
        self.committed = True
        if self._taking is not None:
            self._taking.begin(self._taken)
        self._store.wakes.tell(self._works)
        return [outcome for outcome in outcomes if isinstance(outcome, Appended)]

    async def _commit(
        self,
        consumer: str | None,
        from_pos: int,
        upto_pos: int,
        appends: Sequence[Append],
        rows: Sequence[Row],
        own: Sequence[Placed],
    ) -> _Outcomes:
        with asking_postgres():
            requests = await self._store.sealed(appends)
            outcomes: _Outcomes = []
            if requests or consumer is not None:
                append = partial(
                    send,
                    shard=self.shard,
                    requests=requests,
                    whole=True,
                    consumer=consumer,
                    from_pos=from_pos,
                    upto_pos=upto_pos,
                )
                with self._store.present_keys(requests):
                    outcomes = await self._append(append, rows, own, requests)
            else:
                await self.write(rows)
            if self.begun:
                await self._transaction.commit()
        return outcomes

    async def _append(
        self,
        append: Callable[..., Awaitable[_Outcomes]],
        rows: Sequence[Row],
        own: Sequence[Placed],
        requests: Sequence[Request],
    ) -> _Outcomes:
        """The rows and the facts in one statement, or where that could make a difference one after the other.

        Effects of one's own are opened in it, too, and taken by who may begin them here. The few gates that move are rows after
        it: they need its answer. Where one does nothing is taken, for it may be closed to what is opened.
        """
        opens, opened = openings(own)
        gates_move = len(opened) < len(own)
        if gates_move:
            await self.begin()
        one = together(rows, opens)
        if one is None:
            await self.write(rows)
            rows, one = (), together((), opens)
            assert one is not None
        text, args = one
        if opens is None:
            outcomes = await append(lambda *batch: self.connection.fetchrow(text, *batch, *args))
        else:
            outcomes = await append(
                partial(self._open, opens, opened, not gates_move, text, (*args, work_of(opened, requests)))
            )
        self._works |= {row.wakes for row in rows if row.wakes}
        if gates_move:
            await self.write(gate_rows(own, requests, [each for each in outcomes if isinstance(each, Appended)]))
        return outcomes

    async def _open(
        self, ledger: Ledger, opened: Sequence[Opened], take: bool, text: str, args: Sequence[Any], *batch: Any
    ) -> tuple[Any, ...]:
        """Append and open effects, and keep what is taken of them for after the commit."""
        kinds = [each.work.kind for each in opened]
        if take:
            self._taking = self._store.wakes.taking(channel(ledger), set(kinds), len(kinds))
        rows = await self.connection.fetch(text, *batch, *args, *claim_of(self._taking))
        self._taken = [row for row in rows if row["id"] is not None]
        if len(self._taken) < len(kinds):
            self._works |= {(channel(ledger), kind) for kind in kinds}
        return tuple(rows[0][:4])
