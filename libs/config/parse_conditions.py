"""Conditions: `{field, operator, value}`, lists that mean all, and all / any / not, at any depth."""

from datetime import UTC, datetime
from typing import get_args

from libs.config.fields import Fields, kind_of
from libs.config.findings import Findings, nearest, suggest
from libs.config.tree import Node
from libs.domain import patterns
from libs.domain.comparing import moment, number
from libs.domain.conditions import ALWAYS, AllOf, AnyOf, Check, Condition, Not, Operator

OPERATORS: tuple[Operator, ...] = get_args(Operator)
GROUPS = ("all", "any", "not")
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)  # whether `today-3d` is a date does not depend on when it is asked


def parse_conditions(node: Node | None, found: Findings) -> Condition:
    """The condition of a node; nothing asked always holds."""
    if node is None:
        return ALWAYS
    if node.kind == "list":
        return AllOf(parts=tuple(parse_conditions(item, found) for item in node.items))
    if node.kind != "mapping":
        found.error(
            node, f"a condition must be a mapping or a list, not {kind_of(node)}", "write {field, operator, value}"
        )
        return ALWAYS
    group = next((word for word in GROUPS if word in node.keys), None)
    if group is None and "field" not in node.keys and (near := _mistyped_group(node)):
        found.error(node, f"a condition has no key {near[0]!r}", f"did you mean {near[1]!r}?")
        return ALWAYS
    return _check(node, found) if group is None else _group(group, node, found)


def checks(node: Node | None) -> list[Node]:
    """Every `{field, operator, value}` at or below a node of conditions."""
    if node is None:
        return []
    if node.kind == "mapping" and "field" in node.keys:
        return [node]
    return [each for child in (*node.keys.values(), *node.items) for each in checks(child)]


def _mistyped_group(node: Node) -> tuple[str, str] | None:
    for key in node.keys:
        if near := nearest(key, (*GROUPS, "field")):
            return key, near
    return None


def _group(word: str, node: Node, found: Findings) -> Condition:
    for key, child in node.keys.items():
        if key != word:
            found.error(
                child, f"{key!r} stands beside {word!r}", f"move it into the list of {word!r}", line=child.key_line
            )
    inner = node.keys[word]
    if word == "not":
        return Not(part=parse_conditions(inner, found))
    if inner.kind != "list" or not inner.items:
        found.error(
            inner,
            f"{word!r} takes a list of conditions, not {kind_of(inner)}",
            f"write {word}: [{{field, operator, value}}]",
        )
        return ALWAYS
    parts = tuple(parse_conditions(item, found) for item in inner.items)
    return AllOf(parts=parts) if word == "all" else AnyOf(parts=parts)


def _check(node: Node, found: Findings) -> Condition:
    fields = Fields(node, found, "a condition")
    name = fields.need("field", like="a path such as business_context.amount")
    asked = fields.child("operator", required=True, like="eq")
    value = fields.child("value")
    fields.finish()
    if asked is None:
        return ALWAYS
    for operator in OPERATORS:
        if asked.text == operator:
            _value_fits(operator, value, node, found)
            return Check(field=name, operator=operator, value=None if value is None else value.plain())
    found.error(asked, f"{asked.text!r} is no operator", suggest(asked.text, OPERATORS))
    return ALWAYS


def _value_fits(operator: Operator, value: Node | None, node: Node, found: Findings) -> None:
    """Says when a value is none that the operator can compare with."""
    if operator == "exists":
        if value is not None and not isinstance(value.value, bool):
            found.error(
                value, f"exists takes no value, not {kind_of(value)}", "leave the value out, or write true or false"
            )
        return
    if value is None:
        found.error(node, f"{operator} needs a value", f"add `value: {_example(operator)}`")
        return
    fits = True
    match operator:
        case "in" | "not_in":
            fits = value.kind == "list"
        case "between":
            fits = value.kind == "list" and len(value.items) == 2 and all(_ordered(each) for each in value.items)
        case "gt" | "gte" | "lt" | "lte":
            fits = _ordered(value)
        case "before" | "after":
            fits = _date(value)
        case "eq" | "ne" | "contains":
            fits = value.kind == "scalar"
        case "matches":
            fits = _pattern(value, found)
    if not fits:
        found.error(value, f"{operator} cannot compare with {kind_of(value)}", f"write `value: {_example(operator)}`")


def _pattern(value: Node, found: Findings) -> bool:
    if not isinstance(value.value, str):
        return False
    if wrong := patterns.error(value.value):
        found.error(
            value,
            f"{value.value!r} is no regular expression: {wrong}",
            "write one of RE2's syntax: as Python's, without look-around (?=…) and back references \\1",
        )
    return True


def _ordered(value: Node) -> bool:
    return number(value.value) is not None or _date(value)


def _date(value: Node) -> bool:
    return moment(value.value, SOME_TIME) is not None


def _example(operator: Operator) -> str:
    match operator:
        case "in" | "not_in":
            return "[a, b]"
        case "between":
            return "[1, 10]"
        case "gt" | "gte" | "lt" | "lte":
            return "3"
        case "before" | "after":
            return "2026-01-30"
        case "matches":
            return '"^INV-"'
        case _:
            return "true"
