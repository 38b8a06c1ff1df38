"""The checks of the contact policy: each rule looks at an approach, and allows it, defers it, refuses it or exempts it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from libs.domain.hours import Calendar, Hours
from libs.domain.policy_terms import Policy
from libs.domain.right_person import MAY_HEAR, Standing

Consent = Literal["given", "withdrawn"]
Verdict = Literal["allowed", "deferred", "refused", "exempt"]
ANSWER_TIME = timedelta(hours=24)
"""How long after the contact's last message what we say counts as an answer."""
PROMOTIONAL_TEMPLATES = frozenset({"marketing"})
"""The categories of registered texts that are offers, whatever the purpose calls itself."""


class Beside(NamedTuple):
    """An approach that was begun to another contact at a phone that both are registered at."""

    at: datetime
    contact: str


class Approach(msgspec.Struct, frozen=True, kw_only=True):
    """What we are about to do, and what is known that may forbid it.

    `at` is the business now; `zone` the contact's, or the policy's where it is not known (`zone_known`). `initiating` is
    false where it answers something that the contact said. `attempts_at` are the approaches that we began to this contact
    in any matter, at least those of the last day, `attempts_beside` those that we began to others at the same phone;
    `matter_attempts` counts those of this matter. `consent` holds, by
    channel, what the contact said last, or the ERP's record of it at this address with `consent_evidence`; `consent_lacks`
    says what is missing of a record that is none. `test_recipient` is false where a list of test recipients binds and the address
    is not on it. `person` is who is known to read or hear at the address; `identifies`: nothing is said but the question
    who it is. `template` is the category of the registered text, where one is sent; `sender` the number that calls.
    `preferred` and `quiet_dates` are the contact's own wishes; `away_until` the day on which they are back, as a machine
    told at `away_at`. Money is in minor units.
    """

    channel: str
    at: datetime
    zone: str
    zone_known: bool = True
    purpose: str | None = None
    initiating: bool = True
    last_inbound_at: datetime | None = None
    last_inbound_channel: str | None = None
    consent: Mapping[str, Consent] = msgspec.field(default_factory=dict)
    consent_evidence: str | None = None
    consent_lacks: str | None = None
    opted_out: bool = False
    confirms_stop: bool = False
    attempts_at: tuple[datetime, ...] = ()
    attempts_beside: tuple[Beside, ...] = ()
    last_attempt_at: datetime | None = None
    matter_attempts: int = 0
    address_known: bool = True
    channel_enabled: bool = True
    kill_switch: bool = False
    test_recipient: bool | None = None
    do_not_disturb: bool = False
    person: Standing = "free"
    identifies: bool = False
    template: str | None = None
    sender: str | None = None
    preferred: Hours | None = None
    quiet_dates: tuple[str, ...] = ()
    away_until: date | None = None
    away_at: datetime | None = None
    spent_today: Mapping[str, int] = msgspec.field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Whether this is an answer: not begun by us, and within 24 hours of the contact's last message."""
        last = self.last_inbound_at
        return not self.initiating and last is not None and timedelta() <= self.at - last <= ANSWER_TIME


@dataclass(frozen=True, slots=True)
class Said:
    """What one rule said. `until`: when it may allow what it defers."""

    rule: str
    verdict: Verdict
    detail: str
    until: datetime | None = None


def calendar_of(policy: Policy, approach: Approach) -> Calendar:
    """When a channel is open for a purpose: the purpose's hours, else the channel's, else all day; and as the contact wishes."""
    own = policy.purposes.get(approach.purpose or "")
    hours = (own.hours.get(approach.channel) if own else None) or policy.hours.get(approach.channel)
    closed = (*policy.blackout_dates, *approach.quiet_dates)
    return Calendar(approach.zone, hours, policy.holidays, closed, approach.preferred)


def judged(policy: Policy, approach: Approach) -> Iterator[Said]:
    """Every rule's word on an approach, in order."""
    for judge in _BINDING_ALWAYS:
        yield judge(policy, approach)
    answers = approach.answers
    for rule, judge in _BINDING_WHAT_WE_BEGIN:
        if answers:
            yield Said(rule, "exempt", "an answer within 24 hours of the contact's message")
        else:
            yield judge(policy, approach)
    yield _money(policy, approach)


def _channel(_: Policy, approach: Approach) -> Said:
    if approach.kill_switch:
        return Said("channel", "refused", f"{approach.channel} is switched off by its kill switch")
    if not approach.channel_enabled:
        return Said("channel", "refused", f"{approach.channel} is not enabled")
    return Said("channel", "allowed", f"{approach.channel} is enabled")


def _address(_: Policy, approach: Approach) -> Said:
    if not approach.address_known:
        return Said("address", "refused", f"the contact has no address on {approach.channel}")
    return Said("address", "allowed", "an address is known")


def _recipient(_: Policy, approach: Approach) -> Said:
    match approach.test_recipient:
        case None:
            return Said("test_recipients", "allowed", "no list of test recipients binds")
        case True:
            return Said("test_recipients", "allowed", "a test recipient")
        case False:
            return Said("test_recipients", "refused", "the address is none of the channel's test recipients")


def _stop(policy: Policy, approach: Approach) -> Said:
    if not approach.opted_out:
        return Said("stop", "allowed", "the contact has not said stop")
    if approach.confirms_stop and policy.stop_confirmation:
        return Said("stop", "exempt", "the one message that confirms the stop")
    return Said("stop", "refused", "the contact said stop")


def _consent(policy: Policy, approach: Approach) -> Said:
    channel = approach.channel
    said = approach.consent.get(channel)
    answered_there = approach.answers and approach.last_inbound_channel == channel
    if said == "withdrawn":
        if approach.confirms_stop and policy.stop_confirmation:
            return Said("consent", "exempt", "the one message that confirms the stop")
        if answered_there and policy.answer_unsubscribed:
            return Said("consent", "exempt", f"unsubscribed from {channel}, but wrote there and is answered there")
        return Said("consent", "refused", f"consent to {channel} was withdrawn")
    if said == "given":
        evidence = f" ({approach.consent_evidence})" if approach.consent_evidence else ""
        return Said("consent", "allowed", f"consent to {channel} was given{evidence}")
    own = policy.purposes.get(approach.purpose or "")
    asked = (own.consent.get(channel) if own else None) or policy.consent.get(channel, "implied")
    if asked == "implied":
        return Said("consent", "allowed", f"consent to {channel} is implied")
    if answered_there:
        return Said("consent", "exempt", f"the contact wrote on {channel} and is answered there")
    lacks = f"the ERP's record {approach.consent_lacks}" if approach.consent_lacks else "none is known"
    return Said("consent", "refused", f"{channel} requires a consent, and {lacks}")


def _category(policy: Policy, approach: Approach) -> Said:
    category = policy.category(approach.purpose)
    if approach.template in PROMOTIONAL_TEMPLATES and category != "promotional":
        detail = f"a {approach.template} text may not be sent where the purpose is {category}"
        return Said("category", "refused", detail)
    return Said("category", "allowed", f"the purpose is {category}")


def _number_series(policy: Policy, approach: Approach) -> Said:
    category = policy.category(approach.purpose)
    series = policy.number_series.get(category)
    if approach.channel != "voice" or series is None:
        return Said("number_series", "allowed", "no series of numbers binds")
    if approach.sender is None:
        return Said("number_series", "refused", f"{category} calls come from {series}…, and no calling number is known")
    if not national(approach.sender).startswith(series):
        return Said("number_series", "refused", f"{category} calls come from {series}…, not from {approach.sender}")
    return Said("number_series", "allowed", f"{approach.sender} is of the series {series}")


def national(number: str) -> str:
    """An Indian number's digits without the trunk's 0 or the country's 91."""
    digits = "".join(each for each in number if each.isdigit())
    if number.strip().startswith("+91"):
        return digits[2:]
    return digits.removeprefix("0")


def _right_person(policy: Policy, approach: Approach) -> Said:
    asks = policy.confirms(approach.purpose, approach.channel)
    match approach.person:
        case "denied":
            return Said("right_person", "refused", "somebody else answered at this address")
        case "unconfirmed" if approach.identifies:
            return Said("right_person", "exempt", "asks who it is, and says nothing of the matter")
        case "unconfirmed":
            return Said("right_person", "refused", f"nobody has confirmed who it is ({asks})")
        case person:
            return Said("right_person", "allowed", MAY_HEAR[person])


def _do_not_disturb(policy: Policy, approach: Approach) -> Said:
    if not approach.do_not_disturb:
        return Said("do_not_disturb", "allowed", "not asked for")
    if policy.do_not_disturb == "off":
        return Said("do_not_disturb", "allowed", "asked for, and the policy does not look at it")
    category = policy.category(approach.purpose)
    if policy.do_not_disturb == "promotional" and category != "promotional":
        return Said("do_not_disturb", "allowed", f"asked for, which does not forbid what is {category}")
    if approach.consent.get(approach.channel) == "given":
        return Said("do_not_disturb", "allowed", f"asked for, but consent to {approach.channel} was given")
    return Said("do_not_disturb", "refused", "the contact asked not to be disturbed")


def _attempts_per_matter(policy: Policy, approach: Approach) -> Said:
    made, most = approach.matter_attempts, policy.attempts.per_matter
    verdict: Verdict = "allowed" if made < most else "refused"
    return Said("attempts_per_matter", verdict, f"{made} of {most} attempts made in this matter")


def _zone(policy: Policy, approach: Approach) -> Said:
    if approach.zone_known:
        return Said("zone", "allowed", f"the contact lives by {approach.zone}")
    if policy.unknown_zone == "refuse":
        return Said("zone", "refused", "nobody knows by which clock the contact lives")
    return Said("zone", "allowed", f"the contact's zone is not known: {approach.zone} is the policy's")


def _hours(policy: Policy, approach: Approach) -> Said:
    calendar = calendar_of(policy, approach)
    local = calendar.local(approach.at)
    windows = [f"{each.start}-{each.end}" for each in calendar.windows]
    if not windows:
        return Said("hours", "allowed", f"no hours bind {approach.channel}")
    window = f"{' and '.join(windows)} {approach.zone}"
    if calendar.within_hours(approach.at):
        return Said("hours", "allowed", f"{local:%H:%M} is within {window}")
    return Said("hours", "deferred", f"{local:%H:%M} is outside {window}", approach.at)


def _days(policy: Policy, approach: Approach) -> Said:
    calendar = calendar_of(policy, approach)
    day = calendar.local(approach.at).date()
    if why := calendar.closed(day):
        return Said("holidays", "deferred", f"{day} is closed ({why})", calendar.next_day(approach.at))
    return Said("holidays", "allowed", f"{day} is no holiday and no blackout date")


def _out_of_office(policy: Policy, approach: Approach) -> Said:
    if approach.away_until is None or approach.away_at is None:
        return Said("out_of_office", "allowed", "no machine has said that the contact is away")
    told = calendar_of(policy, approach).local(approach.away_at).date()
    last = told + timedelta(days=policy.out_of_office_days)
    day = min(approach.away_until, last)
    bound = f", of which {policy.out_of_office_days} days are waited" if day < approach.away_until else ""
    detail = f"a machine answered on {told} that the contact is away until {approach.away_until}{bound}"
    begins = datetime.combine(day, time(), ZoneInfo(approach.zone))
    if approach.at >= begins:
        return Said("out_of_office", "allowed", f"{detail}: that is over")
    return Said("out_of_office", "deferred", detail, begins)


def _minimum_gap(policy: Policy, approach: Approach) -> Said:
    last = max((*approach.attempts_at, *([approach.last_attempt_at] if approach.last_attempt_at else ())), default=None)
    beside = max(approach.attempts_beside, default=None)
    where = ""
    if beside is not None and (last is None or beside.at > last):
        last, where = beside.at, f", which was to contact {beside.contact} at the same phone"
    if last is None:
        return Said("minimum_gap", "allowed", "no attempt before")
    over = last + timedelta(minutes=policy.minimum_gap_minutes)
    passed = max(int((approach.at - last).total_seconds() // 60), 0)
    detail = f"{passed} of {policy.minimum_gap_minutes} minutes since the last attempt{where}"
    if approach.at >= over:
        return Said("minimum_gap", "allowed", detail)
    return Said("minimum_gap", "deferred", detail, over)


def _attempts_per_day(policy: Policy, approach: Approach) -> Said:
    calendar = calendar_of(policy, approach)
    today = calendar.local(approach.at).date()
    own = sum(calendar.local(one).date() == today for one in approach.attempts_at)
    others = [one.contact for one in approach.attempts_beside if calendar.local(one.at).date() == today]
    made, most = own + len(others), policy.attempts.per_day
    where = f", {len(others)} of them to {_named(others)} at the same phone" if others else ""
    detail = f"{made} of {most} attempts made today{where}"
    if most <= 0:
        return Said("attempts_per_day", "refused", detail)
    if made < most:
        return Said("attempts_per_day", "allowed", detail)
    return Said("attempts_per_day", "deferred", detail, calendar.next_day(approach.at))


def _named(contacts: Sequence[str]) -> str:
    return ", ".join(f"contact {each}" for each in sorted(set(contacts)))


def _money(policy: Policy, approach: Approach) -> Said:
    for currency, limit in policy.money_per_day.items():
        spent, most = approach.spent_today.get(currency, 0), limit * 100
        if spent >= most:
            detail = f"{spent / 100:.2f} of {limit} {currency} spent today"
            own_day = Calendar(policy.timezone).next_day(approach.at)
            return Said("money_per_day", "deferred", detail, own_day)
    return Said("money_per_day", "allowed", "within the day's money" if policy.money_per_day else "no limit is set")


Judge = Callable[[Policy, Approach], Said]
_BINDING_ALWAYS: tuple[Judge, ...] = (
    _channel,
    _address,
    _recipient,
    _stop,
    _consent,
    _category,
    _number_series,
    _right_person,
)
_BINDING_WHAT_WE_BEGIN: tuple[tuple[str, Judge], ...] = (
    ("do_not_disturb", _do_not_disturb),
    ("attempts_per_matter", _attempts_per_matter),
    ("zone", _zone),
    ("hours", _hours),
    ("holidays", _days),
    ("out_of_office", _out_of_office),
    ("minimum_gap", _minimum_gap),
    ("attempts_per_day", _attempts_per_day),
)
RULES = (
    "channel",
    "address",
    "test_recipients",
    "stop",
    "consent",
    "category",
    "number_series",
    "right_person",
    *(rule for rule, _ in _BINDING_WHAT_WE_BEGIN),
    "money_per_day",
)
"""The names of the checks, as decisions record them and the policy's `rules` name them."""
