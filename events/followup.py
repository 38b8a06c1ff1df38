"""One matter to follow up, from its opening to its outcome. Written by orchestrator."""

from datetime import datetime
from typing import Annotated, Any, Literal

from events.base import Category, Event, Intent, Personal
from events.values import CancelOn, PersonalText, PolicyDecision, Priority, Skipped


class Opened(Event, tag="followup.opened.v1"):
    """A matter is ours. Without `business_context` the data of `business_stream`'s fact is meant."""

    contact_id: str
    reason: PersonalText
    origin: Literal["rule", "operator", "erp", "action"]
    priority: Priority = "normal"
    channel_priority: list[str] = []
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    flow: str | None = None
    business_context: Annotated[dict[str, Any] | None, Personal({})] = None
    business_stream: str | None = None
    rule_id: str | None = None
    dedupe_key: str | None = None
    cancel_on: list[CancelOn] = []
    erp_id: str | None = None
    supersedes: str | None = None


class Declined(Event, tag="followup.declined.v1"):
    """A rule asked for a follow-up that is not opened, because of another one of its key (`instead`)."""

    contact_id: str
    rule_id: str
    dedupe_key: str
    reason: str
    instead: str


class Scheduled(Event, tag="followup.scheduled.v1"):
    """The matter begins on its date and not before: `due_at` is business time."""

    timer: str
    due_at: datetime


class Joined(Event, tag="followup.joined.v1"):
    """The matter is taken up in a conversation."""

    conversation: str


class ContactRequested(Intent, tag="followup.contact_requested.v1", effect="contact.fetch"):
    """The ERP is asked who the contact is."""

    contact_id: str


class AttemptStarted(Event, tag="followup.attempt_started.v1"):
    """We approach the contact."""

    number: int
    channel: str
    allowed_by: PolicyDecision
    skipped: list[Skipped] = []


class AttemptUnanswered(Event, tag="followup.attempt_unanswered.v1"):
    """Nobody answered in the time that the policy gives, or the message did not arrive.

    Where it was refused for a reason of ours, such as our account at the provider, the attempt (`number`; 0 for what was
    none) does not count, and the channel is tried again, not before `until`.
    """

    number: int
    channel: str
    reason: Literal["no_reply", "message_failed", "account_refused"] = "no_reply"
    until: datetime | None = None


class Deferred(Event, tag="followup.deferred.v1"):
    """Not now: the policy names the next allowed minute."""

    until: datetime
    decisions: list[PolicyDecision]
    skipped: list[Skipped] = []


class Resolved(Event, tag="followup.resolved.v1"):
    """The matter is settled."""

    outcome: str
    state: str | None = None


class Exhausted(Event, tag="followup.exhausted.v1"):
    """Nothing more may or can be tried: a person must look at it."""

    reason: str
    skipped: list[Skipped] = []
    decisions: list[PolicyDecision] = []


class Cancelled(Event, tag="followup.cancelled.v1"):
    """The matter became pointless before it was settled."""

    reason: str


FOLLOWUP = Category(
    "followup",
    current=(
        Opened,
        Declined,
        Scheduled,
        Joined,
        ContactRequested,
        AttemptStarted,
        AttemptUnanswered,
        Deferred,
        Resolved,
        Exhausted,
        Cancelled,
    ),
)
