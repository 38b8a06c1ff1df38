"""Conditions: what rules, state maps and flows ask of the facts that they see."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from libs.domain.comparing import Comparison, compare
from libs.domain.names import PERSONAL_SOURCES, UNDEFINED, Names

Operator = Literal[
    "exists", "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "matches", "before", "after", "between"
]


class Check(msgspec.Struct, frozen=True, tag="check"):
    """One comparison of a field, named by its path, with a value."""

    field: str
    operator: Operator
    value: Any = None


class AllOf(msgspec.Struct, frozen=True, tag="all"):
    """Holds when each part holds; nothing asked holds too."""

    parts: tuple["Condition", ...] = ()


class AnyOf(msgspec.Struct, frozen=True, tag="any"):
    """Holds when one part holds."""

    parts: tuple["Condition", ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """Holds when its part does not."""

    part: "Condition"


Condition = Check | AllOf | AnyOf | Not
ALWAYS = AllOf()


class Verdict(msgspec.Struct, frozen=True):
    """Whether a condition holds, and why: the parts that held, or those that did not."""

    holds: bool
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.holds


def evaluate(condition: Condition, names: Names) -> Verdict:
    """Ask `condition` of `names`. Odd data (a missing field, a text where a number was meant) is a no with its reason.

    Reasons quote fields and business values; what may be the contact's own (`contact`, slots, extracted facts) they
    name without quoting it.
    """
    match condition:
        case Check():
            return _check(condition, names)
        case AllOf(parts=parts):
            verdicts = [evaluate(part, names) for part in parts]
            holds = all(verdict.holds for verdict in verdicts)
            return Verdict(holds, _reasons(verdict for verdict in verdicts if verdict.holds == holds))
        case AnyOf(parts=parts):
            verdicts = [evaluate(part, names) for part in parts]
            holding = [verdict for verdict in verdicts if verdict.holds]
            return Verdict(bool(holding), _reasons(holding[:1] or verdicts))
        case Not(part=part):
            verdict = evaluate(part, names)
            return Verdict(
                not verdict.holds,
                tuple(f"must not hold: {reason}" for reason in verdict.reasons) if verdict.holds else verdict.reasons,
            )


def in_words(condition: Condition) -> str:
    """What a condition asks, for people to read: `amount >= 100 and disputed is missing`."""
    match condition:
        case Check(field=field, operator="exists", value=value):
            return f"{field} {'is missing' if value is False else 'exists'}"
        case Check(field=field, operator=operator, value=value):
            return f"{field} {_SIGNS[operator]} {_shown(value)}"
        case Not(part=part):
            return f"not ({in_words(part)})"
        case AllOf(parts=parts):
            return " and ".join(_grouped(part) for part in parts)
        case AnyOf(parts=parts):
            return " or ".join(_grouped(part) for part in parts)


def _grouped(part: Condition) -> str:
    return f"({in_words(part)})" if isinstance(part, AllOf | AnyOf) else in_words(part)


def fields_of(condition: Condition) -> Iterator[str]:
    """Every field that a condition names."""
    match condition:
        case Check(field=field):
            yield field
        case Not(part=part):
            yield from fields_of(part)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from fields_of(part)


def _check(check: Check, names: Names) -> Verdict:
    value, source = names.find(check.field)
    if check.operator == "exists":
        return _exists(check, value)
    if value is UNDEFINED:
        holds = check.operator in ("ne", "not_in")
        return Verdict(holds, (f"{check.field} is missing",))
    said: Comparison = compare(value, check.operator, check.value, names.now)
    shown = "" if source in PERSONAL_SOURCES else f" {_shown(value)}"
    if said.odd:
        return Verdict(False, (f"{check.field}{shown} {said.odd}",))
    is_ = "is" if said.holds else "is not"
    return Verdict(said.holds, (f"{check.field}{shown} {is_} {_SIGNS[check.operator]} {_shown(check.value)}",))


def _exists(check: Check, value: Any) -> Verdict:
    """Null and blank text do not exist."""
    there = value is not UNDEFINED and value is not None and not (isinstance(value, str) and not value.strip())
    wanted = check.value is not False
    return Verdict(there is wanted, (f"{check.field} {'exists' if there else 'is missing'}",))


_SIGNS: dict[Operator, str] = {
    "eq": "=",
    "ne": "other than",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "in": "in",
    "not_in": "outside",
    "contains": "holding",
    "matches": "like",
    "before": "before",
    "after": "after",
    "between": "between",
}


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _reasons(verdicts: Iterator[Verdict] | list[Verdict]) -> tuple[str, ...]:
    return tuple(reason for verdict in verdicts for reason in verdict.reasons)
