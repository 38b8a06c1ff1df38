"""Rules: which business event asks for which follow-up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from libs.domain.comparing import moment, same
from libs.domain.conditions import ALWAYS, Condition, evaluate
from libs.domain.given import unkeepable
from libs.domain.names import UNDEFINED, Names, parts_of, walk
from libs.domain.templates import TemplateFailed, render_strict, render_value

Priority = Literal["low", "normal", "high", "urgent"]
MAX_KEY = 600
"""Characters of a key under which one follow-up is open at a time."""


class FollowupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The follow-up that a rule or an action asks for; every text is a template over the event's data."""

    contact_id: str
    reason: str
    priority: Priority = "normal"
    channel_priority: tuple[str, ...] = ()
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    flow: str | None = None
    business_context: dict[str, Any] | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """An event that makes the follow-up pointless; `match` says how it names the same entity."""

    event: str
    match: dict[str, str]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Fires on a date of the event instead of at once; `missed` says what becomes of a date that has passed already."""

    field: str
    offset_s: int = 0
    at: str | None = None
    missed: Literal["now", "skip"] = "now"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`on` an event, under `conditions`, create a follow-up once per `dedupe_key` and `cooldown_s` seconds."""

    id: str
    on: str
    conditions: Condition = ALWAYS
    create_followup: FollowupSpec
    dedupe_key: str | None = None
    cooldown_s: int = 0
    cancel_on: tuple[Cancel, ...] = ()
    supersede: bool = False
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A follow-up that a rule asks for, rendered. Without `spec.business_context` the event's whole data is meant.

    `not_before` is the time that a schedule names. `cancel_on` stays as the rule has it: its templates speak of later
    events.
    """

    rule_id: str
    spec: FollowupSpec
    dedupe_key: str
    cooldown_s: int = 0
    cancel_on: tuple[Cancel, ...] = ()
    supersede: bool = False
    not_before: datetime | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rule that asks for nothing here, and why."""

    rule_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The event makes this rule's open follow-ups pointless, those whose facts equal `match`."""

    rule_id: str
    match: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all rules said of one event: each is in `matched` or in `rejected`."""

    matched: tuple[Matched, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    cancels: tuple[Cancelling, ...] = ()


def evaluate_rules(
    rules: Iterable[Rule],
    event_name: str,
    data: Mapping[str, Any],
    *,
    now: datetime | None = None,
    zone: str = "Asia/Kolkata",
) -> Evaluation:
    """Ask every rule about an event. Never raises: a template that fails is a rejection with its reason.

    `now` gives `today` its meaning; `zone` is where a schedule's hour is read.
    """
    matched: list[Matched] = []
    rejected: list[Rejected] = []
    cancels: list[Cancelling] = []
    names = Names.of_event(data, now)
    for rule in rules:
        verdict = _verdict(rule, event_name, names, zone)
        if isinstance(verdict, Matched):
            matched.append(verdict)
        else:
            rejected.append(verdict)
        for cancel in rule.cancel_on:
            match = rendered_match(cancel.match, data) if cancel.event == event_name else None
            if match:
                cancels.append(Cancelling(rule.id, match))
    return Evaluation(tuple(matched), tuple(rejected), tuple(cancels))


def render_spec(spec: FollowupSpec, names: Names) -> FollowupSpec:
    """The follow-up with its templates filled in. Raises TemplateFailed, also where an id comes out that cannot be kept."""

    def text(template: str | None) -> str | None:
        return None if template is None else render_strict(template, names)

    contact_id = _id(spec.contact_id, "the contact's id", names).strip()
    if not contact_id:
        raise TemplateFailed(spec.contact_id, "the contact's id is empty")
    return msgspec.structs.replace(
        spec,
        contact_id=contact_id,
        reason=render_strict(spec.reason, names),
        channel_priority=tuple(render_strict(channel, names) for channel in spec.channel_priority),
        process_type=text(spec.process_type),
        entity_type=text(spec.entity_type),
        entity_id=None if spec.entity_id is None else _id(spec.entity_id, "the entity's id", names),
        flow=text(spec.flow),
        business_context=None if spec.business_context is None else render_value(spec.business_context, names),
    )


def _id(template: str, whose: str, names: Names) -> str:
    rendered = render_strict(template, names)
    if rendered and (why := unkeepable(rendered)) is not None:
        raise TemplateFailed(template, f"{whose} cannot be kept: {why}")
    return rendered


def asked_for(rule: Rule, names: Names) -> tuple[FollowupSpec, str]:
    """The follow-up that a rule asks for, whatever its conditions say, and its key. Raises TemplateFailed."""
    spec = render_spec(rule.create_followup, names)
    if rule.dedupe_key is None:
        return spec, _default_key(rule, spec)
    key = render_strict(rule.dedupe_key, names)
    if "\0" in key or len(key) > MAX_KEY:
        raise TemplateFailed(rule.dedupe_key, f"the key has more than {MAX_KEY} characters, or the character U+0000")
    return spec, key


def rendered_match(match: Mapping[str, str], data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an event's `match` comes to over its data; None where the data lacks a name of it."""
    try:
        rendered = render_value(match, Names.of_event(data))
    except TemplateFailed:
        return None
    return dict(rendered)


def same_facts(expected: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether `facts` hold each expected value (keys may be paths). Ids are compared as text; nothing expected is a no."""
    return bool(expected) and all(_same_id(value, _fact(facts, key)) for key, value in expected.items())


def cancelled_by(
    cancel_on: Iterable[Cancel], followup: Mapping[str, Any], event_name: str, data: Mapping[str, Any]
) -> Cancel | None:
    """Which of a follow-up's `cancel_on` an event fulfils, or None.

    `followup` holds its facts: entity_id, entity_type, contact_id, process_type, business_context.
    """
    for cancel in cancel_on:
        if cancel.event == event_name:
            match = rendered_match(cancel.match, data)
            if match is not None and same_facts(match, followup):
                return cancel
    return None


def _verdict(rule: Rule, event_name: str, names: Names, zone: str) -> Matched | Rejected:
    if rule.on != event_name:
        return Rejected(rule.id, (f"hears {rule.on}, not {event_name}",))
    asked = evaluate(rule.conditions, names)
    if not asked.holds:
        return Rejected(rule.id, asked.reasons)
    try:
        spec, key = asked_for(rule, names)
        due = None if rule.schedule is None else _scheduled(rule.schedule, names, zone)
        when: tuple[str, ...] = ()
        if due is not None and rule.schedule is not None and names.now is not None:
            if due > names.now:
                when = (f"due on {due.isoformat(timespec='minutes')}",)
            elif rule.schedule.missed == "skip":
                return Rejected(rule.id, (*asked.reasons, f"{due.isoformat(timespec='minutes')} has passed"))
            else:
                when, due = (f"{due.isoformat(timespec='minutes')} has passed: at once",), None
        return Matched(
            rule_id=rule.id,
            spec=spec,
            dedupe_key=key,
            cooldown_s=rule.cooldown_s,
            cancel_on=rule.cancel_on,
            supersede=rule.supersede,
            not_before=due,
            reasons=(*(asked.reasons or ("no conditions asked",)), *when),
        )
    except TemplateFailed as failed:
        return Rejected(rule.id, (*asked.reasons, str(failed)))


def _default_key(rule: Rule, spec: FollowupSpec) -> str:
    """One follow-up of a rule for an entity at a time; without an entity, for a contact."""
    if spec.entity_id:
        return f"{rule.id}:{spec.entity_type or 'entity'}:{spec.entity_id}"
    return f"{rule.id}:contact:{spec.contact_id}"


def _scheduled(schedule: Schedule, names: Names, zone: str) -> datetime:
    told = names.get(schedule.field)
    day = None if told is UNDEFINED else moment(told, names.now)
    if day is None:
        raise TemplateFailed(f"{{{{{schedule.field}}}}}", f"the schedule's field {schedule.field} is not a date")
    if schedule.at is not None:
        hour, minute = schedule.at.split(":")
        if isinstance(day, datetime) and day.tzinfo is not None:
            day = _day_in(day, zone)
        day = datetime.combine(day, time(int(hour), int(minute)), ZoneInfo(zone))
    elif not isinstance(day, datetime):
        day = datetime.combine(day, time(), ZoneInfo(zone))
    elif day.tzinfo is None:
        day = day.replace(tzinfo=ZoneInfo(zone))
    try:
        due = day + timedelta(seconds=schedule.offset_s)
        due.astimezone(UTC)  # as it is kept
    except OverflowError as beyond:  # "0001-01-01" and "9999-12-31" are how some systems write that there is no date
        raise TemplateFailed(f"{{{{{schedule.field}}}}}", "the schedule's date is beyond the calendar") from beyond
    return due


def _day_in(instant: datetime, zone: str) -> date:
    """The day that an instant is on in a zone: a system's midnight is often told as the evening before in UTC."""
    try:
        return instant.astimezone(ZoneInfo(zone)).date()
    except OverflowError:
        return instant.date()


def _fact(facts: Mapping[str, Any], key: str) -> Any:
    return facts[key] if key in facts else walk(facts, parts_of(key))


def _same_id(expected: Any, told: Any) -> bool:
    if told is UNDEFINED or expected is None or told is None:
        return False
    return same(told, expected) or (_is_id(expected) and _is_id(told) and str(expected) == str(told))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


PRIORITIES: tuple[Priority, ...] = ("urgent", "high", "normal", "low")
"""The most pressing first."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The newest follow-up of a key."""

    followup: str
    opened_at: datetime
    settled: bool


def why_not(holder: Holder | None, *, cooldown_s: int, supersede: bool, now: datetime) -> str | None:
    """Why a follow-up is not opened beside the newest one of its key; None where it may be."""
    if holder is None:
        return None
    if not holder.settled:
        return None if supersede else "a follow-up of this key is open"
    until = holder.opened_at + timedelta(seconds=cooldown_s)
    return f"the cooldown of this key runs until {until.isoformat(timespec='minutes')}" if now < until else None
