"""What the ERP answered. Written by backend-sync; the stream is `backend-{intent id}`."""

from typing import Annotated, Any, Literal

from events.base import Category, Event, Personal
from events.values import PersonalData, PersonalText, Priority


class FollowupDiscovered(Event, tag="backend.followup_discovered.v1"):
    """The ERP holds a pending follow-up; its id names the stream, so that the same id is one fact."""

    erp_id: str
    contact_id: str
    reason: PersonalText
    priority: Priority = "normal"
    channel_priority: list[str] = []
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    business_context: PersonalData = {}


class CallCompleted(Event, tag="backend.call_completed.v1"):
    """The ERP answered a tool call, or confirmed a writeback."""

    kind: Literal["tool", "write"]
    conversation: str
    endpoint: str
    status: int
    result: Annotated[Any, Personal(None)] = None


class CallFailed(Event, tag="backend.call_failed.v1"):
    """The ERP refused for good, or could not be asked in time."""

    kind: Literal["tool", "write"]
    conversation: str
    endpoint: str
    reason: str
    status: int | None = None


BACKEND = Category("backend", current=(FollowupDiscovered, CallCompleted, CallFailed))
