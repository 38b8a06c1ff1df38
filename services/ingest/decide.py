"""What a request means: its identity, whether it is well-formed, and what a trigger by hand would do. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from libs.config.bundle import Bundle
from libs.config.model import CHANNELS
from libs.domain import statemap
from libs.domain.contact import Contact
from libs.domain.conversation import Conversation
from libs.domain.given import Wrong, check_id
from libs.domain.matter import informed
from libs.domain.scope import names_of, zone_of
from libs.domain.statemap import Accepted, Fired, Moved

MAX_DATA = 256 * 1024
"""Bytes of an event's data as JSON."""
MAX_DEPTH = 64
"""Levels of objects and arrays in what an event carries."""


class EventIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event; `occurred_at` with its zone. Without an `event_id` each request is an event of its own."""

    event_name: str
    data: dict[str, Any]
    event_id: str | None = None
    source: str | None = None
    occurred_at: datetime | None = None


class FollowupIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A follow-up that somebody asks for by hand."""

    contact_id: str
    reason: str
    channel_priority: list[str] = []
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    business_context: dict[str, Any] = {}
    flow: str | None = None


class TriggerIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A trigger for a state map, given by hand."""

    conversation_id: str
    trigger_type: Literal["intent", "event", "outcome", "timer", "manual"]
    trigger_value: str
    extra_data: dict[str, Any] = {}
    process_type: str | None = None
    entity_id: str | None = None


def check_depth(path: str, value: Any) -> None:
    """Raises Wrong for data that is nested deeper than MAX_DEPTH levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [each for items in inner for each in items]
        if not level:
            return
    raise Wrong(path, f"at most {MAX_DEPTH} levels of objects and arrays are taken")


def is_too_large(data: dict[str, Any]) -> bool:
    """Whether an event's data is more than the spec takes."""
    return len(msgspec.json.encode(data)) > MAX_DATA


def check_event(event: EventIn) -> None:
    """Raises Wrong for an event that cannot be meant."""
    check_id("$.event_name", event.event_name)
    check_id("$.event_id", event.event_id)
    check_id("$.source", event.source)
    if event.occurred_at is not None and event.occurred_at.tzinfo is None:
        raise Wrong("$.occurred_at", "a time needs its zone, such as 2026-02-16T10:30:00+05:30")


def check_followup(asked: FollowupIn, bundle: Bundle) -> None:
    """Raises Wrong for a follow-up that the bundle could not lead."""
    check_id("$.contact_id", asked.contact_id)
    check_id("$.entity_id", asked.entity_id)
    for place, channel in enumerate(asked.channel_priority):
        if channel not in CHANNELS:
            raise Wrong(f"$.channel_priority[{place}]", f"{channel!r} is no channel; there are {', '.join(CHANNELS)}")
    if asked.process_type is not None and asked.process_type not in bundle.state_maps:
        raise unknown("$.process_type", "process", asked.process_type, bundle.state_maps)
    if asked.process_type is not None and asked.entity_id is None:
        raise Wrong("$.entity_id", "a process needs the entity that it is about")
    if asked.process_type is not None and asked.flow is None:
        raise Wrong("$.flow", f"a process needs a flow; the bundle has {', '.join(sorted(bundle.flows))}")
    if asked.flow is not None and asked.flow not in bundle.flows:
        raise unknown("$.flow", "flow", asked.flow, bundle.flows)


def unknown(path: str, kind: str, name: str, known: Iterable[str]) -> Wrong:
    """The bundle has no such thing."""
    return Wrong(path, f"the bundle has no {kind} {name!r}; there are {', '.join(sorted(known)) or 'none'}")


def canonical(content: Any) -> bytes:
    """The same bytes for content that is equal as decoded JSON: keys sorted, 52400.0 written as 52400."""
    return msgspec.json.encode(_plain(content), order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def accepted_triggers(
    given: TriggerIn, conversation: Conversation, contact: Contact, bundles: Mapping[str, Bundle], now: datetime
) -> tuple[Accepted, ...] | None:
    """None when a matter would take the trigger; else the triggers that would be taken now."""
    accepted: list[Accepted] = []
    for matter in conversation.live if conversation.open else ():
        if given.process_type not in (None, matter.process_type) or given.entity_id not in (None, matter.entity_id):
            continue
        bundle = bundles[matter.bundle]
        state_map = bundle.state_maps.get(matter.process_type or "")
        if state_map is None or matter.state is None:
            continue
        known = informed(matter, given.extra_data)
        names = names_of(contact, known, now=now, zone=zone_of(contact, bundle.policy.timezone))
        fired = Fired(given.trigger_type, given.trigger_value, given.extra_data)
        if isinstance(statemap.step(state_map, matter.state, fired, names), Moved):
            return None
        accepted.extend(statemap.accepted_triggers(state_map, matter.state))
    return tuple(dict.fromkeys(accepted))
