"""States folded from streams: kept between batches, seen with what the batch in hand has already decided, forgotten with the lead."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from events.base import Category, Cause, Draft, Event, Recorded, family_of
from libs.kit.appends import ANY, Append
from libs.kit.codec import Stored
from libs.kit.own_work import OwnWork, Placed

S = TypeVar("S")

Place = tuple[str, str]  # tenant, stream


@dataclass(frozen=True, slots=True, eq=False)
class Fold(Generic[S]):
    """How the facts of a stream become a state. Make one instance a fold, in a module: it is the key of the cache."""

    category: Category
    initial: Callable[[], S]
    evolve: Callable[[S, Any], S]


class Streams(Protocol):
    """Where streams are read; the store is one."""

    async def read_stream(
        self, tenant: str, stream: str, after_version: int = 0, upto_pos: int | None = None
    ) -> list[Recorded[Event]]:
        """The facts of a stream in order."""


@dataclass(frozen=True, slots=True)
class Folded(Generic[S]):
    """A state, the version it was folded to, and the position up to which the log was considered."""

    state: S
    version: int
    pos: int


Reached = tuple[Fold[Any], str, Any]
"""The state of a stream after the facts of a decision, by whoever has folded them to decide."""


class FoldCache:
    """The folded states of the streams used last; at most `size` streams.

    Of the families in `heard` every fact after position `since` is told to `hear`, in order: a stream of theirs that was not
    heard of stands still. States from before `since` (a replay's) are never taken for the newest.
    """

    def __init__(self, size: int, heard: Collection[str] = frozenset(), since: int = 0) -> None:
        self._size = size
        self._heard = frozenset(heard)
        self._states: OrderedDict[Place, dict[Fold[Any], Folded[Any]]] = OrderedDict()
        self._last: OrderedDict[Place, int] = OrderedDict()
        self._forgotten = since

    def __len__(self) -> int:
        return len(self._states)

    def get(self, place: Place, fold: Fold[S]) -> Folded[S] | None:
        """The kept state, if any."""
        states = self._states.get(place)
        if states is None:
            return None
        self._states.move_to_end(place)
        return states.get(fold)

    def of(self, place: Place) -> dict[Fold[Any], Folded[Any]]:
        """Every kept state of a stream."""
        return self._states.get(place, {})

    def put(self, place: Place, fold: Fold[S], folded: Folded[S]) -> None:
        """Keep a state; the stream used longest ago makes room."""
        states = self._states.get(place)
        if states is None:
            states = self._states[place] = {}
            while len(self._states) > self._size:
                self._states.popitem(last=False)
        else:
            self._states.move_to_end(place)
        states[fold] = folded

    def hear(self, facts: Iterable[Stored]) -> None:
        """Note which streams have moved; before any of these facts is handled."""
        for fact in facts:
            if family_of(fact.type) in self._heard:
                self._last[fact.tenant, fact.stream] = fact.pos
                self._last.move_to_end((fact.tenant, fact.stream))
        while len(self._last) > self._size:
            _, self._forgotten = self._last.popitem(last=False)

    def stands_still(self, family: str, place: Place, after: int) -> bool:
        """Whether it is certain that a stream has nothing after position `after`, as far as facts were heard."""
        return family in self._heard and self._forgotten <= after and self._last.get(place, 0) <= after

    def drop(self, place: Place) -> None:
        """Forget a stream."""
        self._states.pop(place, None)


@dataclass(slots=True)
class _Pending:
    """What the batch adds to a stream: facts after version `base` (None: nobody has looked at it)."""

    base: int | None = None
    events: list[Event] = field(default_factory=list)


class Overlay:
    """The streams as one batch sees them: the cache, what was read, and what the batch itself has decided so far.

    Nothing reaches the cache before `keep`, which is for after the commit.
    """

    def __init__(self, cache: FoldCache, streams: Streams, own: Collection[str]) -> None:
        self._cache = cache
        self._streams = streams
        self._own = own
        self._folded: dict[Place, dict[Fold[Any], Folded[Any]]] = {}
        self._pending: dict[Place, _Pending] = {}
        self._appends: list[tuple[Place, int, Sequence[Draft], Cause, int]] = []
        self.own: list[Placed] = []

    async def fold(self, fold: Fold[S], stream: str, fact: Recorded[Any]) -> S:
        """The state of `stream`: of a family of one's own the newest, of another the one at the position of `fact`."""
        place = (fact.tenant, stream)
        if fold.category.name in self._own:
            folded = await self._newest(fold, place)
        else:
            folded = await self._at(fold, place, fact)
        self._folded.setdefault(place, {})[fold] = folded
        return folded.state

    async def _newest(self, fold: Fold[S], place: Place) -> Folded[S]:
        folded = self._known(fold, place)
        if folded is None:
            folded = await read(self._streams, fold, *place)
        pending = self._pending.get(place)
        return folded if pending is None else _with_pending(fold, folded, pending)

    async def _at(self, fold: Fold[S], place: Place, fact: Recorded[Any]) -> Folded[S]:
        folded = self._known(fold, place)
        if folded is None or folded.pos > fact.pos:
            folded = Folded(fold.initial(), 0, 0)
        if folded.pos == fact.pos:
            return folded
        if folded.pos and self._cache.stands_still(fold.category.name, place, folded.pos):
            return Folded(folded.state, folded.version, fact.pos)
        if place[1] == fact.stream and folded.version == fact.version - 1:
            return Folded(fold.evolve(folded.state, fact.event), fact.version, fact.pos)
        facts = await self._streams.read_stream(*place, folded.version, fact.pos)
        folded = _evolve(fold, folded, facts)
        return Folded(folded.state, folded.version, fact.pos)

    def _known(self, fold: Fold[S], place: Place) -> Folded[S] | None:
        return self._folded.get(place, {}).get(fold) or self._cache.get(place, fold)

    def add(
        self,
        tenant: str,
        drafts: Sequence[Draft],
        cause: Cause,
        reached: Sequence[Reached] = (),
        own: Mapping[int, OwnWork] = MappingProxyType({}),
    ) -> None:
        """Take up what a handler decided, in its order, the states that this has `reached`, and what drafts mean for us."""
        counts: dict[str, int] = {}
        start = 0
        for end in range(1, len(drafts) + 1):
            stream = drafts[start].stream
            if end < len(drafts) and drafts[end].stream == stream:
                continue
            run = drafts[start:end]
            self.own += [Placed(own[n], len(self._appends), n - start) for n in range(start, end) if n in own]
            place = (tenant, stream)
            pending = self._pending.setdefault(place, _Pending())
            first = counts.get(stream, 0)
            self._appends.append((place, len(pending.events), run, cause, first))
            pending.events.extend(draft.event for draft in run)
            counts[stream] = first + len(run)
            start = end
        for fold, stream, state in reached:
            self._reach((tenant, stream), fold, state, counts.get(stream, 0))

    def _reach(self, place: Place, fold: Fold[Any], state: Any, added: int) -> None:
        """Take a state over, if it was folded from the one that was given out: it needs no second fold then."""
        folded, pending = self._folded.get(place, {}).get(fold), self._pending.get(place)
        if folded is None or pending is None:
            return
        if pending.base is None:
            pending.base = folded.version
        if folded.version + added == pending.base + len(pending.events):
            self._folded[place][fold] = Folded(state, folded.version + added, folded.pos)

    def appends(self, consumer: str) -> list[Append]:
        """Everything decided, with the versions that it follows; wherever it ends, for a stream that nobody has looked at."""
        for place, pending in self._pending.items():
            if pending.base is None:
                states = self._folded.get(place) or self._cache.of(place)
                pending.base = next((s.version for f, s in states.items() if f.category.name in self._own), None)
        return [
            Append(
                tenant=place[0],
                stream=place[1],
                expected=ANY if (base := self._pending[place].base) is None else base + offset,
                drafts=tuple(drafts),
                cause=cause,
                consumer=consumer,
                first=first,
            )
            for place, offset, drafts, cause, first in self._appends
        ]

    def keep(self) -> None:
        """Remember the states in the cache: what was decided is now in the log."""
        for place, pending in self._pending.items():
            for fold, folded in {**self._cache.of(place), **self._folded.get(place, {})}.items():
                if fold.category.name in self._own:
                    self._folded.setdefault(place, {})[fold] = _with_pending(fold, folded, pending)
        for place, states in self._folded.items():
            for fold, folded in states.items():
                self._cache.put(place, fold, folded)

    def forget(self) -> None:
        """Drop the streams that this batch wanted to write: another writer was there."""
        for place in self._pending:
            self._cache.drop(place)


async def read(streams: Streams, fold: Fold[S], tenant: str, stream: str) -> Folded[S]:
    """The newest state of one stream, read from its beginning: for who decides outside of a reactor."""
    return _evolve(fold, Folded(fold.initial(), 0, 0), await streams.read_stream(tenant, stream))


def _evolve(fold: Fold[S], folded: Folded[S], facts: Sequence[Recorded[Any]]) -> Folded[S]:
    state = folded.state
    for fact in facts:
        state = fold.evolve(state, fact.event)
    return Folded(state, facts[-1].version, facts[-1].pos) if facts else folded


def _with_pending(fold: Fold[S], folded: Folded[S], pending: _Pending) -> Folded[S]:
    if pending.base is None:
        pending.base = folded.version
    state = folded.state
    for event in pending.events[folded.version - pending.base :]:
        state = fold.evolve(state, event)
    return Folded(state, pending.base + len(pending.events), folded.pos)
