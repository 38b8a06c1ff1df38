"""How a fact looks while JetStream carries it: names of streams and subjects, the message, and the relay's signal of its head."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_NULL = msgspec.Raw(b"null")


class Wire(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One fact as it travels: a JSON array; personal fields stay sealed.

    `prev` is the position of the previous fact of the same family (0: none), `between` the last position of each other
    family that has facts after `prev`: a reader of any set of families knows from these whether it has missed one.
    A relay that has just started may state a later position than such a fact's, never an earlier one.
    `meta` and `data` are null where the fact is too large for one message: read it from the log.
    """

    pos: int
    stream: str
    version: int
    tenant: str
    category: str
    type: str
    event_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    prev: int
    between: Mapping[str, int]
    meta: msgspec.Raw
    data: msgspec.Raw

    @property
    def is_stub(self) -> bool:
        """Whether only the log holds the fact's body."""
        return bytes(self.data) == b"null"

    def follows(self, seen: int, families: Collection[str]) -> bool:
        """Whether a reader that has seen all facts of `families` up to `seen` misses none before this one."""
        if self.prev > seen:
            return False
        return not self.between or all(pos <= seen for family, pos in self.between.items() if family in families)

    def stub(self) -> "Wire":
        """The same fact without its body."""
        return msgspec.structs.replace(self, meta=_NULL, data=_NULL)


class Head(msgspec.Struct, frozen=True, gc=False):
    """How far the relay has come: `families` holds the last position of each family, `floor` bounds those not in it."""

    pos: int
    epoch: int
    floor: int = 0
    families: Mapping[str, int] = {}

    def last_of(self, families: Collection[str]) -> int:
        """A position at or after the last fact of any of `families`."""
        return max((self.families.get(family, self.floor) for family in families), default=0)


_encoder = msgspec.json.Encoder()
_wire = msgspec.json.Decoder(Wire)
_head = msgspec.json.Decoder(Head)


def encode(message: Wire | Head) -> bytes:
    """The JSON that travels."""
    return _encoder.encode(message)


def decode(payload: bytes) -> Wire:
    """The fact in a message of a shard's stream; raises msgspec.DecodeError where it is none."""
    return _wire.decode(payload)


def decode_head(payload: bytes) -> Head:
    """The relay's signal."""
    return _head.decode(payload)


def stream_name(shard: int) -> str:
    """The JetStream stream of a shard; its sequence equals the log's position."""
    return f"EV_{shard}"


def evidence_name(shard: int, epoch: int) -> str:
    """The stream that keeps what an ended epoch held and the log does not."""
    return f"EV_{shard}_EPOCH_{epoch}"


def token(text: str) -> str:
    """`text` as one token of a subject: other characters than letters, digits, `-` and `_` become `=XX`."""
    return _UNSAFE.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), text) or "="


def subject(shard: int, tenant: str, tag: str, channel: str | None = None) -> str:
    """`ev.<shard>.<tenant>.<family>.<fact>.v<N>[.<channel>]`."""
    base = f"ev.{shard}.{token(tenant)}.{tag}"
    return f"{base}.{token(channel)}" if channel else base


def family_filter(shard: int, family: str) -> str:
    """The subjects of a family, of every tenant."""
    return f"ev.{shard}.*.{token(family)}.>"


def head_subject(shard: int) -> str:
    """Where the relay tells how far it has come (core NATS)."""
    return f"sig.head.{shard}"


def consumer_subject(shard: int, consumer: str) -> str:
    """Where a reactor asks the relay to provide its JetStream consumer."""
    return f"ask.consumer.{shard}.{consumer}"
