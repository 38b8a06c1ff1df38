"""A matter of a conversation: one follow-up, its process and where its flow stands."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from events.conversation import FlowEnded, FlowStarted, ProcessBound
from libs.domain import course
from libs.domain.course import Course


class Matter(msgspec.Struct, frozen=True):
    """One follow-up in this conversation. `asked`: its current step has spoken, or asked somebody, and waits.

    `said` holds the contact's words from which each of `extracted_info` came.
    """

    id: str
    bundle: str
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    state: str | None = None
    channels: tuple[str, ...] = ()
    context: Mapping[str, Any] = msgspec.field(default_factory=dict)
    flow: str | None = None
    step: str | None = None
    asked: bool = False
    intent: str | None = None
    extracted_info: Mapping[str, Any] = msgspec.field(default_factory=dict)
    said: Mapping[str, Any] = msgspec.field(default_factory=dict)
    results: Mapping[str, Any] = msgspec.field(default_factory=dict)
    course: Course = msgspec.field(default_factory=Course)
    settled: str | None = None


def in_flow(matter: Matter, event: FlowStarted | FlowEnded) -> Matter:
    """A flow begins or is over; a flow that waits for it keeps its place, and gets it back."""
    place = course.place_after(matter.course, event)
    return replace(
        matter, flow=place[0], step=place[1], asked=False, course=course.evolve(matter.course, event, flow=matter.flow)
    )


def bound(known: Matter | None, event: ProcessBound) -> Matter:
    """A matter joins, or is bound anew where another follow-up of it took over."""
    return replace(
        known or Matter(id=event.matter, bundle=event.bundle),
        bundle=event.bundle,
        process_type=event.process_type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        state=event.state,
        channels=tuple(event.channel_priority),
        context=event.context,
    )


def informed(matter: Matter, given: Mapping[str, Any]) -> Matter:
    """The matter with the `extracted_info` that comes with a trigger given by hand."""
    extracted = given.get("extracted_info")
    if not isinstance(extracted, dict):
        return matter
    return msgspec.structs.replace(matter, extracted_info={**matter.extracted_info, **extracted})
