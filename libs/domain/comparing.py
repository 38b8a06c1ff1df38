"""Comparing two values of business data: numbers exactly, dates by the calendar, anything else as it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from libs.domain import patterns

LONGEST_TEXT = 2_000
"""Characters of a text that `matches` looks at: patterns are the business's, the text may be anybody's."""

_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{1,30})?|\.\d{1,30})")
_RELATIVE = re.compile(r"(?P<base>today|now)?\s*(?P<shift>[+-]\s*\d{1,5}\s*[smhdw])?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Moment = date | datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison said; `odd` says why the two cannot be compared, which is a no."""

    holds: bool
    odd: str = ""


def compare(value: Any, operator: str, wanted: Any, now: datetime | None) -> Comparison:
    """Compare a defined `value` by an operator of the bundle; never raises.

    A number is an int, float, Decimal or, beside one of these or another such text, a text that reads as one. A date
    is ISO 8601, `today`, `now`, or these moved (`-3d`, `today+2w`, `now-36h`); a datetime beside a bare date counts
    as its day in the zone of `now`. `between` includes both ends.
    """
    match operator:
        case "eq":
            return Comparison(same(value, wanted))
        case "ne":
            return Comparison(not same(value, wanted))
        case "in" | "not_in":
            if not isinstance(wanted, list | tuple):
                return Comparison(False, f"cannot be looked up: {operator} needs a list")
            return Comparison(any(same(value, one) for one in wanted) is (operator == "in"))
        case "contains":
            return _contains(value, wanted)
        case "matches":
            return _matches(value, wanted)
        case "gt" | "gte" | "lt" | "lte":
            return _ordered(value, operator, wanted, now)
        case "before" | "after":
            return _dated(value, "lt" if operator == "before" else "gt", wanted, now)
        case "between":
            return _between(value, wanted, now)
    return Comparison(False, f"cannot be compared: there is no operator {operator}")


def same(value: Any, wanted: Any) -> bool:
    """Equal as decoded JSON; a number equals the text that reads as it, two texts must be equal as they stand."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted
    left, right = number(value), number(wanted)
    if left is not None and right is not None:
        return left == right
    if isinstance(value, datetime | date) and isinstance(wanted, str):
        return value.isoformat() == wanted
    return bool(value == wanted)


def number(value: Any) -> Decimal | None:
    """The exact number that a value is or reads as; a bool, NaN and infinity are none."""
    match value:
        case bool():
            return None
        case int():
            return Decimal(value)
        case float():
            read = Decimal(str(value))
        case Decimal():
            read = value
        case str() if len(value) <= 64 and _NUMBER.fullmatch(value.strip()):
            read = Decimal(value.strip())
        case _:
            return None
    return read if read.is_finite() else None


def moment(value: Any, now: datetime | None) -> Moment | None:
    """The date or instant that a value is or reads as."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not (text := value.strip()) or len(text) > 40:
        return None
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        return _relative(text, now)


def _relative(text: str, now: datetime | None) -> Moment | None:
    found = _RELATIVE.fullmatch(text)
    if now is None or found is None:
        return None
    said, unit = found["shift"], ""
    try:
        shift = timedelta()
        if said:
            unit = said[-1]
            shift = timedelta(**{_UNITS[unit]: int(re.sub(r"\s", "", said[:-1]))})
        if found["base"] == "today" and unit in ("s", "m", "h"):
            return datetime.combine(now.date(), time(), now.tzinfo) + shift
        moved = now + shift
    except (OverflowError, ValueError):  # further than any calendar goes, or more digits than a number has
        return None
    by_the_day = found["base"] == "today" or (found["base"] is None and unit in "dw")
    return moved.date() if by_the_day else moved


def _ordered(value: Any, operator: str, wanted: Any, now: datetime | None) -> Comparison:
    left, right = number(value), number(wanted)
    if left is not None and right is not None:
        return Comparison(_holds(left, operator, right))
    if (left is None) != (right is None):
        return Comparison(
            False, f"cannot be compared with {_kind(wanted)} {_clipped(wanted)}: one of them is not a number"
        )
    return _dated(value, operator, wanted, now)


def _dated(value: Any, operator: str, wanted: Any, now: datetime | None) -> Comparison:
    left, right = moment(value, now), moment(wanted, now)
    if left is None:
        return Comparison(False, "is not a date")
    if right is None:
        known = "" if now is not None else " (no time is known here)"
        return Comparison(False, f"cannot be compared: {_clipped(wanted)} is not a date{known}")
    left, right = _aligned(left, right, now)
    try:
        return Comparison(_holds(left, operator, right))
    except TypeError:
        return Comparison(False, f"cannot be compared with {_clipped(wanted)}: one of them has no zone")


def _between(value: Any, wanted: Any, now: datetime | None) -> Comparison:
    if not isinstance(wanted, list | tuple) or len(wanted) != 2:
        return Comparison(False, "cannot be compared: between needs a list of two")
    for operator, end in (("gte", wanted[0]), ("lte", wanted[1])):
        said = _ordered(value, operator, end, now)
        if not said.holds:
            return said
    return Comparison(True)


def _contains(value: Any, wanted: Any) -> Comparison:
    if isinstance(value, str):
        return Comparison(isinstance(wanted, str | int | Decimal) and str(wanted) in value)
    if isinstance(value, Mapping):
        return Comparison(isinstance(wanted, str) and wanted in value)
    if isinstance(value, list | tuple):
        return Comparison(any(same(one, wanted) for one in value))
    return Comparison(False, "holds nothing: it is neither a text nor a list")


def _matches(value: Any, wanted: Any) -> Comparison:
    if not isinstance(value, str) and number(value) is None:
        return Comparison(False, "is not a text")
    try:
        return Comparison(patterns.found(wanted, str(value)[:LONGEST_TEXT]))
    except patterns.NoPattern:
        return Comparison(False, f"cannot be matched: {_clipped(wanted)} is not a regular expression")


def _aligned(left: Moment, right: Moment, now: datetime | None) -> tuple[Any, Any]:
    """Two instants as instants in one zone; anything beside a bare date as a day."""
    zone = now.tzinfo if now is not None else None
    instants = [isinstance(one, datetime) for one in (left, right)]
    if all(instants):
        return _zoned(left, zone), _zoned(right, zone)
    return _day(left, zone), _day(right, zone)


def _zoned(value: Any, zone: Any) -> datetime:
    instant: datetime = value
    return instant.replace(tzinfo=zone) if instant.tzinfo is None and zone is not None else instant


def _day(value: Moment, zone: Any) -> date:
    if not isinstance(value, datetime):
        return value
    try:
        return (value.astimezone(zone) if value.tzinfo is not None and zone is not None else value).date()
    except OverflowError:
        return value.date()


def _holds(left: Any, operator: str, right: Any) -> bool:
    match operator:
        case "gt":
            return bool(left > right)
        case "gte":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
        case _:
            return bool(left <= right)


def _kind(value: Any) -> str:
    return "the text" if isinstance(value, str) else "the value"


def _clipped(value: Any) -> str:
    return str(value)[:40]
