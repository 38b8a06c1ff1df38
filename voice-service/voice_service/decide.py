"""Whether a call may still be dialled, what a provider's word means for it, and the facts that say so: pure decisions."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from events.base import Draft, Event, Recorded
from events.call import (
    Answered,
    CallRequested,
    Consumed,
    Dialled,
    Ended,
    EndReason,
    OutcomeUnknown,
    Rejected,
    Ringing,
    Withheld,
)
from events.values import Cost
from libs.channels.call_status import OVER, Status
from libs.channels.outcome import Refused
from libs.config.bundle import Bundle
from libs.domain.phone import VOICE
from libs.domain.policy import lapsed
from libs.domain.stopwords import is_stop, stop_words


class Used(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a call that goes on has come to, as its process last knew."""

    seconds: int
    turns: int = 0
    costs: dict[str, Cost] = {}
    latency_ms: dict[str, dict[str, int]] = {}
    waits: dict[str, dict[str, int]] = {}
    consumed: list[Consumed] = []


class ToldEnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the provider says that a call ended."""

    reason: EndReason
    seconds: int = 0


class Door(Protocol):
    """What a decision needs to know of the providers."""

    def may_call(self, number: str) -> bool: ...


def stream(call: UUID | str) -> str:
    return f"call-{call}"


def veto(intent: Recorded[CallRequested], door: Door, bundle: Bundle, now: datetime) -> str | None:
    """Why it may not be dialled any more although it was allowed when it was asked for; None where it may."""
    event = intent.event
    if not door.may_call(event.to):
        return "the number is none of the channel's test recipients"
    return lapsed(bundle.policy, event.allowed_by, at=now, begins=event.purpose == "approach")


def dialled(intent: Recorded[CallRequested], provider: str, ref: str) -> Draft:
    return Draft(stream(intent.id), Dialled(conversation=intent.subject_id, provider=provider, provider_ref=ref))


def rejected(intent: Recorded[CallRequested], refused: Refused) -> Draft:
    return Draft(stream(intent.id), _rejected(intent.subject_id, refused))


def given_up(intent: Recorded[CallRequested], reason: str) -> Draft:
    """It could not be dialled in all the time that it had."""
    fact = Rejected(conversation=intent.subject_id, code="retries_exhausted", reason=reason)
    return Draft(stream(intent.id), fact)


def withheld(intent: Recorded[CallRequested], reason: str) -> Draft:
    return Draft(stream(intent.id), Withheld(conversation=intent.subject_id, reason=reason))


def outcome_unknown(intent: Recorded[CallRequested], reason: str) -> Draft:
    return Draft(stream(intent.id), OutcomeUnknown(conversation=intent.subject_id, reason=reason))


_REASONS: dict[str, EndReason] = {
    "completed": "completed",
    "busy": "busy",
    "no_answer": "no_answer",
    "failed": "failed",
}


def told(conversation: str, status: Status) -> tuple[str, Event]:
    """What a status says of a call, and the name under which it is said once only."""
    match status.state:
        case "ringing":
            return "ringing", Ringing(conversation=conversation, at=status.at)
        case "answered":
            return "answered", Answered(conversation=conversation, at=status.at, provider_ref=status.ref)
        case _ if status.refused is not None:
            return "ended", _rejected(conversation, status.refused)
        case _:
            end = told_end(status)
            return "ended", Ended(conversation=conversation, reason=end.reason, seconds=end.seconds)


def _rejected(conversation: str, refused: Refused) -> Rejected:
    scope = "call" if refused.scope == "message" else refused.scope
    return Rejected(conversation=conversation, code=str(refused.code), reason=refused.reason, scope=scope)


def over(status: Status) -> bool:
    """Whether a status says that a call has ended."""
    return status.state in OVER


def told_end(status: Status) -> ToldEnd:
    """The end that a status tells."""
    return ToldEnd(reason="voicemail" if status.machine else _REASONS[status.state], seconds=status.seconds or 0)


def cut_off(conversation: str, used: Used, told: ToldEnd | None) -> Ended:
    """The end of a call whose process has died: what is known of it, the provider's seconds where they came."""
    return Ended(
        conversation=conversation,
        reason="failed",
        seconds=max(used.seconds, told.seconds if told else 0),
        turns=used.turns,
        costs=used.costs,
        latency_ms=used.latency_ms,
        waits=used.waits,
        consumed=used.consumed,
    )


def says_stop(text: str, bundle: Bundle) -> bool:
    """Whether what was said in a call is a stop word: it is obeyed before Claude reads it, and orchestrator hears it with the turn."""
    return is_stop(text, stop_words(bundle.policy.stop_words, channel=VOICE))
