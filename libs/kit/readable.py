"""Which of the stored facts a reactor has handlers for, which it does not know, and which cannot be read at all."""

from collections.abc import Collection, Sequence
from typing import Any

from events.base import Event, Recorded, Retired, UnknownFact, family_of, tag_of
from libs.kit.codec import Stored
from libs.kit.crypto import KeyUnusable
from libs.kit.failures import TRANSIENT
from libs.kit.store import Store


class Unreadable(Exception):
    """A stored fact cannot be decoded or opened: it is damaged, or was never of the shape that its type promises."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Reader:
    """Reads the facts of the types that there are handlers for, and what became of their retired versions."""

    def __init__(self, store: Store, types: Collection[type[Event]]) -> None:
        self.families = frozenset(family_of(tag_of(kind)) for kind in types)
        self._store = store
        self._types = frozenset(types)
        self._known = dict(store.codec.types)
        self._wanted = {
            tag
            for tag, kind in self._known.items()
            if kind in self._types or (issubclass(kind, Retired) and family_of(tag) in self.families)
        }

    def sort(self, heard: Sequence[Stored]) -> tuple[list[Stored], Stored | None]:
        """Those that may be for a handler, up to the first whose type this release does not know; and that one."""
        wanted: list[Stored] = []
        for stored in heard:
            if stored.type in self._wanted:
                wanted.append(stored)
            elif stored.type not in self._known:
                return wanted, stored
        return wanted, None

    async def read(self, stored: Sequence[Stored]) -> list[Recorded[Any]]:
        """The facts that there are handlers for. Raises Unreadable, UnknownFact, and what passes by itself."""
        if not stored:
            return []
        try:
            facts = await self._store.unseal(stored)
        except (*TRANSIENT, UnknownFact, KeyUnusable):  # a wrong master key is nobody's poison
            raise
        except Exception as error:
            raise Unreadable(error) from error
        return [fact for fact in facts if type(fact.event) in self._types]

    async def at(self, shard: int, pos: int) -> list[Recorded[Any]]:
        """The fact at a position, if there still is a handler for it. Raises as `read`."""
        return await self.read(await self._store.read_sealed(shard, pos - 1, 1))
