"""What the rules said of a business event. Written by rules."""

from datetime import datetime
from typing import Annotated, Any

from events.base import Category, Event, Personal, Value
from events.values import CancelOn, Priority


class MatchedFollowup(Value):
    """A follow-up that a rule asks for, rendered. Without `business_context` the event's whole data is meant.

    `not_before` is the date of its schedule; `supersede`: it replaces the open one of its key.
    """

    rule_id: str
    contact_id: str
    reason: str
    dedupe_key: str
    priority: Priority = "normal"
    channel_priority: list[str] = []
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    flow: str | None = None
    business_context: dict[str, Any] | None = None
    cooldown_s: int = 0
    supersede: bool = False
    not_before: datetime | None = None
    cancel_on: list[CancelOn] = []
    why: list[str] = []


class RejectedRule(Value):
    """A rule for this event that asked for nothing, and why."""

    rule_id: str
    reasons: list[str]


class Evaluated(Event, tag="rules.evaluated.v1"):
    """Every rule for an event was looked at; also the answer to "why did nobody call?"."""

    event_name: str
    business_stream: str
    matched: Annotated[list[MatchedFollowup], Personal([])]
    rejected: Annotated[list[RejectedRule], Personal([])] = []


RULES = Category("rules", current=(Evaluated,))
