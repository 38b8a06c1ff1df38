"""Telling how effects ended: those that are known at the same time go in one statement, one transaction, one flush."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple

from libs.kit.effect_kinds import Claim
from libs.kit.effect_sql import Ledger, statement
from libs.kit.store import Append, Store, Unavailable

AT_ONCE = 64


class Ending(NamedTuple):
    """An effect that is to be closed with `label`, and the facts that tell it. `answered`: the provider works."""

    claim: Claim
    label: str
    appends: Sequence[Append]
    answered: bool


Waiting = tuple[Ending, "asyncio.Future[bool | None]"]


class Settling:
    """Closes the effects of one ledger in this process. While one statement is on its way, the next ones gather."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._waiting: defaultdict[int, deque[Waiting]] = defaultdict(deque)
        self._drivers: dict[int, asyncio.Task[None]] = {}

    async def settle(self, ending: Ending) -> bool | None:
        """Close the effect and tell it; whether other work of its account is due. None: its claim is not ours, nothing is written.

        Raises as `Store.append_where` does.
        """
        shard = await self._store.shard_of(ending.claim.tenant)
        told: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._waiting[shard].append((ending, told))
        if shard not in self._drivers:
            self._drivers[shard] = asyncio.create_task(self._drive(shard), name=f"settling {self._ledger}-{shard}")
        return await told

    async def _drive(self, shard: int) -> None:
        waiting = self._waiting[shard]
        batch: list[Waiting] = []
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
                await self._settle(shard, batch)
        except BaseException:
            for _, told in (*batch, *waiting):
                if not told.done():
                    told.set_exception(Unavailable("settling was broken off; try again"))
            waiting.clear()
            raise
        finally:
            del self._drivers[shard]

    async def _settle(self, shard: int, batch: Sequence[Waiting]) -> None:
        """All together; where that is refused, for one of them may be at fault, each alone."""
        if len(batch) > 1:
            try:
                more = await self._all(shard, [ending for ending, _ in batch])
            except Unavailable as error:
                for _, told in batch:
                    _fail(told, Unavailable(*error.args), error)
                return
            except Exception:  # noqa: S110 - whosever it is finds out, and tells, alone
                pass
            else:
                for _, told in batch:
                    if not told.done():
                        told.set_result(more)
                return
        for ending, told in batch:
            try:
                one = await self._one(shard, ending)
            except Exception as error:
                _fail(told, error, None)
            else:
                if not told.done():
                    told.set_result(one)

    async def _one(self, shard: int, ending: Ending) -> bool | None:
        claim = ending.claim
        args = (claim.id, claim.token, ending.label, ending.answered)
        row = await self._store.append_where(shard, statement("effect_settle", self._ledger), args, ending.appends)
        return None if row is None else bool(row["more"])

    async def _all(self, shard: int, endings: Sequence[Ending]) -> bool:
        # Everybody locks accounts in this order.
        endings = sorted(endings, key=lambda ending: (ending.claim.tenant, ending.claim.account))
        args = (
            [ending.claim.id for ending in endings],
            [ending.claim.token for ending in endings],
            [ending.label for ending in endings],
            [ending.answered for ending in endings],
        )
        appends = [append for ending in endings for append in ending.appends]
        row = await self._store.append_where(shard, statement("effect_settle_all", self._ledger), args, appends)
        assert row is not None, "a function returns"
        return bool(row["more"])


def _fail(told: "asyncio.Future[bool | None]", error: Exception, cause: Exception | None) -> None:
    if not told.done():
        error.__cause__ = cause or error.__cause__
        told.set_exception(error)
