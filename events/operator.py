"""What people of the company ask for by hand. Written by ingest and console, each in streams of its own."""

from typing import Annotated, Any, Literal

from events.base import Category, Event, Personal
from events.contact import PersonalProfile
from events.values import CancelOn, PersonalData, PersonalText, PersonalTextOrNone, Priority


class FollowupTriggered(Event, tag="operator.followup_triggered.v1"):
    """Somebody wants a contact followed up; the follow-up's id is known from the start.

    One that was imported is what the rule `rule_id` would have asked for, under the same `dedupe_key`.
    """

    followup: str
    contact_id: str
    fingerprint: str
    reason: PersonalText
    priority: Priority = "normal"
    channel_priority: list[str] = []
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    flow: str | None = None
    business_context: PersonalData = {}
    rule_id: str | None = None
    dedupe_key: str | None = None
    cancel_on: list[CancelOn] = []


class ContactGiven(Event, tag="operator.contact_given.v1"):
    """Somebody tells who a contact is, such as by a list that is imported. What it leaves out stays as it is known."""

    contact_id: str
    fingerprint: str
    profile: PersonalProfile


class TriggerGiven(Event, tag="operator.trigger_given.v1"):
    """Somebody moves a process by hand."""

    conversation: str
    fingerprint: str
    trigger_type: Literal["intent", "event", "outcome", "timer", "manual"]
    trigger_value: str
    process_type: str | None = None
    entity_id: str | None = None
    extra_data: PersonalData = {}


class TakeoverRequested(Event, tag="operator.takeover_requested.v1"):
    """An operator takes the conversation: the agent falls silent."""

    conversation: str
    operator: str


class ReplyGiven(Event, tag="operator.reply_given.v1"):
    """An operator says something to the contact."""

    conversation: str
    operator: str
    content: PersonalText
    channel: str | None = None


class Released(Event, tag="operator.released.v1"):
    """The operator hands the conversation back to the agent."""

    conversation: str
    operator: str


class ApprovalGiven(Event, tag="operator.approval_given.v1"):
    """An operator says whether Claude may do what it asked for."""

    conversation: str
    approval: str
    operator: str
    approved: bool
    reason: PersonalTextOrNone = None


class ErasureRequested(Event, tag="operator.erasure_requested.v1"):
    """A contact's personal data must become unreadable."""

    contact_id: str
    operator: str
    evidence: Annotated[dict[str, Any], Personal({})] = {}


OPERATOR = Category(
    "operator",
    current=(
        FollowupTriggered,
        ContactGiven,
        TriggerGiven,
        TakeoverRequested,
        ReplyGiven,
        Released,
        ApprovalGiven,
        ErasureRequested,
    ),
)
