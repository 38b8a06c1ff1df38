"""One transaction: private rows, then facts and the watermark."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from events.base import Event, Recorded
from libs.kit import postgres
from libs.kit.appends import CALL, Append, Appended, StreamMoved, asking_postgres, send

if TYPE_CHECKING:
    from libs.kit.store import Store


class Unit:
    """One transaction: private rows through `connection`, then `commit`, once and last."""

    def __init__(self, store: "Store", shard: int, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.shard = shard
        self.committed = False
        self._store = store
        self._transaction = connection.transaction()
        self._begun = False

    @property
    def lost(self) -> bool:
        """Whether the connection has died, and with it what was not committed."""
        return postgres.is_lost(self.connection)

    async def begin(self) -> None:
        """To be called before a statement of one's own, where the transaction begins lazily."""
        if not self._begun:
            self._begun = True
            with asking_postgres():
                await self._transaction.start()

    async def rollback(self) -> None:
        """Undo what was done so far."""
        await self._transaction.rollback()

    async def read_stream(
        self, tenant: str, stream: str, after_version: int = 0, upto_pos: int | None = None
    ) -> list[Recorded[Event]]:
        """As the store's, on this connection."""
        return await self._store.read_stream(tenant, stream, after_version, upto_pos, connection=self.connection)

    async def commit(
        self, consumer: str | None = None, from_pos: int = 0, upto_pos: int = 0, appends: Sequence[Append] = ()
    ) -> list[Appended]:
        """Write all facts, move the consumer's watermark from `from_pos` to `upto_pos`, and commit; or nothing of it.

        Several appends to one stream follow each other. Without a consumer there is no watermark and no fence.
        Raises StreamMoved, Fenced, Unavailable (then whether it was committed is not known), FactTooLarge.
        """
        with asking_postgres():
            requests = await self._store.sealed(appends)
            outcomes: list[Appended | StreamMoved] = []
            if requests or consumer is not None:
                with self._store.present_keys(requests):
                    outcomes = await send(
                        partial(self.connection.fetchrow, CALL),
                        self.shard,
                        requests,
                        whole=True,
                        consumer=consumer,
                        from_pos=from_pos,
                        upto_pos=upto_pos,
                    )
            if self._begun:
                await self._transaction.commit()
        self.committed = True
        return [outcome for outcome in outcomes if isinstance(outcome, Appended)]
