"""A follow-up: one matter of one contact, from its opening to its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from events.base import Event
from events.followup import (
    AttemptStarted,
    AttemptUnanswered,
    Cancelled,
    Deferred,
    Exhausted,
    Joined,
    Opened,
    Resolved,
    Scheduled,
)
from libs.domain.rules import PRIORITIES

Status = Literal["new", "open", "deferred", "resolved", "exhausted", "cancelled"]
SETTLED: frozenset[Status] = frozenset({"resolved", "exhausted", "cancelled"})


@dataclass(frozen=True, slots=True)
class Followup:
    """What we remember of a matter. `due_at` is the date on which it begins, where it has one. `failed` names the channels
    on which a message did not arrive, `refused` those whose provider refused our account, until when; those attempts are
    `uncounted`.
    """

    opened: Opened | None = None
    status: Status = "new"
    conversation: str | None = None
    attempts: int = 0
    failed: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    refused: Mapping[str, datetime] = field(default_factory=dict)
    uncounted: int = 0
    deferred_until: datetime | None = None
    due_at: datetime | None = None

    @property
    def counted(self) -> int:
        """The attempts that count for the policy."""
        return self.attempts - self.uncounted

    @property
    def settled(self) -> bool:
        return self.status in SETTLED


def urgency(state: Followup) -> int:
    """What presses more has the smaller number."""
    return PRIORITIES.index(state.opened.priority if state.opened else "normal")


def evolve(state: Followup, event: Event) -> Followup:
    """The follow-up after one more fact."""
    match event:
        case Opened():
            return replace(state, opened=event, status="open")
        case Joined():
            return replace(state, status="open", conversation=event.conversation, deferred_until=None)
        case AttemptStarted():
            return replace(
                state, status="open", attempts=event.number, tried=(*state.tried, event.channel), deferred_until=None
            )
        case AttemptUnanswered(reason="message_failed"):
            return replace(state, failed=(*state.failed, event.channel))
        case AttemptUnanswered(reason="account_refused", until=datetime() as until):
            return replace(
                state,
                refused={**state.refused, event.channel: until},
                tried=_without_last(state.tried, event.channel),
                uncounted=state.uncounted + (1 if event.number else 0),
            )
        case Scheduled():
            return replace(state, status="deferred", due_at=event.due_at, deferred_until=event.due_at)
        case Deferred():
            return replace(state, status="deferred", deferred_until=event.until)
        case Resolved():
            return replace(state, status="resolved")
        case Exhausted():
            return replace(state, status="exhausted")
        case Cancelled():
            return replace(state, status="cancelled")
        case _:
            return state


def _without_last(tried: tuple[str, ...], channel: str) -> tuple[str, ...]:
    """It was not the contact who did not answer, so the channel is no further down the ladder for it."""
    places = [place for place, each in enumerate(tried) if each == channel]
    return tried if not places else tried[: places[-1]] + tried[places[-1] + 1 :]
