"""Facts as the log holds them: JSON in which personal fields are sealed, and back, in today's words."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, cast
from uuid import UUID

import msgspec
from msgspec.structs import force_setattr as put
from msgspec.structs import replace

from events.base import (
    Category,
    Cause,
    Envelope,
    Event,
    FactType,
    Recorded,
    Retired,
    UnknownFact,
    current,
    personal_fields,
    tag_of,
)
from libs.kit.crypto import PREFIX, AtHand, DataKey, Keys, Place, parts, sealed_to_nobody

UNSET = msgspec.UNSET

Bytes = bytes | memoryview | msgspec.Raw


class Meta(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The part of the envelope that nobody looks up by."""

    source: str
    subject: str | None = None
    actor: str | None = None
    config: str | None = None
    traceparent: str | None = None


class Stored(Protocol):
    """A fact as it is stored and carried: still sealed."""

    @property
    def pos(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def tenant(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def event_id(self) -> UUID: ...
    @property
    def correlation_id(self) -> UUID: ...
    @property
    def causation_id(self) -> UUID | None: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def meta(self) -> Bytes: ...
    @property
    def data(self) -> Bytes: ...


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of log.event, without its shard."""

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
    meta: bytes
    data: bytes


class Half(Protocol):
    """A fact whose event has been decoded, but not opened yet."""

    event: Any

    @property
    def type(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def stream(self) -> str: ...


COLUMNS = (
    "pos, stream_id, version, tenant, category, type, event_id, correlation_id, causation_id, occurred_at, recorded_at,"
    " meta, data"
)

_encoder = msgspec.json.Encoder()
_meta = msgspec.json.Decoder(Meta)


def encode_meta(cause: Cause, subject: str | None) -> bytes:
    """The `meta` column of a fact."""
    return _encoder.encode(Meta(cause.source, subject, cause.actor, cause.config, cause.traceparent))


def bound_to(tenant: str, stream: str, field: str) -> bytes:
    """What a sealed value is bound to, so that it cannot be moved to another place."""
    return f"{tenant}\0{stream}\0{field}".encode()


class _Field:
    """A personal field: how its value reads, and what is read once its key is destroyed."""

    __slots__ = ("decode", "erased", "info", "is_default", "name")

    def __init__(self, info: msgspec.structs.FieldInfo, erased: Any, kind: type[Event]) -> None:
        self.info = info
        self.name = info.name
        self.decode = msgspec.json.Decoder(info.type).decode
        self.erased = _encoder.encode(erased)
        self.is_default = _equals_default(info)
        try:
            self.decode(self.erased)
        except msgspec.ValidationError as error:
            raise TypeError(
                f"{kind.__name__}.{info.name}: {erased!r}, to be read once erased, does not fit: {error}"
            ) from None


class _Plain:
    """A type without personal fields: the fact's own JSON."""

    fields: Sequence[_Field] = ()

    def __init__(self, kind: type[Event]) -> None:
        self.tag = tag_of(kind)
        self.stored: type[msgspec.Struct] = kind
        self.read = msgspec.json.Decoder(kind).decode

    def encode(self, event: Event, tenant: str, stream: str, name: str, key: DataKey | None) -> bytes:
        """The `data` column."""
        return _encoder.encode(event)

    def open(self, read: Any, tenant: str, stream: str, keys: AtHand) -> Event:
        return cast(Event, read)

    def names(self, read: Any) -> Iterable[str]:
        return ()


class _Sealed:
    """A type with personal fields. Sealed, a fact is of its twin, in which each of them is one text or left out.

    Both types have the same places for values, so that a fact becomes one of the other when its personal fields change.
    """

    def __init__(self, kind: type[Event]) -> None:
        marks = personal_fields(kind)
        self.tag = tag_of(kind)
        self._kind = kind
        self.fields = tuple(
            _Field(info, marks[info.name].erased, kind) for info in msgspec.structs.fields(kind) if info.name in marks
        )
        self._openings = tuple((field.name, field.info.default, field.decode, field.erased) for field in self.fields)
        self.stored = _twin(kind, (field.info for field in self.fields))
        self.read = msgspec.json.Decoder(self.stored).decode

    def encode(self, event: Event, tenant: str, stream: str, name: str, key: DataKey | None) -> bytes:
        """The `data` column. Without the key, that is one that was destroyed, personal fields can never be read."""
        sealed = replace(event)
        for field in self.fields:
            value = getattr(event, field.name)
            if field.is_default(value):
                put(sealed, field.name, UNSET)
            elif key is None:
                put(sealed, field.name, sealed_to_nobody(name))
            else:
                put(sealed, field.name, key.seal(_encoder.encode(value), bound_to(tenant, stream, field.name)))
        put(sealed, "__class__", self.stored)
        return _encoder.encode(sealed)

    def open(self, read: Any, tenant: str, stream: str, keys: AtHand) -> Event:
        event = replace(read)
        for name, default, decode, erased in self._openings:
            sealed = getattr(read, name)
            if sealed is default or type(sealed) is not str:
                continue  # it was left out
            # As `parts`, which `names` asks: what is no sealed value names no key that is at hand.
            named, _, box = sealed.rpartition(".")
            key = keys[tenant, named[len(PREFIX) :]] if box else None
            put(event, name, decode(erased if key is None else key.open(box, bound_to(tenant, stream, name))))
        put(event, "__class__", self._kind)
        return cast(Event, event)

    def names(self, read: Any) -> Iterable[str]:
        found = []
        for name, default, _, _ in self._openings:
            sealed = getattr(read, name)
            if sealed is not default and type(sealed) is str:
                named, box = parts(sealed)
                if box:
                    found.append(named)
        return found


Shape = _Plain | _Sealed


@functools.cache
def _made_once(kind: type[Event]) -> Shape:
    return _Sealed(kind) if personal_fields(kind) else _Plain(kind)


class Codec:
    """Encodes and decodes the facts of a vocabulary. Raises UnknownFact for types that it does not hold."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self.types: Mapping[str, type[Event]] = MappingProxyType(
            {tag: kind for category in categories for tag, kind in category.types.items()}
        )
        self._shapes: dict[str, Shape] = {tag: _made_once(kind) for tag, kind in self.types.items()}
        # By what is read; a type is found faster than its tag.
        self._to_open = {
            shape.stored: shape
            for tag, shape in self._shapes.items()
            if shape.fields or issubclass(self.types[tag], Retired)
        }
        self._by_kind: dict[type[Event], Shape] = {kind: self._shapes[tag] for tag, kind in self.types.items()}

    def shape_of(self, event: Event) -> Shape:
        """How a fact is stored: its `tag`, whether it has personal `fields`, and `encode`."""
        shape = self._by_kind.get(type(event))
        if shape is None:
            raise UnknownFact(tag_of(type(event)))
        return shape

    def read(self, rows: Sequence[Stored]) -> tuple[list[Any], set[Place]]:
        """The rows half read, and the keys (tenant, name) that `finish` needs."""
        half, needed = [], set()
        for row in rows:
            shape = self._shapes.get(row.type) or self._shape(row.type)
            read = shape.read(row.data)
            half.append(read)
            if shape.fields:
                for name in shape.names(read):
                    needed.add((row.tenant, name))
        return half, needed

    def finish(self, rows: Sequence[Stored], half: Sequence[Any], keys: Keys) -> list[Recorded[Event]]:
        """The facts, opened and in today's words."""
        facts = []
        for row, read in zip(rows, half, strict=True):
            event = self._shapes[row.type].open(read, row.tenant, row.stream, keys)
            if isinstance(event, Retired):
                event = current(event)
            meta = _meta.decode(row.meta)
            facts.append(
                Recorded(
                    event,
                    Envelope(
                        id=row.event_id,
                        type=row.type,
                        source=meta.source,
                        stream=row.stream,
                        version=row.version,
                        pos=row.pos,
                        tenant=row.tenant,
                        correlation_id=row.correlation_id,
                        occurred_at=row.occurred_at,
                        recorded_at=row.recorded_at,
                        subject=meta.subject,
                        causation_id=row.causation_id,
                        traceparent=meta.traceparent,
                        actor=meta.actor,
                        config=meta.config,
                    ),
                )
            )
        return facts

    def stored_as(self, tag: str) -> type[msgspec.Struct]:
        """What the `data` of a type decodes as while it is sealed."""
        return self._shape(tag).stored

    def open(self, facts: Iterable[Half], keys: AtHand) -> list[Half]:
        """Put facts into clear and today's words, where they stand; those that wait for a key are returned as they were."""
        shapes, closed = self._to_open, []
        for fact in facts:
            read = fact.event
            shape = shapes.get(type(read))
            if shape is not None:
                try:
                    event = shape.open(read, fact.tenant, fact.stream, keys)
                except KeyError:
                    closed.append(fact)
                else:
                    fact.event = current(event) if isinstance(event, Retired) else event
        return closed

    def needed(self, closed: Iterable[Half]) -> set[Place]:
        """The keys (tenant, name) that these wait for."""
        return {(fact.tenant, name) for fact in closed for name in self._to_open[type(fact.event)].names(fact.event)}

    def _shape(self, tag: str) -> Shape:
        shape = self._shapes.get(tag)
        if shape is None:
            raise UnknownFact(tag)
        return shape


def _twin(kind: type[Event], infos: Iterable[msgspec.structs.FieldInfo]) -> type[Event]:
    values: dict[str, Any] = {info.name: _with_default_of(info) for info in infos}
    values["__annotations__"] = dict.fromkeys(values, str | msgspec.UnsetType)
    return cast(type[Event], FactType(f"{kind.__name__}Sealed", (kind,), values, tag=tag_of(kind)))


def _with_default_of(info: msgspec.structs.FieldInfo) -> Any:
    if info.default is not msgspec.NODEFAULT:
        return msgspec.field(default=info.default, name=info.encode_name)
    if info.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=info.default_factory, name=info.encode_name)
    return msgspec.field(name=info.encode_name)


def _equals_default(info: msgspec.structs.FieldInfo) -> Callable[[Any], bool]:
    if info.default is not msgspec.NODEFAULT:
        default = info.default
        return lambda value: value is default or value == default
    if info.default_factory is not msgspec.NODEFAULT:
        empty = info.default_factory()
        return lambda value: value == empty
    return lambda value: False
