"""What a worker has in hand: the effects that it performs, and room for those that a statement opens and claims for it at once."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg


class Taking(NamedTuple):
    """The claim by which a statement that opens effects may take up to `most` of them, for a worker that keeps room for these.

    `leases`: how many seconds a claim lasts, by the kinds that the worker performs. One of two is called, once: `begin` with what
    was claimed, when that is committed or refused; `lose` where nobody knows.
    """

    token: UUID
    most: int
    leases: Mapping[str, float]
    begin: Callable[[Sequence[asyncpg.Record]], None]
    lose: Callable[[], None]


class Hands:
    """At most `slots` effects at once, or as many more as `room` says at the moment.

    `freed` is called as soon as there is room again for what was `wanted` while there was none.
    """

    def __init__(self, slots: int, room: Callable[[], int] | None, freed: Callable[[], None]) -> None:
        self._slots = slots
        self._room = room
        self._freed = freed
        self.wanted = False
        self._running: set[asyncio.Task[None]] = set()
        self._kept: dict[asyncio.Future[None], int] = {}

    @property
    def free(self) -> int:
        """How many more effects may be begun now; none or less where it is full."""
        most = self._slots if self._room is None else min(self._slots, self._room())
        return most - len(self._running) - sum(self._kept.values())

    def start(self, work: Coroutine[Any, Any, None], name: str, failed: Callable[[BaseException], None]) -> None:
        """Do something; `failed` is told why it could not be done."""

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._look()
            if not task.cancelled() and (error := task.exception()) is not None:
                failed(error)

        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(ended)

    def keep(self, most: int) -> Callable[[], None]:
        """Keep room for so many until what is returned is called."""
        kept = asyncio.get_running_loop().create_future()
        self._kept[kept] = most

        def release() -> None:
            del self._kept[kept]
            kept.set_result(None)
            self._look()

        return release

    async def idle(self) -> None:
        """Return when nothing is done, and no room kept."""
        while self._running or self._kept:
            await asyncio.wait({*self._running, *self._kept})

    def want(self) -> None:
        """There is more to do than there was room for; where there is room meanwhile, `freed` is called at once."""
        self.wanted = True
        self._look()

    def _look(self) -> None:
        if self.wanted and self.free > 0:
            self.wanted = False
            self._freed()
