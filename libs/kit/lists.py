"""Reading much of the log at once: Postgres puts a page of facts into one JSON list, which is decoded in one step.

That takes a third of what a row, an envelope and a fact one by one take; for rebuilds, not for the few facts of a stream.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from events.base import Event, Retired, UnknownFact, family_of, tag_of
from libs.kit.appends import asking_postgres
from libs.kit.codec import Half, Meta
from libs.kit.crypto import Keys
from libs.kit.store import Store

PAGE = 1000
"""Facts of a page. Even of the greatest size that the log takes, so many fit into one value of Postgres (1 GB)."""

PIECE = 1 << 15
"""Bytes of a page that are decoded at once: what becomes of them stays in a core's cache for as long as it is in use."""

FULL = (
    *("pos", "stream_id", "version", "tenant", "category", "type", "event_id", "correlation_id", "causation_id"),
    *("occurred_at", "recorded_at"),
)
"""The columns of a `Listed`; `meta` and `data` follow."""

T = TypeVar("T")

_meta = msgspec.json.Decoder(Meta)


class Listed(msgspec.Struct, Generic[T], array_like=True, gc=False):
    """A fact of a page: reads like `events.base.Recorded`, and is its own envelope."""

    pos: int
    stream: str
    version: int
    tenant: str
    family: str
    type: str
    id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    raw_meta: msgspec.Raw
    event: T

    @property
    def envelope(self) -> "Listed[T]":
        return self

    @property
    def subject_id(self) -> str:
        """What the stream's name says after its family."""
        return self.stream.partition("-")[2]

    @property
    def meta(self) -> Meta:
        """Decoded when it is asked for, which is seldom."""
        return _meta.decode(self.raw_meta)

    @property
    def source(self) -> str:
        return self.meta.source

    @property
    def subject(self) -> str | None:
        return self.meta.subject

    @property
    def actor(self) -> str | None:
        return self.meta.actor

    @property
    def config(self) -> str | None:
        return self.meta.config

    @property
    def traceparent(self) -> str | None:
        return self.meta.traceparent


class Lists(Generic[T]):
    """Pages of the log, in order of position: each fact a list of `columns`, then `meta` if asked for, then `data`.

    `item`: the array-like struct that such a list is decoded as, as narrow as one likes. Facts come as they are stored:
    personal fields sealed, retired types as they were.
    """

    def __init__(self, store: Store, item: Any, columns: Sequence[str] = FULL, *, meta: bool = True) -> None:
        self._store = store
        self._decode = msgspec.json.Decoder(item).decode_lines
        self._columns = ", ".join(columns)
        self._also = "meta || ','::bytea || " if meta else ""

    async def pages(
        self, shard: int, after_pos: int, upto_pos: int, families: Collection[str], wanted: Collection[str]
    ) -> AsyncGenerator[list[T], None]:
        """The facts of `wanted` types, some at a time.

        Of these families, types that this version knows and that are not wanted are left out by Postgres, which makes
        the next page while this one is in use. Raises UnknownFact for a type that this version does not know.
        """
        select = self._select(families, wanted)
        with asking_postgres():
            connection = await self._store.pool.acquire()
        coming = asyncio.create_task(connection.fetchrow(select, shard, after_pos, upto_pos, PAGE))
        try:
            while True:
                with asking_postgres():
                    last, unknown, facts = await coming
                if unknown is not None:
                    raise UnknownFact(unknown)
                if last is None:
                    return
                coming = asyncio.create_task(connection.fetchrow(select, shard, last, upto_pos, PAGE))
                for piece in pieces(facts):
                    await asyncio.sleep(0)  # the request leaves, and what comes of it is taken off the wire
                    yield self._decode(piece)
        finally:
            coming.cancel()
            await asyncio.wait([coming])
            await self._store.pool.release(connection)

    def _select(self, families: Collection[str], wanted: Collection[str]) -> str:
        """The statement of a page.

        Its names are those of our own columns and types, never of a request; written out, as Postgres looks a name up
        in a list that it knows beforehand, and else reads the list. A row's list of columns loses its bracket to the
        comma before what is JSON already; as bytes, since the functions of texts count characters.
        """
        skipped = [tag for tag in self._store.codec.types if family_of(tag) in families and tag not in wanted]
        return (
            f"SELECT max(pos), min(type) FILTER (WHERE type <> ALL({_names(wanted)})),"  # noqa: S608
            f" string_agg(set_byte(head, length(head) - 1, ascii(',')) || {self._also}data, ']\n'::bytea) || ']'::bytea"
            f" FROM (SELECT pos, type, meta, data, json_send(json_build_array({self._columns})) AS head"
            f" FROM log.event WHERE shard = $1 AND pos > $2 AND pos <= $3"
            f" AND category = ANY({_names(families)}) AND type <> ALL({_names(skipped)}) ORDER BY pos LIMIT $4) AS page"
        )


def _names(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"ARRAY[{quoted}]::text[]"


def pieces(lines: bytes) -> Iterator[memoryview]:
    """Lines, some PIECE of them at a time."""
    view, start = memoryview(lines), 0
    while start < len(lines):
        end = lines.find(b"\n", start + PIECE) + 1 or len(lines)
        yield view[start:end]
        start = end


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection while pages are read: facts hold no cycles, and the collector would visit each many times."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Facts:
    """Pages of whole facts of some types, opened and in today's words."""

    def __init__(self, store: Store, kinds: Collection[type[Event]]) -> None:
        tags = {tag_of(kind) for kind in kinds}
        self._store = store
        self._families = sorted(set(map(family_of, tags)))
        # What a retired type becomes shows only once it is read.
        self._wanted = sorted(
            tag
            for tag, kind in store.codec.types.items()
            if tag in tags or (issubclass(kind, Retired) and family_of(tag) in self._families)
        )
        self._lists: Lists[Listed[Any]] = Lists(
            store,
            Listed[reduce(or_, map(store.codec.stored_as, self._wanted))],  # type: ignore[misc]  # made at run time
        )

    async def pages(self, shard: int, after_pos: int, upto_pos: int) -> AsyncGenerator[list[Listed[Any]], None]:
        """The facts, some at a time. Raises UnknownFact."""
        codec, keyring = self._store.codec, self._store.keyring
        pages = self._lists.pages(shard, after_pos, upto_pos, self._families, self._wanted)
        async with aclosing(pages):
            async for facts in pages:
                closed = codec.open(facts, keyring.held)
                if closed and codec.open(closed, await self._keys(closed)):
                    raise LookupError("not every key that was asked for was answered")
                yield facts

    async def _keys(self, closed: Sequence[Half]) -> Keys:
        names: dict[str, list[str]] = {}
        for tenant, name in self._store.codec.needed(closed):
            names.setdefault(tenant, []).append(name)
        keys: Keys = {}
        with asking_postgres():
            for tenant, wanted in names.items():
                keys |= await self._store.keyring.open(tenant, wanted)
        return keys
