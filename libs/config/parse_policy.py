"""policy.yaml: when, where and how often a contact may be approached."""

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

from libs.config.fields import Fields, as_text
from libs.config.findings import Findings, suggest
from libs.config.model import CHANNELS
from libs.config.parse_right_person import parse_modes, parse_right_person, parse_stop_confirmation
from libs.config.tree import Node
from libs.domain.policy import Applies, Attempts, Holidays, Hours, Policy, Purpose, Source
from libs.domain.policy_terms import Category

TIME = re.compile(r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")
YEAR = 366 * 24 * 60
"""The longest wait in minutes."""
CURRENCY = re.compile(r"^[A-Z]{3}$")
CONSENT: tuple[Literal["required", "implied"], ...] = ("required", "implied")
DISCLOSE: tuple[Literal["when_asked", "always"], ...] = ("when_asked", "always")
CATEGORIES: tuple[Category, ...] = ("promotional", "service", "transactional")
UNKNOWN_ZONE: tuple[Literal["policy", "refuse"], ...] = ("policy", "refuse")
DO_NOT_DISTURB: tuple[Literal["all", "promotional", "off"], ...] = ("all", "promotional", "off")


def parse_policy(node: Node, found: Findings) -> Policy:
    fields = Fields(node, found, "the policy")
    usual = Policy()
    zone = fields.text("timezone")
    if zone and not _known_zone(zone):
        found.error(node.at("timezone"), f"{zone!r} is no time zone", "write an IANA name such as Asia/Kolkata")
    disclose = fields.choice("disclose_automation", DISCLOSE)
    unknown_zone = fields.choice("unknown_zone", UNKNOWN_ZONE)
    do_not_disturb = fields.choice("do_not_disturb", DO_NOT_DISTURB)
    purposes = fields.children("purposes")
    policy = Policy(
        timezone=zone or usual.timezone,
        unknown_zone=next((each for each in UNKNOWN_ZONE if each == unknown_zone), usual.unknown_zone),
        hours=_hours(fields.children("hours"), found),
        purposes={name: _purpose(each, found) for name, each in purposes.items()},
        holidays=_holidays(fields.child("holidays"), found),
        consent=_consent(fields.children("consent"), found),
        do_not_disturb=next((each for each in DO_NOT_DISTURB if each == do_not_disturb), usual.do_not_disturb),
        answer_unsubscribed=fields.flag("answer_unsubscribed") or False,
        attempts=_attempts(fields.child("attempts"), found),
        minimum_gap_minutes=_or(fields.whole("minimum_gap_minutes", maximum=YEAR), usual.minimum_gap_minutes),
        no_reply_minutes=_or(fields.whole("no_reply_minutes", minimum=1, maximum=YEAR), usual.no_reply_minutes),
        turns_without_progress=_or(fields.whole("turns_without_progress", minimum=1), usual.turns_without_progress),
        out_of_office_days=_or(fields.whole("out_of_office_days", maximum=365), usual.out_of_office_days),
        blackout_dates=_dates(fields.items("blackout_dates"), found),
        merge_matters=fields.flag("merge_matters") is not False,
        number_series=_number_series(fields.children("number_series"), found),
        right_person=parse_right_person(fields.child("right_person"), found),
        stop_words=_stop_words(fields, found),
        stop_confirmation=parse_stop_confirmation(fields, found),
        disclose_automation=next((each for each in DISCLOSE if each == disclose), usual.disclose_automation),
        money_per_day=_money(fields.children("money_per_day"), found),
        rules=tuple(_source(item, found) for item in fields.items("rules")),
    )
    fields.finish()
    return policy


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def known_channel(name: str, node: Node, found: Findings) -> bool:
    """Whether `name` is a channel of the grammar; a finding says so when it is not."""
    if name in CHANNELS:
        return True
    found.error(node, f"{name!r} is no channel", suggest(name, CHANNELS), line=node.key_line)
    return False


def _hours(windows: Mapping[str, Node], found: Findings) -> dict[str, Hours]:
    return {channel: _window(node, found) for channel, node in windows.items() if known_channel(channel, node, found)}


def _window(node: Node, found: Findings) -> Hours:
    fields = Fields(node, found, "hours")
    window = Hours(start=fields.need("from", like='"08:00"'), end=fields.need("to", like='"19:00"'))
    fields.finish()
    for key, text in (("from", window.start), ("to", window.end)):
        if text and not TIME.match(text):
            found.error(
                node.at(key), f"{text!r} is no time of day", 'write hours and minutes in quotes, such as "08:00"'
            )
    if not found.errors_under(node) and window.start >= window.end:
        found.error(node, f"hours from {window.start} to {window.end} are never open", "`from` must be before `to`")
    return window


def _purpose(node: Node, found: Findings) -> Purpose:
    fields = Fields(node, found, "a purpose")
    category = fields.choice("category", CATEGORIES)
    purpose = Purpose(
        hours=_hours(fields.children("hours"), found),
        consent=_consent(fields.children("consent"), found),
        category=next((each for each in CATEGORIES if each == category), None),
        right_person=parse_modes(fields.child("right_person"), found),
    )
    fields.finish()
    return purpose


def _holidays(node: Node | None, found: Findings) -> Holidays:
    if node is None:
        return Holidays()
    fields = Fields(node, found, "holidays")
    country, subdivision = fields.text("country"), fields.text("subdivision")
    known = holidays.list_supported_countries()
    if country and country not in known:
        found.error(
            node.at("country"), f"no holidays are known for the country {country!r}", "write an ISO code such as IN"
        )
    elif subdivision and (not country or subdivision not in known[country]):
        found.error(
            node.at("subdivision"),
            f"no holidays are known for {subdivision!r} in {country or 'no country'}",
            suggest(subdivision, known[country] if country else ()),
        )
    days = Holidays(country=country, subdivision=subdivision, extra=_dates(fields.items("extra"), found))
    fields.finish()
    return days


def _dates(items: Collection[Node], found: Findings) -> tuple[str, ...]:
    dates = []
    for item in items:
        text = as_text(item, found)
        if text is not None and read_date(text) is None:
            found.error(item, f"{text!r} is no date", "write year-month-day, such as 2026-11-09")
        elif text is not None:
            dates.append(text)
    return tuple(dates)


def read_date(text: str) -> date | None:
    """The date of `YYYY-MM-DD`, None for anything else."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _consent(asked: Mapping[str, Node], found: Findings) -> dict[str, Literal["required", "implied"]]:
    consent: dict[str, Literal["required", "implied"]] = {}
    for channel, node in asked.items():
        known_channel(channel, node, found)
        for word in CONSENT:
            if node.text == word:
                consent[channel] = word
        if channel not in consent:
            found.error(node, f"consent {node.text!r} is not known", suggest(node.text, CONSENT))
    return consent


def _attempts(node: Node | None, found: Findings) -> Attempts:
    usual = Attempts()
    if node is None:
        return usual
    fields = Fields(node, found, "attempts")
    attempts = Attempts(
        per_day=_or(fields.whole("per_day", minimum=1), usual.per_day),
        per_matter=_or(fields.whole("per_matter", minimum=1), usual.per_matter),
    )
    fields.finish()
    return attempts


def _number_series(asked: Mapping[str, Node], found: Findings) -> dict[str, str]:
    series: dict[str, str] = {}
    for category, node in asked.items():
        if category not in CATEGORIES:
            hint = suggest(category, CATEGORIES)
            found.error(node, f"{category!r} is no category of a purpose", hint, line=node.key_line)
        elif (digits := as_text(node, found)) is not None:
            if not digits.isdecimal():
                found.error(node, f"{digits!r} is no beginning of a number", 'write its digits, such as "140"')
            series[category] = digits
    return series


def _stop_words(fields: Fields, found: Findings) -> dict[str, tuple[str, ...]] | None:
    """None = the defaults; a language that is given replaces that language's defaults."""
    if not fields.has("stop_words"):
        return None
    inner = Fields(fields.node.at("stop_words"), found, "stop_words")
    return {language: inner.texts(language) for language in fields.children("stop_words")}


def _money(limits: Mapping[str, Node], found: Findings) -> dict[str, int]:
    money = {}
    for currency, node in limits.items():
        if not CURRENCY.match(currency):
            found.error(node, f"{currency!r} is no currency", "write an ISO 4217 code such as INR", line=node.key_line)
        elif isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
            found.error(node, "a limit must be a whole number of the currency, 1 or more", "write 5000")
        else:
            money[currency] = node.value
    return money


def _source(node: Node, found: Findings) -> Source:
    fields = Fields(node, found, "a rule of the policy")
    applies = fields.child("applies")
    source = Source(
        id=fields.need("id"),
        source=fields.need("source", like="where the rule can be read"),
        effective=fields.need("effective", like="2022-08-12"),
        applies=_applies(applies, found) if applies is not None else None,
        note=fields.text("note"),
    )
    fields.finish()
    if source.effective and read_date(source.effective) is None:
        found.error(
            node.at("effective"), f"{source.effective!r} is no date", "write year-month-day, such as 2026-11-09"
        )
    return source


def _applies(node: Node, found: Findings) -> Applies | str | None:
    """Which checks a rule stands behind: in words, or by name."""
    if node.kind != "mapping":
        return as_text(node, found)
    fields = Fields(node, found, "what a rule applies to")
    applies = Applies(
        rules=fields.texts("rules", required=True, like="[hours]"),
        purposes=fields.texts("purposes"),
        channels=fields.texts("channels"),
    )
    fields.finish()
    return applies
