"""What an append asks for and how it ends; sealing it, and the one call that does many."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import msgspec

from events.base import Cause, Draft, tag_of
from libs.kit import ids, postgres
from libs.kit.codec import Codec, encode_meta
from libs.kit.crypto import Keys

ANY = -1
"""The expected version of an append that goes wherever its stream ends."""

LARGEST = 512 * 1024
"""Bytes of a stored fact, sealed, with its metadata."""


class Append(msgspec.Struct, frozen=True):
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


class Appended(msgspec.Struct, frozen=True, gc=False):
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


class Request(msgspec.Struct):
    """An append, sealed and ready to be sent."""

    tenant: str
    stream: str
    expected: int
    correlation: str
    causation: str
    occurred: str
    size: int
    types: list[str]
    ids: list[str]
    metas: list[bytes]
    datas: list[bytes]


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
    types, event_ids, metas, datas = [], [], [], []
    total = 0
    for n, draft in enumerate(append.drafts, append.first):
        if draft.stream != stream:
            raise ValueError(f"a fact for {draft.stream} in an append to {stream}")
        tag = tag_of(type(draft.event))
        name = draft.key or stream
        key = keys[tenant, name] if codec.is_personal(tag) else None
        data = codec.encode(draft.event, tag, tenant=tenant, stream=stream, name=name, key=key)
        meta = encode_meta(cause, draft.subject)
        size = len(data) + len(meta)
        if size > LARGEST:
            raise FactTooLarge(tag, size)
        total += size
        types.append(tag)
        event_ids.append(ids.event_hex(root, consumer, stream, n))
        metas.append(meta)
        datas.append(data)
    return Request(
        tenant,
        stream,
        append.expected,
        cause.correlation_id.hex,
        cause.id.hex if cause.id else "NULL",
        cause.occurred_at.isoformat(),
        total,
        types,
        event_ids,
        metas,
        datas,
    )


# Numbers, ids and times travel as the text of an array: asyncpg asks of every element of a list whether it is a list itself,
# which costs more than all the rest unless it is a string or bytes.
CALL = (
    "SELECT head, pos, version, duplicate FROM log.append_batch("
    "$1::smallint, $2::text[], $3::text[], $4::text::int[], $5::text::int[], $6::text::uuid[], $7::text::uuid[],"
    " $8::text::timestamptz[], $9::text::int[], $10::text::int[], $11::text[], $12::text::uuid[], $13::bytea[],"
    " $14::bytea[], $15, $16, $17, $18)"
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
    try:
        head, pos, version, duplicate = await connection.fetchrow(
            CALL, shard, *_arrays(requests, whole), whole, consumer, from_pos, upto_pos
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


def _arrays(requests: Sequence[Request], whole: bool) -> tuple[Any, ...]:
    numbers: list[int] = []
    versions: list[int] = []
    types: list[str] = []
    event_ids: list[str] = []
    metas: list[bytes] = []
    datas: list[bytes] = []
    for number, request in enumerate(requests, 1):
        count = len(request.ids)
        numbers += [number] * count
        versions += range(request.expected + 1, request.expected + 1 + count)
        types += request.types
        event_ids += request.ids
        metas += request.metas
        datas += request.datas
    return (
        [request.tenant for request in requests],
        [request.stream for request in requests],
        _array([request.expected for request in requests]),
        _array(_behind(requests)) if whole else None,
        _array([request.correlation for request in requests]),
        _array([request.causation for request in requests]),
        _array([request.occurred for request in requests]),
        _array(numbers),
        _array(versions),
        types,
        _array(event_ids),
        metas,
        datas,
    )


def _behind(requests: Sequence[Request]) -> list[int]:
    """How many facts earlier requests append to the stream of each."""
    reached: dict[tuple[str, str], int] = {}
    behind = []
    for request in requests:
        place = (request.tenant, request.stream)
        behind.append(reached.get(place, 0))
        reached[place] = behind[-1] + len(request.ids)
    return behind


def _array(values: Sequence[int] | Sequence[str]) -> str:
    return "{" + ",".join(map(str, values)) + "}"
