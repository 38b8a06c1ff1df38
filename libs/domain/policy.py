"""Contact policy: when, where and how often a contact may be approached, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from events.values import PolicyCheck, PolicyDecision
from libs.domain.hours import HORIZON
from libs.domain.hours import Holidays as Holidays  # the grammar of the policy is read from here
from libs.domain.hours import Hours as Hours
from libs.domain.policy_checks import ANSWER_TIME, Said, calendar_of, judged
from libs.domain.policy_checks import Approach as Approach
from libs.domain.policy_checks import Beside as Beside
from libs.domain.policy_checks import Consent as Consent
from libs.domain.policy_terms import Applies as Applies
from libs.domain.policy_terms import Attempts as Attempts
from libs.domain.policy_terms import Policy as Policy
from libs.domain.policy_terms import Purpose as Purpose
from libs.domain.policy_terms import RightPerson as RightPerson
from libs.domain.policy_terms import Source as Source
from libs.domain.policy_terms import StopConfirmation as StopConfirmation

LAPSED = "the hours in which it was allowed are over"


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done now."""

    decision: PolicyDecision


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; `until` is the first minute at which, as things stand, it may be done."""

    until: datetime
    decision: PolicyDecision


@dataclass(frozen=True, slots=True)
class Refused:
    """Waiting does not help: another channel, or a person."""

    reason: str
    decision: PolicyDecision


def decide(policy: Policy, approach: Approach) -> Allowed | Deferred | Refused:
    """Judge an approach by every rule of the policy. Each rule's verdict is in the decision; a refusal outweighs a wait.

    Hours, holidays, gap, attempts and do-not-disturb bind what we begin; an answer within 24 hours of the contact's
    message is exempt. A stop never is.
    """
    said = tuple(judged(policy, approach))
    refusals = [one for one in said if one.verdict == "refused"]
    waits = [one.until for one in said if one.until is not None]
    if refusals:
        return Refused(refusals[0].detail, _decision(policy, approach, "refused", said))
    if not waits:
        return Allowed(_decision(policy, approach, "allowed", said, holds_until=_holds_until(policy, approach)))
    until = calendar_of(policy, approach).next_open(_full_minute(max(waits)))
    if until is None:
        never = Said("hours", "refused", f"{approach.channel} is not open within {HORIZON.days} days")
        return Refused(never.detail, _decision(policy, approach, "refused", (*said, never)))
    return Deferred(until, _decision(policy, approach, "deferred", said, until))


def next_allowed_minute(
    policy: Policy, *, channel: str, purpose: str | None, at: datetime, zone: str
) -> datetime | None:
    """The first instant from `at` on at which hours and holidays allow a channel; None where none is within 400 days."""
    return calendar_of(policy, Approach(channel=channel, purpose=purpose, at=at, zone=zone)).next_open(at)


def lapsed(policy: Policy, decision: PolicyDecision, *, at: datetime, begins: bool) -> str | None:
    """Why what a decision allowed may not begin at `at` any more, however late it comes to it; None where it may.

    `begins`: it is no answer, so that the hours bind it, those of today's policy too. Nothing is done before it was decided:
    who acts on what was allowed as the hours began may have a clock that is behind.
    """
    at = max(at, decision.at)
    if decision.holds_until is not None and at >= decision.holds_until:
        return LAPSED
    zone = decision.zone or policy.timezone
    if begins and not within_hours(policy, channel=decision.channel, purpose=decision.purpose, at=at, zone=zone):
        return LAPSED
    return None


def _holds_until(policy: Policy, approach: Approach) -> datetime | None:
    """Until when what is allowed now may begin: an answer for its 24 hours, what we begin while the calendar is open."""
    if approach.answers and approach.last_inbound_at is not None:
        return approach.last_inbound_at + ANSWER_TIME
    if not approach.initiating and approach.confirms_stop:
        return None
    return calendar_of(policy, approach).next_closed(approach.at)


def within_hours(policy: Policy, *, channel: str, purpose: str | None, at: datetime, zone: str) -> bool:
    """Whether hours and holidays allow a channel at an instant."""
    return calendar_of(policy, Approach(channel=channel, purpose=purpose, at=at, zone=zone)).is_open(at)


def _full_minute(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def _decision(
    policy: Policy,
    approach: Approach,
    verdict: Literal["allowed", "deferred", "refused"],
    said: tuple[Said, ...],
    until: datetime | None = None,
    holds_until: datetime | None = None,
) -> PolicyDecision:
    return PolicyDecision(
        verdict=verdict,
        channel=approach.channel,
        purpose=approach.purpose or "general",
        at=approach.at,
        until=until,
        checks=[_check(policy, approach, one) for one in said],
        zone=approach.zone,
        holds_until=holds_until,
    )


def _check(policy: Policy, approach: Approach, said: Said) -> PolicyCheck:
    known = _source(policy, approach, said.rule)
    return PolicyCheck(
        rule=said.rule,
        verdict=said.verdict,
        detail=said.detail,
        source=known.source if known else None,
        effective=known.effective if known else None,
        provision=known.id if known else None,
    )


def _source(policy: Policy, approach: Approach, rule: str) -> Source | None:
    """Where a rule comes from: the newest effective entry of `rules` that `applies` to it, or names it in its id."""
    if not policy.rules:
        return None
    today = approach.at.date().isoformat()
    found = [one for one in policy.rules if one.effective <= today and _applies(one, rule, approach)]
    return max(found, key=lambda one: one.effective, default=None)


def _applies(source: Source, rule: str, approach: Approach) -> bool:
    match source.applies:
        case Applies(rules=rules, purposes=purposes, channels=channels):
            here = not purposes or approach.purpose in purposes
            return rule in rules and here and (not channels or approach.channel in channels)
        case str(words):
            return rule in words.replace(",", " ").split()
        case _:
            return source.id == rule or source.id.replace("-", "_").endswith(f"_{rule}")
