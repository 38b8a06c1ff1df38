"""The log as a test watches it: every fact as it is appended, and a way to wait for one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from events.base import Event, Recorded
from libs.kit.store import Store

PATIENCE_S = 60.0
POLL_S = 0.5
Sees = Callable[[Recorded[Any]], bool]


class NotSeen(AssertionError):
    """A fact did not come in time; the message shows what came instead."""


class Log:
    """All facts of shard 0 in their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pos = 0
        self._grown = asyncio.Event()
        self.facts: list[Recorded[Any]] = []

    @asynccontextmanager
    async def watched(self) -> AsyncIterator["Log"]:
        """Follow the log as long as the context lasts."""
        undo = self._store.listener.on("log_0", lambda _: self._grown.set())
        try:
            yield self
        finally:
            undo()

    async def wait(self, sees: Sees, *, times: int = 1, patience: float = PATIENCE_S) -> list[Recorded[Any]]:
        """The first `times` facts that fit, old ones too. Raises NotSeen."""
        found = [fact for fact in self.facts if sees(fact)]
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while len(found) < times:
                    found += [fact for fact in await self._news() if sees(fact)]
        if len(found) < times:
            raise NotSeen(f"{len(found)} of {times} facts were seen in {patience:g} s; the log ends with\n{self.end()}")
        return found[:times]

    async def now(self) -> list[Recorded[Any]]:
        """Every fact that is stored by now."""
        for fact in await self._store.read_log(0, self._pos, 100_000):
            self._pos = fact.pos
            self.facts.append(fact)
        return self.facts

    def end(self, last: int = 40) -> str:
        """The last facts, for a message."""
        return "\n".join(f"{fact.pos:>5} {fact.stream[:22]:<22} {fact.event!r:.240}" for fact in self.facts[-last:])

    async def _news(self) -> list[Recorded[Any]]:
        self._grown.clear()
        before = len(self.facts)
        await self.now()
        if len(self.facts) == before:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._grown.wait()
        return self.facts[before:]


def fits(fact: Recorded[Any], kind: type[Event] | tuple[type[Event], ...], about: dict[str, Any]) -> bool:
    """Whether a fact is of that kind, with these fields."""
    return isinstance(fact.event, kind) and all(getattr(fact.event, name) == value for name, value in about.items())
