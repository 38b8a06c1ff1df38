"""What every fact is: a frozen struct with a tag, the family that it belongs to, and the envelope that it travels in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar, dataclass_transform, get_type_hints
from uuid import UUID

import msgspec


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class FactType(msgspec.StructMeta):
    """Makes facts and their values keyword-only and frozen, and lets an intent name the effect that answers it."""

    effect: str

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, effect: str = "", **config: Any
    ) -> "FactType":
        config.setdefault("kw_only", True)
        config.setdefault("frozen", True)
        return super().__new__(mcls, name, bases, namespace, **config)

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, effect: str = "", **config: Any
    ) -> None:
        super().__init__(name, bases, namespace)
        cls.effect = effect


class Event(msgspec.Struct, metaclass=FactType, tag_field="type", omit_defaults=True):
    """A fact of the business's world, in the past tense. Its tag is `family.fact.vN`."""


class Intent(Event):
    """A fact that asks the outside world for something (`effect`); an outcome fact answers it."""


class Retired(Event):
    """An old version of a fact, which knows how to become the current one."""

    def upcast(self) -> Event:
        """The same fact in the words of the version after it."""
        raise TypeError(f"{type(self).__name__} is retired and must say what it became: define upcast()")


class Value(msgspec.Struct, metaclass=FactType, omit_defaults=True):
    """A part of a fact: has no life and no version of its own."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a top-level field as personal: sealed whole in the log. `erased` (JSON) is read once its key is destroyed."""

    erased: Any = "[erased]"


E = TypeVar("E", bound=Event, covariant=True)


def tag_of(kind: type[Event]) -> str:
    """The tag of an event type, such as `conversation.closed.v2`."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{kind.__name__} has no tag: give it tag='family.fact.v1'")
    return tag


def family_of(tag: str) -> str:
    """The family of a tag: what stands before its first dot."""
    return tag.partition(".")[0]


def personal_fields(kind: type[Event]) -> Mapping[str, Personal]:
    """The marks of an event type's personal fields, by field name."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: mark
        for field in msgspec.structs.fields(kind)
        for mark in getattr(hints[field.name], "__metadata__", ())
        if isinstance(mark, Personal)
    }


class UnknownFact(Exception):
    """A fact type that this version does not know: its readers must be released before its writers."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"the fact type {tag!r} is not known to this version; release its readers before its writers")
        self.tag = tag


class Category:
    """A stream family: its name, the facts that are written today, and the retired ones that old logs still hold."""

    def __init__(self, name: str, *, current: tuple[type[Event], ...], retired: tuple[type[Retired], ...] = ()) -> None:
        self.name = name
        self.current = MappingProxyType({tag_of(kind): kind for kind in current})
        self.retired = MappingProxyType({tag_of(kind): kind for kind in retired})
        for tag in (*self.current, *self.retired):
            if family_of(tag) != name:
                raise TypeError(f"{tag!r} does not belong to the family {name!r}")

    @property
    def types(self) -> Mapping[str, type[Event]]:
        """Every type that the log may hold for this family, by tag."""
        return {**self.retired, **self.current}

    def __repr__(self) -> str:
        return f"Category({self.name!r})"


def current(event: Event) -> Event:
    """The fact in today's words: retired versions are upcast until none is left."""
    while isinstance(event, Retired):
        event = event.upcast()
    return event


class Cause(msgspec.Struct, frozen=True):
    """Why a fact was written. `correlation_id` is the root outside cause; `occurred_at` is the business now."""

    correlation_id: UUID
    occurred_at: datetime
    source: str
    id: UUID | None = None
    actor: str | None = None
    config: str | None = None
    traceparent: str | None = None


class Draft(msgspec.Struct, frozen=True):
    """A fact about to be written.

    `key` names the data key that seals its personal fields; without it the key of the fact's own stream does.
    `subject` is the contact's id where the fact is about a known one.
    """

    stream: str
    event: Event
    key: str | None = None
    subject: str | None = None


class Envelope(msgspec.Struct, frozen=True):
    """What surrounds a stored fact; maps one to one to CloudEvents 1.0 attributes and extensions."""

    id: UUID
    type: str
    source: str
    stream: str
    version: int
    pos: int
    tenant: str
    correlation_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    subject: str | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    actor: str | None = None
    config: str | None = None

    @property
    def family(self) -> str:
        return family_of(self.type)


class Recorded(msgspec.Struct, Generic[E], frozen=True):
    """A fact as the log holds it: the event, upcast and opened, with its envelope."""

    event: E
    envelope: Envelope

    @property
    def id(self) -> UUID:
        return self.envelope.id

    @property
    def pos(self) -> int:
        return self.envelope.pos

    @property
    def stream(self) -> str:
        return self.envelope.stream

    @property
    def version(self) -> int:
        return self.envelope.version

    @property
    def tenant(self) -> str:
        return self.envelope.tenant

    @property
    def type(self) -> str:
        return self.envelope.type

    @property
    def family(self) -> str:
        return self.envelope.family

    @property
    def subject_id(self) -> str:
        """What the stream's name says after its family, such as the conversation's id."""
        return self.envelope.stream.partition("-")[2]
