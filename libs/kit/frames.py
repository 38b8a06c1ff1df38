"""A batch of facts as the bytes that NATS reads, written in one piece; none is taken without those before it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
import structlog

from libs.kit import wire

log = structlog.get_logger(__name__)

HEADER_ROOM = 4096  # bytes of max_payload left for subject and headers
_CHANNEL = re.compile(rb'"channel":"([a-z0-9_-]{1,32})"')
_TRACE = re.compile(rb'"traceparent":"([0-9a-f-]{55})"')


@dataclass(frozen=True, slots=True)
class Stamps:
    """The last position of each family; those not in `last` have no fact after `floor`."""

    floor: int
    last: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of the facts up to position `last`, and the stamps once they are stored."""

    frames: bytes
    count: int
    size: int
    last: int
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Answer:
    """JetStream's acknowledgement: the sequence that it holds now, or what it refused."""

    seq: int = 0
    error: str = ""


class _Error(msgspec.Struct):
    description: str = ""
    err_code: int = 0


class _Ack(msgspec.Struct):
    seq: int = 0
    error: _Error | None = None


_ack = msgspec.json.Decoder(_Ack)


def frames(
    rows: Sequence[asyncpg.Record],
    *,
    shard: int,
    stamps: Stamps,
    reply: str,
    largest: int,
    size_limit: int,
) -> Batch:
    """As many of `rows` as fit into `size_limit` bytes, at least one, for one write.

    `rows` are `(pos, stream, version, tenant, category, type, event_id, correlation_id, causation_id, occurred_at,
    recorded_at, meta, data)`. Each message demands that the stream ends right before it, so that what is taken is a prefix. The
    last one asks for an answer on `reply`, which speaks for all. A fact above `largest` bytes travels as a stub.
    """
    last = dict(stamps.last)
    messages: list[tuple[bytes, bytes, bytes]] = []
    size = 0
    for row in rows:
        family = row[4]
        prev = last.get(family, stamps.floor)
        between = {other: pos for other, pos in last.items() if pos > prev}
        stamped = (*row[:11], prev, between, msgspec.Raw(row[11]), msgspec.Raw(row[12]))
        message = wire.Wire(*stamped)
        payload = wire.encode(message)
        if len(payload) > largest - HEADER_ROOM:
            log.warning(
                "a fact is too large for a message and travels as a stub", shard=shard, pos=row[0], size=len(payload)
            )
            payload = wire.encode(message.stub())
        if messages and size + len(payload) > size_limit:
            break
        channel = _CHANNEL.search(row[12])
        trace = _TRACE.search(row[11])
        subject = wire.subject(shard, row[3], row[5], channel[1].decode() if channel else None)
        messages.append((subject.encode(), b"traceparent: %b\r\n" % trace[1] if trace else b"", payload))
        size += len(payload)
        last[family] = row[0]
    out = bytearray()
    count = len(messages)
    first = rows[0][0]
    for n, (subject_, headers, payload) in enumerate(messages):
        head = b"NATS/1.0\r\n%bNats-Expected-Last-Sequence: %d\r\n\r\n" % (headers, first + n - 1)
        to = b" " + reply.encode() if n == count - 1 else b""
        out += b"HPUB %b%b %d %d\r\n%b%b\r\n" % (subject_, to, len(head), len(head) + len(payload), head, payload)
    return Batch(bytes(out), count, size, rows[count - 1][0], Stamps(stamps.floor, last))


def read_answer(data: bytes) -> Answer:
    """What JetStream said; a missing stream answers with a bare status line."""
    if not data.startswith(b"{"):
        return Answer(error=data.split(b"\r\n", 1)[0].decode(errors="replace") or "an empty answer")
    ack = _ack.decode(data)
    if ack.error:
        return Answer(error=f"{ack.error.description} ({ack.error.err_code})")
    return Answer(seq=ack.seq)
