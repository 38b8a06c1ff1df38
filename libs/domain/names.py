"""Names: what templates and conditions may speak of, and where each name is looked up."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

import msgspec


class Missing(Enum):
    """The one value that means "no such name": null is a value, this is none."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Missing.UNDEFINED

Source = Literal["names", "data", "slots", "tool_results", "business_context", "contact", "extracted_info", "said", ""]
PERSONAL_SOURCES: frozenset[Source] = frozenset({"contact", "extracted_info", "said", "slots"})
"""Where a value may be the contact's own: it is compared, never quoted in a reason."""

PLAIN_NAMES = ("entity_id", "entity_type", "process_type", "state", "intent", "contact_name")
_INDEX = re.compile(r"\[(\d{1,9})\]")


class Found(NamedTuple):
    """A value and where it came from; the source is empty when there is none."""

    value: Any
    source: Source


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What can be named. Bare names are searched in `data`, slots, tool results, business context, contact, in this order.

    `data` is that of the event in hand, where there is one. `now` is the business now in the contact's zone: it
    gives `today` its meaning. `said` are the contact's words, by the name of the fact that came from them.
    """

    entity_id: str | None = None
    entity_type: str | None = None
    process_type: str | None = None
    state: str | None = None
    intent: str | None = None
    contact_name: str | None = None
    contact: Mapping[str, Any] | None = None
    business_context: Mapping[str, Any] | None = None
    extracted_info: Mapping[str, Any] | None = None
    said: Mapping[str, Any] | None = None
    slots: Mapping[str, Any] | None = None
    tool_results: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    now: datetime | None = None

    @classmethod
    def of_event(cls, data: Mapping[str, Any], now: datetime | None = None) -> "Names":
        """The names that a rule sees: the event's data and nothing else."""
        return cls(data=data, now=now)

    def get(self, path: str) -> Any | Missing:
        """The value of a path such as `payment_status.paid`, `items.0.sku` or `items[0].sku`; UNDEFINED where there is none."""
        return self.find(path).value

    def find(self, path: str) -> Found:
        """As `get`, with the place where the value stands."""
        root, *rest = parts_of(path)
        if root in PLAIN_NAMES and (plain := getattr(self, root)) is not None:
            return _found(plain, rest, "contact" if root == "contact_name" else "names")
        for source, scope in self._roots():
            if root == source and scope is not None:
                return _found(scope, rest, source)
        for source, scope in self._searched():
            if scope is not None and root in scope:
                return _found(scope[root], rest, source)
        return Found(UNDEFINED, "")

    def _roots(self) -> Iterator[tuple[Source, Mapping[str, Any] | None]]:
        yield "contact", self.contact
        yield "business_context", self.business_context
        yield "extracted_info", self.extracted_info
        yield "said", self.said
        yield "slots", self.slots

    def _searched(self) -> Iterator[tuple[Source, Mapping[str, Any] | None]]:
        yield "data", self.data
        yield "slots", self.slots
        yield "tool_results", self.tool_results
        yield "business_context", self.business_context
        yield "contact", self.contact


def parts_of(path: str) -> list[str]:
    """`items[0].sku` as `["items", "0", "sku"]`; never empty."""
    return _INDEX.sub(r".\1", path.strip()).split(".")


def walk(value: Any, parts: Sequence[str]) -> Any | Missing:
    """Down through mappings by key and lists by index, and through nothing else: no attribute is ever read."""
    for part in parts:
        if isinstance(value, Mapping):
            if part not in value:
                return UNDEFINED
            value = value[part]
        elif isinstance(value, list | tuple) and _is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return UNDEFINED
    return value


def _is_index(part: str) -> bool:
    return len(part) < 10 and part.isascii() and part.isdigit()


def _found(value: Any, rest: Sequence[str], source: Source) -> Found:
    below = walk(value, rest)
    return Found(UNDEFINED, "") if below is UNDEFINED else Found(below, source)
