"""Contact policy: when, where and how often a contact may be approached, and why."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from events.values import PolicyCheck, PolicyDecision
from libs.domain.hours import HORIZON, Calendar
from libs.domain.hours import Holidays as Holidays  # the grammar of the policy is read from here
from libs.domain.hours import Hours as Hours


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    per_day: int = 3
    per_matter: int = 8


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """What a process type overrides."""

    hours: dict[str, Hours] = {}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule of the policy comes from and since when it holds."""

    id: str
    source: str
    effective: str
    applies: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str = "Asia/Kolkata"
    hours: dict[str, Hours] = {}
    purposes: dict[str, Purpose] = {}
    holidays: Holidays = Holidays()
    consent: dict[str, Literal["required", "implied"]] = {}
    attempts: Attempts = Attempts()
    minimum_gap_minutes: int = 240
    no_reply_minutes: int = 1440
    turns_without_progress: int = 6
    blackout_dates: tuple[str, ...] = ()
    merge_matters: bool = True
    number_series: dict[str, str] = {}
    right_person: dict[str, str] = {}
    stop_words: dict[str, tuple[str, ...]] | None = None
    stop_confirmation: bool = False
    disclose_automation: Literal["when_asked", "always"] = "when_asked"
    money_per_day: dict[str, int] = {}
    rules: tuple[Source, ...] = ()
    extra: dict[str, Any] = {}


Consent = Literal["given", "withdrawn"]
ANSWER_TIME = timedelta(hours=24)
"""How long after the contact's last message what we say counts as an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """What we are about to do, and what is known that may forbid it.

    `at` is the business now; `zone` the contact's. `initiating` is false where it answers something that the contact
    said. `attempts_at` are the approaches that we began to this contact in any matter, at least those of the last day;
    `matter_attempts` counts those of this matter. `consent` holds, by channel, what the contact said last.
    `test_recipient` is false where a list of test recipients binds and the address is not on it. Money is in minor units.
    """

    channel: str
    at: datetime
    zone: str
    purpose: str | None = None
    initiating: bool = True
    last_inbound_at: datetime | None = None
    last_inbound_channel: str | None = None
    consent: Mapping[str, Consent] = field(default_factory=dict)
    opted_out: bool = False
    confirms_stop: bool = False
    attempts_at: tuple[datetime, ...] = ()
    last_attempt_at: datetime | None = None
    matter_attempts: int = 0
    address_known: bool = True
    channel_enabled: bool = True
    kill_switch: bool = False
    test_recipient: bool | None = None
    do_not_disturb: bool = False
    spent_today: Mapping[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Whether this is an answer: not begun by us, and within 24 hours of the contact's last message."""
        last = self.last_inbound_at
        return not self.initiating and last is not None and timedelta() <= self.at - last <= ANSWER_TIME


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
    said = tuple(_judged(policy, approach))
    refusals = [one for one in said if one.verdict == "refused"]
    waits = [one.until for one in said if one.until is not None]
    if refusals:
        return Refused(refusals[0].detail, _decision(policy, approach, "refused", said))
    if not waits:
        return Allowed(_decision(policy, approach, "allowed", said))
    calendar = calendar_of(policy, channel=approach.channel, purpose=approach.purpose, zone=approach.zone)
    until = calendar.next_open(_full_minute(max(waits)))
    if until is None:
        never = _Said("hours", "refused", f"{approach.channel} is not open within {HORIZON.days} days")
        return Refused(never.detail, _decision(policy, approach, "refused", (*said, never)))
    return Deferred(until, _decision(policy, approach, "deferred", said, until))


def calendar_of(policy: Policy, *, channel: str, purpose: str | None, zone: str) -> Calendar:
    """When a channel is open for a purpose (a process type): the purpose's hours, else the channel's, else all day."""
    own = policy.purposes.get(purpose) if purpose is not None else None
    hours = (own.hours.get(channel) if own is not None else None) or policy.hours.get(channel)
    return Calendar(zone, hours, policy.holidays, policy.blackout_dates)


def next_allowed_minute(
    policy: Policy, *, channel: str, purpose: str | None, at: datetime, zone: str
) -> datetime | None:
    """The first instant from `at` on at which hours and holidays allow a channel; None where none is within 400 days."""
    return calendar_of(policy, channel=channel, purpose=purpose, zone=zone).next_open(at)


def within_hours(policy: Policy, *, channel: str, purpose: str | None, at: datetime, zone: str) -> bool:
    """Whether hours and holidays allow a channel at an instant."""
    return calendar_of(policy, channel=channel, purpose=purpose, zone=zone).is_open(at)


@dataclass(frozen=True, slots=True)
class _Said:
    rule: str
    verdict: Literal["allowed", "deferred", "refused", "exempt"]
    detail: str
    until: datetime | None = None


def _judged(policy: Policy, approach: Approach) -> Iterator[_Said]:
    yield _channel(approach)
    yield _address(approach)
    yield _recipient(approach)
    yield _stop(policy, approach)
    yield _consent(policy, approach)
    for rule, judge in _BINDING_WHAT_WE_BEGIN:
        if approach.answers:
            yield _Said(rule, "exempt", "an answer within 24 hours of the contact's message")
        else:
            yield judge(policy, approach)
    yield _money(policy, approach)


def _channel(approach: Approach) -> _Said:
    if approach.kill_switch:
        return _Said("channel", "refused", f"{approach.channel} is switched off by its kill switch")
    if not approach.channel_enabled:
        return _Said("channel", "refused", f"{approach.channel} is not enabled")
    return _Said("channel", "allowed", f"{approach.channel} is enabled")


def _address(approach: Approach) -> _Said:
    if not approach.address_known:
        return _Said("address", "refused", f"the contact has no address on {approach.channel}")
    return _Said("address", "allowed", "an address is known")


def _recipient(approach: Approach) -> _Said:
    match approach.test_recipient:
        case None:
            return _Said("test_recipients", "allowed", "no list of test recipients binds")
        case True:
            return _Said("test_recipients", "allowed", "a test recipient")
        case False:
            return _Said("test_recipients", "refused", "the address is none of the channel's test recipients")


def _stop(policy: Policy, approach: Approach) -> _Said:
    if not approach.opted_out:
        return _Said("stop", "allowed", "the contact has not said stop")
    if approach.confirms_stop and policy.stop_confirmation:
        return _Said("stop", "exempt", "the one message that confirms the stop")
    return _Said("stop", "refused", "the contact said stop")


def _consent(policy: Policy, approach: Approach) -> _Said:
    channel = approach.channel
    said = approach.consent.get(channel)
    if said == "withdrawn":
        if approach.confirms_stop and policy.stop_confirmation:
            return _Said("consent", "exempt", "the one message that confirms the stop")
        return _Said("consent", "refused", f"consent to {channel} was withdrawn")
    if said == "given":
        return _Said("consent", "allowed", f"consent to {channel} was given")
    if policy.consent.get(channel, "implied") == "implied":
        return _Said("consent", "allowed", f"consent to {channel} is implied")
    if approach.answers and approach.last_inbound_channel == channel:
        return _Said("consent", "exempt", f"the contact wrote on {channel} and is answered there")
    return _Said("consent", "refused", f"{channel} requires a consent, and none is known")


def _do_not_disturb(_: Policy, approach: Approach) -> _Said:
    if not approach.do_not_disturb:
        return _Said("do_not_disturb", "allowed", "not asked for")
    if approach.consent.get(approach.channel) == "given":
        return _Said("do_not_disturb", "allowed", f"asked for, but consent to {approach.channel} was given")
    return _Said("do_not_disturb", "refused", "the contact asked not to be disturbed")


def _attempts_per_matter(policy: Policy, approach: Approach) -> _Said:
    made, most = approach.matter_attempts, policy.attempts.per_matter
    verdict: Literal["allowed", "refused"] = "allowed" if made < most else "refused"
    return _Said("attempts_per_matter", verdict, f"{made} of {most} attempts made in this matter")


def _hours(policy: Policy, approach: Approach) -> _Said:
    calendar = _calendar(policy, approach)
    local = calendar.local(approach.at)
    if calendar.hours is None:
        return _Said("hours", "allowed", f"no hours bind {approach.channel}")
    window = f"{calendar.hours.start}-{calendar.hours.end} {approach.zone}"
    if calendar.within_hours(approach.at):
        return _Said("hours", "allowed", f"{local:%H:%M} is within {window}")
    return _Said("hours", "deferred", f"{local:%H:%M} is outside {window}", approach.at)


def _days(policy: Policy, approach: Approach) -> _Said:
    calendar = _calendar(policy, approach)
    day = calendar.local(approach.at).date()
    if why := calendar.closed(day):
        return _Said("holidays", "deferred", f"{day} is closed ({why})", calendar.next_day(approach.at))
    return _Said("holidays", "allowed", f"{day} is a working day")


def _minimum_gap(policy: Policy, approach: Approach) -> _Said:
    last = max((*approach.attempts_at, *([approach.last_attempt_at] if approach.last_attempt_at else ())), default=None)
    if last is None:
        return _Said("minimum_gap", "allowed", "no attempt before")
    over = last + timedelta(minutes=policy.minimum_gap_minutes)
    passed = max(int((approach.at - last).total_seconds() // 60), 0)
    detail = f"{passed} of {policy.minimum_gap_minutes} minutes since the last attempt"
    return (
        _Said("minimum_gap", "allowed", detail)
        if approach.at >= over
        else _Said("minimum_gap", "deferred", detail, over)
    )


def _attempts_per_day(policy: Policy, approach: Approach) -> _Said:
    calendar = _calendar(policy, approach)
    today = calendar.local(approach.at).date()
    made, most = sum(calendar.local(one).date() == today for one in approach.attempts_at), policy.attempts.per_day
    detail = f"{made} of {most} attempts made today"
    if most <= 0:
        return _Said("attempts_per_day", "refused", detail)
    if made < most:
        return _Said("attempts_per_day", "allowed", detail)
    return _Said("attempts_per_day", "deferred", detail, calendar.next_day(approach.at))


def _money(policy: Policy, approach: Approach) -> _Said:
    for currency, most in policy.money_per_day.items():
        spent = approach.spent_today.get(currency, 0)
        if spent >= most:
            detail = f"{spent} of {most} minor units of {currency} spent today"
            return _Said("money_per_day", "deferred", detail, _calendar(policy, approach).next_day(approach.at))
    return _Said("money_per_day", "allowed", "within the day's money" if policy.money_per_day else "no limit is set")


_BINDING_WHAT_WE_BEGIN: tuple[tuple[str, Callable[[Policy, Approach], _Said]], ...] = (
    ("do_not_disturb", _do_not_disturb),
    ("attempts_per_matter", _attempts_per_matter),
    ("hours", _hours),
    ("holidays", _days),
    ("minimum_gap", _minimum_gap),
    ("attempts_per_day", _attempts_per_day),
)


def _calendar(policy: Policy, approach: Approach) -> Calendar:
    return calendar_of(policy, channel=approach.channel, purpose=approach.purpose, zone=approach.zone)


def _full_minute(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def _decision(
    policy: Policy,
    approach: Approach,
    verdict: Literal["allowed", "deferred", "refused"],
    said: tuple[_Said, ...],
    until: datetime | None = None,
) -> PolicyDecision:
    return PolicyDecision(
        verdict=verdict,
        channel=approach.channel,
        purpose=approach.purpose or "general",
        at=approach.at,
        until=until,
        checks=[
            PolicyCheck(
                rule=one.rule, verdict=one.verdict, detail=one.detail, source=_source(policy, approach, one.rule)
            )
            for one in said
        ],
    )


def _source(policy: Policy, approach: Approach, rule: str) -> str | None:
    """Where a rule comes from: the newest effective entry of `rules` that `applies` to it, or names it in its id."""
    today = approach.at.date().isoformat()
    found = [one for one in policy.rules if one.effective <= today and _applies(one, rule)]
    return max(found, key=lambda one: one.effective).source if found else None


def _applies(source: Source, rule: str) -> bool:
    if source.applies is not None:
        return rule in source.applies.replace(",", " ").split()
    return source.id == rule or source.id.replace("-", "_").endswith(f"_{rule}")
