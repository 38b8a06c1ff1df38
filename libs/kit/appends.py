"""What an append asks for and how it ends; sealing it, and the one call that does many."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from typing import Any

import asyncpg
import msgspec

from events.base import Cause, Draft
from libs.kit import ids, postgres
from libs.kit.arrays import PACKED, WRITTEN, Arrays
from libs.kit.codec import Codec, encode_meta
from libs.kit.crypto import Keys

FetchRow = Callable[..., Awaitable[Any]]

ANY = -1
"""The expected version of an append that goes wherever its stream ends."""

MIXED = "0" * 32
"""The life of a request whose keys are of several: none of them can be the present one for all."""

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


class KeysLost(Exception):
    """Postgres has crashed since the keys of a batch were obtained: seal it anew with what is there now."""


class Request(msgspec.Struct):
    """An append, sealed and ready to be sent; ids as hexadecimal digits.

    `life`: of the server, in which its keys were obtained (empty: it has none). `causation`: empty where there is none.
    """

    tenant: str
    stream: str
    expected: int
    correlation: str
    causation: str
    occurred: datetime
    size: int
    types: list[str]
    ids: list[str]
    bodies: list[bytes]  # metadata and data of each fact in turn
    life: str = ""


def keys_of(append: Append, codec: Codec) -> set[str]:
    """The names of the data keys that sealing will need."""
    return {draft.key or append.stream for draft in append.drafts if codec.shape_of(draft.event).fields}


def seal(append: Append, codec: Codec, keys: Keys) -> Request:
    """The append as it is sent. Raises FactTooLarge, UnknownFact, and ValueError for what can be no append."""
    cause, stream, tenant = append.cause, append.stream, append.tenant
    if not append.drafts:
        raise ValueError(f"an append to {stream} without facts")
    if not stream.isprintable() or not stream:
        raise ValueError(f"{stream!r} is no stream id")
    root = cause.id or cause.correlation_id
    consumer = append.consumer or cause.source
    types: list[str] = []
    event_ids: list[str] = []
    bodies: list[bytes] = []
    life = ""
    total = 0
    meta: bytes | None = None
    subject: str | None = None
    for n, draft in enumerate(append.drafts, append.first):
        if draft.stream != stream:
            raise ValueError(f"a fact for {draft.stream} in an append to {stream}")
        shape = codec.shape_of(draft.event)
        name = draft.key or stream
        key = keys[tenant, name] if shape.fields else None
        if key is not None and key.life != life:
            life = MIXED if life else key.life
        data = shape.encode(draft.event, tenant, stream, name, key)
        if meta is None or draft.subject != subject:
            subject = draft.subject
            meta = encode_meta(cause, subject)
        size = len(data) + len(meta)
        if size > LARGEST:
            raise FactTooLarge(shape.tag, size)
        total += size
        types.append(shape.tag)
        event_ids.append(ids.event_hex(root, consumer, stream, n))
        bodies += meta, data
    return Request(
        tenant,
        stream,
        append.expected,
        cause.correlation_id.hex,
        cause.id.hex if cause.id else "",
        cause.occurred_at,
        total,
        types,
        event_ids,
        bodies,
        life,
    )


def _batch(arrays: Arrays) -> str:
    ints, texts, uuids, times = arrays.casts
    return (
        f"log.append_batch($1::smallint, $2::{texts}, $3::{texts}, $4::{ints}, $5::{ints}, $6::{uuids}, $7::{uuids}, $8::{times},"
        f" $9::{ints}, $10::{ints}, $11::{texts}, $12::{uuids}, $13::bytea, $14::{ints}, $15, $16, $17, $18, $19::{uuids})"
    )


BATCH = _batch(WRITTEN)
PARAMETERS = 19
"""Of BATCH."""

OUTCOME = "SELECT head, pos, version, duplicate FROM "
CALL = OUTCOME + BATCH
PACKED_CALL = OUTCOME + _batch(PACKED)
"""CALL, for a connection that takes packed arrays."""


async def send(
    fetchrow: FetchRow,
    shard: int,
    requests: Sequence[Request],
    *,
    whole: bool = False,
    consumer: str | None = None,
    from_pos: int = 0,
    upto_pos: int = 0,
    arrays: Arrays = WRITTEN,
) -> list[Appended | StreamMoved]:
    """Append all in one call, each by itself or (`whole`) all or none; outcomes in the order of the requests.

    `fetchrow` is that of CALL, prepared, or of PACKED_CALL with `arrays` PACKED. Where not `whole`, no two requests may be
    for the same stream. Raises as `refusals`.
    """
    with refusals(shard, requests, consumer):
        head, pos, version, duplicate = await fetchrow(
            *arguments(
                shard, requests, whole=whole, consumer=consumer, from_pos=from_pos, upto_pos=upto_pos, arrays=arrays
            )
        )
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


@contextmanager
def refusals(shard: int, requests: Sequence[Request], consumer: str | None = None) -> Iterator[None]:
    """Raises Fenced, KeysLost, and StreamMoved (of a whole batch) where log.append_batch says so; else what asyncpg raises."""
    try:
        yield
    except asyncpg.SerializationError as error:
        raise Fenced(consumer or "a batch", shard) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate == "CV410":
            raise KeysLost from error
        if error.sqlstate != "CV409":
            raise
        number, actual = map(int, str(error.detail).split())
        raise StreamMoved(requests[number].stream, requests[number].expected, actual) from error


def arguments(
    shard: int,
    requests: Sequence[Request],
    *,
    whole: bool = True,
    consumer: str | None = None,
    from_pos: int = 0,
    upto_pos: int = 0,
    arrays: Arrays = WRITTEN,
) -> tuple[Any, ...]:
    """What BATCH takes."""
    lives = arrays.uuids(_lives(requests))
    return (shard, *_columns(requests, whole, arrays), whole, consumer, from_pos, upto_pos, lives)


def _columns(requests: Sequence[Request], whole: bool, arrays: Arrays) -> tuple[Any, ...]:
    numbers: list[int] = []
    versions: list[int] = []
    types: list[str] = []
    event_ids: list[str] = []
    bodies: list[bytes] = []
    for number, request in enumerate(requests, 1):
        count = len(request.ids)
        numbers += [number] * count
        versions += range(request.expected + 1, request.expected + 1 + count)
        types += request.types
        event_ids += request.ids
        bodies += request.bodies
    return (
        arrays.texts([request.tenant for request in requests]),
        arrays.texts([request.stream for request in requests]),
        arrays.ints([request.expected for request in requests]),
        arrays.ints(_behind(requests)) if whole else None,
        arrays.uuids([request.correlation for request in requests]),
        arrays.uuids([request.causation for request in requests]),
        arrays.times([request.occurred for request in requests]),
        arrays.ints(numbers),
        arrays.ints(versions),
        arrays.texts(types),
        arrays.uuids(event_ids),
        b"".join(bodies),  # one string of bytes, and where to cut it
        arrays.ints([0, *accumulate(map(len, bodies))]),
    )


def _lives(requests: Sequence[Request]) -> list[str]:
    return sorted({request.life for request in requests if request.life})


def _behind(requests: Sequence[Request]) -> list[int]:
    """How many facts earlier requests append to the stream of each."""
    reached: dict[tuple[str, str], int] = {}
    behind = []
    for request in requests:
        place = (request.tenant, request.stream)
        behind.append(reached.get(place, 0))
        reached[place] = behind[-1] + len(request.ids)
    return behind
