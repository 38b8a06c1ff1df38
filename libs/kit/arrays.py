"""Arrays as arguments of a statement: as text, which every connection takes, or packed, which is cheaper at both ends.

asyncpg's own arrays ask of every element whether it is a list itself, which costs more than all the rest.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import asyncpg

SCHEMA = "log"
DOMAINS = ("packed_int", "packed_text", "packed_uuid", "packed_time")
"""Over arrays, for what is packed: asyncpg takes a type of our own as bytes, and an array never (migration 0320)."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which the protocol counts microseconds."""

_int = struct.Struct(">i").pack
_header = struct.Struct(">iiI").pack  # dimensions, whether there may be a null, type of the elements
_dimension = struct.Struct(">ii").pack  # length, number of the first
_time = struct.Struct(">iq").pack
_INT, _TEXT, _UUID, _TIME = 23, 25, 2950, 1184  # pg_type.oid
_UUID_SIZE, _NULL = "00000010", "ffffffff"


class Casts(NamedTuple):
    """What makes a parameter an array of its kind."""

    ints: str
    texts: str
    uuids: str
    times: str


class Arrays(Protocol):
    """One form of arrays. An uuid is given as hexadecimal digits; empty: null."""

    @property
    def casts(self) -> Casts: ...

    def ints(self, values: Sequence[int]) -> Any: ...
    def texts(self, values: Sequence[str]) -> Any: ...
    def uuids(self, values: Sequence[str]) -> Any: ...
    def times(self, values: Sequence[datetime]) -> Any: ...


class Written:
    """As text."""

    casts = Casts("text::int[]", "text::text[]", "text::uuid[]", "text::timestamptz[]")

    def ints(self, values: Sequence[int]) -> str:
        return _braced(map(str, values))

    def texts(self, values: Sequence[str]) -> str:
        return _braced(map(_quoted, values))

    def uuids(self, values: Sequence[str]) -> str:
        return _braced([value or "NULL" for value in values])

    def times(self, values: Sequence[datetime]) -> str:
        return _braced([f'"{value.isoformat()}"' for value in values])


class Packed:
    """In the binary form of the protocol, for a connection that `takes_packed`."""

    casts = Casts(*(f"{SCHEMA}.{name}" for name in DOMAINS))

    def ints(self, values: Sequence[int]) -> bytes:
        sized = [4] * (2 * len(values))
        sized[1::2] = values
        try:
            return _array(_INT, len(values), struct.pack(f">{len(sized)}i", *sized))
        except struct.error as error:
            raise ValueError(f"{max(values, key=abs)} is no int of 32 bits") from error

    def texts(self, values: Sequence[str]) -> bytes:
        return _array(_TEXT, len(values), b"".join([_int(len(text := value.encode())) + text for value in values]))

    def uuids(self, values: Sequence[str]) -> bytes:
        return _array(
            _UUID, len(values), bytes.fromhex("".join([_UUID_SIZE + value if value else _NULL for value in values]))
        )

    def times(self, values: Sequence[datetime]) -> bytes:
        return _array(_TIME, len(values), b"".join([_time(8, _microseconds(value)) for value in values]))


WRITTEN, PACKED = Written(), Packed()


async def takes_packed(connection: asyncpg.Connection) -> None:
    """Have the connection send packed arrays as they are."""
    for name in DOMAINS:
        await connection.set_builtin_type_codec(name, schema=SCHEMA, codec_name="bytea", format="binary")


def _microseconds(value: datetime) -> int:
    since = value - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _array(element: int, length: int, elements: bytes) -> bytes:
    return _header(1, 1, element) + _dimension(length, 1) + elements if length else _header(0, 0, element)


def _braced(values: Any) -> str:
    return "{" + ",".join(values) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
