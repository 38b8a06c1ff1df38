"""Inside a matter: questions and answers, plans, the bundle that it runs in. Family `conversation`, written by orchestrator."""

from datetime import datetime
from typing import Annotated, Any, Literal

from events.base import Event, Personal
from events.values import Cost, PersonalData, PersonalTextOrNone


class SlotAsked(Event, tag="conversation.slot_asked.v1"):
    """The contact is asked for a slot, once more."""

    matter: str
    flow: str
    step: str
    slot: str


class SlotFilled(Event, tag="conversation.slot_filled.v1"):
    """The contact answered, or corrected what they had answered; `words` are theirs."""

    matter: str
    flow: str
    step: str
    slot: str
    value: Annotated[Any, Personal(None)]
    words: PersonalTextOrNone = None
    corrected: bool = False


class SlotRefused(Event, tag="conversation.slot_refused.v1"):
    """What the contact said is no answer, and why."""

    matter: str
    flow: str
    step: str
    slot: str
    reason: str


class CollectEnded(Event, tag="conversation.collect_ended.v1"):
    """A step asks no more: the contact broke it off, or did not answer what was asked often enough."""

    matter: str
    flow: str
    step: str
    how: Literal["cancelled", "unanswered"]
    slot: str | None = None


class PlanStarted(Event, tag="conversation.plan_started.v1"):
    """Claude plans from here on; `at` is business time."""

    matter: str
    flow: str
    step: str
    at: datetime


class PlanChose(Event, tag="conversation.plan_chose.v1"):
    """Claude chose a tool, or finished; what it chose may have been refused (`refused` says why) and is not done then."""

    matter: str
    flow: str
    step: str
    turn: str
    tool: str
    inputs: PersonalData = {}
    cost: Cost | None = None
    refused: str | None = None


class ApprovalRequested(Event, tag="conversation.approval_requested.v1"):
    """An operator has to say whether Claude may do this; `approval` is this fact's own id."""

    approval: str
    matter: str
    flow: str
    step: str
    tool: str
    payload: PersonalData = {}


class ApprovalHeard(Event, tag="conversation.approval_heard.v1"):
    """The operator said yes or no."""

    approval: str
    matter: str
    operator: str
    approved: bool
    reason: PersonalTextOrNone = None


class PlanEnded(Event, tag="conversation.plan_ended.v1"):
    """Claude plans no more, and how it came to that."""

    matter: str
    flow: str
    step: str
    how: Literal["reached", "not_reached", "steps", "money", "time"]
    summary: PersonalTextOrNone = None


class Migrated(Event, tag="conversation.migrated.v1"):
    """A matter goes on in another bundle, at the state and the step where it stood."""

    matter: str
    from_bundle: str
    to_bundle: str


class MigrationRefused(Event, tag="conversation.migration_refused.v1"):
    """A matter stays in its bundle, because the other one has no place for it."""

    matter: str
    bundle: str
    reason: str
