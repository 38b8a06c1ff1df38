"""What an append asks for and how it ends; sealing it, and the one call that does many."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from events.base import Cause, Draft, tag_of
from libs.kit import ids, postgres
from libs.kit.codec import Codec, encode_meta
from libs.kit.crypto import Keys

ANY = -1
"""The expected version of an append that goes wherever its stream ends."""

LARGEST = 512 * 1024
"""Bytes of a stored fact, sealed, with its metadata."""


@dataclass(frozen=True, slots=True)
class Append:
    """Facts to be added to one stream together, for one cause.

    `expected` is the stream's version before them, or ANY. `consumer` is part of their ids (default: the cause's source), and
    `first` the number of facts that it has already put into this stream for this cause.
    """

    tenant: str
    stream: str
    expected: int
    drafts: Sequence[Draft]
    cause: Cause
    consumer: str = ""
    first: int = 0


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the last fact of an append stands. `duplicate`: all of them had been there already."""

    pos: int
    version: int
    duplicate: bool = False


class StreamMoved(Exception):
    """Somebody else has appended to the stream: read it and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"the stream {stream} is at version {actual}, not {expected}: read it and decide again")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class Fenced(Exception):
    """Another instance has moved the consumer's watermark; this one must stop."""

    def __init__(self, consumer: str, shard: int) -> None:
        super().__init__(f"another instance of {consumer} leads shard {shard}")
        self.consumer = consumer
        self.shard = shard


class Overloaded(Exception):
    """Too many appends wait already; nothing was written. Try again later."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"too many appends wait in shard {shard}; try again later")


class Unavailable(Exception):
    """Postgres is away or slow. Whether facts were written is not known; appending them again for the same cause is safe."""


@contextmanager
def asking_postgres() -> Iterator[None]:
    """Raises Unavailable for what a dying, missing or slow Postgres makes a caller see."""
    try:
        yield
    except postgres.AWAY as error:
        if not postgres.is_away(error):
            raise
        raise Unavailable(f"Postgres is away or slow ({type(error).__name__}); try again later") from error


class FactTooLarge(Exception):
    """A fact is larger than the log holds; put its body into object storage and refer to it."""

    def __init__(self, tag: str, size: int) -> None:
        super().__init__(
            f"a {tag} of {size} bytes (sealed, with metadata) is larger than {LARGEST}: store its body elsewhere and refer to it"
        )
        self.size = size


@dataclass(slots=True)
class Request:
    """An append, sealed and ready to be sent."""

    tenant: str
    stream: str
    expected: int
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    size: int = 0
    types: list[str] = field(default_factory=list)
    ids: list[UUID] = field(default_factory=list)
    metas: list[bytes] = field(default_factory=list)
    datas: list[bytes] = field(default_factory=list)


def keys_of(append: Append, codec: Codec) -> set[str]:
    """The names of the data keys that sealing will need."""
    return {draft.key or append.stream for draft in append.drafts if codec.is_personal(tag_of(type(draft.event)))}


def seal(append: Append, codec: Codec, keys: Keys) -> Request:
    """The append as it is sent. Raises FactTooLarge, UnknownFact, and ValueError for what can be no append."""
    cause, stream, tenant = append.cause, append.stream, append.tenant
    if not append.drafts:
        raise ValueError(f"an append to {stream} without facts")
    if not stream.isprintable() or not stream:
        raise ValueError(f"{stream!r} is no stream id")
    root = cause.id or cause.correlation_id
    consumer = append.consumer or cause.source
    request = Request(tenant, stream, append.expected, cause.correlation_id, cause.id, cause.occurred_at)
    for n, draft in enumerate(append.drafts, append.first):
        if draft.stream != stream:
            raise ValueError(f"a fact for {draft.stream} in an append to {stream}")
        tag = tag_of(type(draft.event))
        name = draft.key or stream
        key = keys[tenant, name] if codec.is_personal(tag) else None
        data = codec.encode(draft.event, tag, tenant=tenant, stream=stream, name=name, key=key)
        meta = encode_meta(cause, draft.subject)
        if (size := len(data) + len(meta)) > LARGEST:
            raise FactTooLarge(tag, size)
        request.types.append(tag)
        request.ids.append(ids.event_id(root, consumer, stream, n))
        request.metas.append(meta)
        request.datas.append(data)
        request.size += size
    return request


CALL = (
    "SELECT head, pos, version, duplicate FROM log.append_batch("
    "$1::smallint, $2::text[], $3::text[], $4::int[], $5::int[], $6::uuid[], $7::uuid[], $8::timestamptz[], $9::int[],"
    " $10::int[], $11::int[], $12::text[], $13::uuid[], $14::bytea[], $15::bytea[], $16, $17, $18, $19)"
)


async def send(
    connection: asyncpg.Connection,
    shard: int,
    requests: Sequence[Request],
    *,
    whole: bool = False,
    consumer: str | None = None,
    from_pos: int = 0,
    upto_pos: int = 0,
) -> list[Appended | StreamMoved]:
    """Append all in one call, each by itself or (`whole`) all or none; outcomes in the order of the requests.

    Where not `whole`, no two requests may be for the same stream.
    Raises Fenced, and StreamMoved where `whole`; else what asyncpg raises.
    """
    behind: list[int] = []
    if whole:
        reached: dict[tuple[str, str], int] = {}
        for request in requests:
            place = (request.tenant, request.stream)
            behind.append(reached.get(place, 0))
            reached[place] = behind[-1] + len(request.ids)
    else:
        behind = [0] * len(requests)
    numbers: list[int] = []
    versions: list[int] = []
    for number, request in enumerate(requests, 1):
        count = len(request.ids)
        if count == 1:
            numbers.append(number)
            versions.append(request.expected + 1)
        else:
            numbers += [number] * count
            versions += range(request.expected + 1, request.expected + 1 + count)
    try:
        head, pos, version, duplicate = await connection.fetchrow(
            CALL,
            shard,
            [request.tenant for request in requests],
            [request.stream for request in requests],
            [request.expected for request in requests],
            behind,
            [request.correlation_id for request in requests],
            [request.causation_id for request in requests],
            [request.occurred_at for request in requests],
            numbers,
            range(1, len(numbers) + 1),
            versions,
            _flat(requests, "types"),
            _flat(requests, "ids"),
            _flat(requests, "metas"),
            _flat(requests, "datas"),
            whole,
            consumer,
            from_pos,
            upto_pos,
        )
    except asyncpg.SerializationError as error:
        raise Fenced(consumer or "a batch", shard) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate != "CV409":
            raise
        number, actual = map(int, str(error.detail).split())
        raise StreamMoved(requests[number].stream, requests[number].expected, actual) from error
    outcomes: list[Appended | StreamMoved] = []
    if pos is None:
        last = head
        for request in requests:
            last += len(request.ids)
            outcomes.append(Appended(last, request.expected + len(request.ids)))
        return outcomes
    for request, at, reached_version, known in zip(requests, pos, version, duplicate, strict=True):
        if at is None:
            outcomes.append(StreamMoved(request.stream, request.expected, reached_version))
        else:
            outcomes.append(Appended(at, reached_version, known))
    return outcomes


def _flat(requests: Sequence[Request], name: str) -> list[Any]:
    if len(requests) == 1:
        return list(getattr(requests[0], name))
    return [value for request in requests for value in getattr(request, name)]
