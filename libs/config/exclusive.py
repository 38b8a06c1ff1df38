"""Whether two conditions can never hold together, as far as their form shows it."""

from typing import Any

from libs.domain.comparing import number
from libs.domain.conditions import AllOf, AnyOf, Check, Condition, Not


def exclude_each_other(one: Condition, other: Condition) -> bool:
    """True only when it is certain; conditions on different fields are taken to be independent."""
    match one, other:
        case AnyOf(parts=parts), _:
            return bool(parts) and all(exclude_each_other(part, other) for part in parts)
        case _, AnyOf(parts=parts):
            return bool(parts) and all(exclude_each_other(one, part) for part in parts)
        case AllOf(parts=parts), _:
            return any(exclude_each_other(part, other) for part in parts)
        case _, AllOf(parts=parts):
            return any(exclude_each_other(one, part) for part in parts)
        case Not(part=part), _:
            return _implies(other, part)
        case _, Not(part=part):
            return _implies(one, part)
        case Check(), Check():
            return one.field == other.field and (_contradict(one, other) or _contradict(other, one))


def _implies(one: Condition, other: Condition) -> bool:
    """Whether `other` holds whenever `one` does."""
    if one == other and repr(one) == repr(other):  # 0 equals False, and is another value to a condition
        return True
    match one, other:
        case _, AllOf(parts=parts):
            return all(_implies(one, part) for part in parts)
        case _, AnyOf(parts=parts):
            return any(_implies(one, part) for part in parts)
        case Check(), Check() if one.field == other.field:
            if other.operator == "exists" and other.value is not False:
                return _defined(one)
            return one.operator == "eq" and other.operator == "in" and _among(one.value, other.value)
    return False


def _defined(check: Check) -> bool:
    """Whether a check can hold for a field that exists only."""
    match check.operator:
        case "ne" | "not_in" | "contains" | "matches":  # which may hold for a blank text, and that does not exist
            return False
        case "exists":
            return check.value is not False
        case "eq":
            return not _blank(check.value)
        case "in":
            return not any(_blank(value) for value in _list(check.value))
    return True


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _among(value: Any, values: Any) -> bool:
    """Whether it is certainly one of them: 0 is not False here, though Python calls them equal."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in _list(values))


def _contradict(one: Check, other: Check) -> bool:
    match one.operator, other.operator:
        case "exists", _ if one.value is False:
            return _defined(other)
        case "eq", "eq":
            return bool(one.value != other.value)
        case "eq", "ne":
            return _among(one.value, [other.value])
        case "eq", "in":
            return one.value not in _list(other.value)
        case (("eq" | "in"), "not_in"):
            values = _list(one.value) if one.operator == "in" else [one.value]
            return all(_among(value, other.value) for value in values)
        case "in", "in":
            return not any(value in _list(other.value) for value in _list(one.value))
        case "before", "after":
            return bool(one.value == other.value)
    return _apart(one, other)


def _apart(one: Check, other: Check) -> bool:
    """Whether the numbers that both allow do not meet: `lt 3` and `gte 3`."""
    here, there = _upper(one), _lower(other)
    if here is None or there is None:
        return False
    (most, most_in), (least, least_in) = here, there
    return bool(most < least or (most == least and not (most_in and least_in)))


def _upper(check: Check) -> tuple[Any, bool] | None:
    value = check.value[1] if check.operator == "between" and len(_list(check.value)) == 2 else check.value
    known = number(value)
    if known is None or check.operator not in ("lt", "lte", "eq", "between"):
        return None
    return known, check.operator != "lt"


def _lower(check: Check) -> tuple[Any, bool] | None:
    value = check.value[0] if check.operator == "between" and len(_list(check.value)) == 2 else check.value
    known = number(value)
    if known is None or check.operator not in ("gt", "gte", "eq", "between"):
        return None
    return known, check.operator != "gt"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
