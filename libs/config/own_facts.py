"""Own facts: what a bundle's conditions and texts use of `extracted_info` beside the common facts, and so Claude listens for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from events.values import FactOffer
from libs.config.findings import Findings
from libs.config.parse_facts import Declared
from libs.config.parsed import Parsed, Placed
from libs.config.scope import Scopes
from libs.config.tree import Node
from libs.domain.comparing import moment
from libs.domain.facts import COMMON_NAMES
from libs.domain.flow import Flow
from libs.domain.slots import SlotType
from libs.domain.statemap import StateMap
from libs.domain.templates import is_template, syntax_error, used_names

PATH = re.compile(r"extracted_info\.([A-Za-z_]\w*)")
FILTERED = re.compile(r"\bextracted_info\.([A-Za-z_]\w*)\s*\|\s*(inr\w*|date_in)\b")
LAST_WORDS: Mapping[str, SlotType] = {"date": "date", "day": "date", "amount": "amount", "phone": "phone"}
"""What a fact is that nothing else tells of: by the last word of its name."""
WORDS = {"date": "a date", "amount": "an amount", "phone": "a telephone number", "choice": "a choice", "text": "a text"}
T = TypeVar("T", Flow, StateMap)
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Used:
    """How one name is used: what its conditions and filters take it for, each where, and the texts that it is compared with."""

    taken_for: dict[SlotType, Node] = field(default_factory=dict)
    values: dict[str, None] = field(default_factory=dict)


def with_own_facts(parsed: Parsed, declared: Mapping[str, Declared], found: Findings) -> Parsed:
    """The bundle with what each state map and flow wants to hear of the contact; `Parsed.facts` are all of them."""
    texts: dict[str, list[Node]] = {}
    for placed in (each for known in parsed.templates.values() for each in known):
        texts.setdefault(placed.value.id, []).append(placed.node)
    in_flow = {each.value.id: _used(each.node, texts) for each in parsed.flows}
    in_map = {each.value.process_type: _used(each.node, texts) for each in parsed.state_maps}
    everywhere = _together([*in_flow.values(), *in_map.values()])
    facts = {name: _resolved(name, used, declared.get(name), found) for name, used in everywhere.items()}
    for name, fact in declared.items():
        if name not in facts:
            found.warn(
                fact.node,
                f"nothing uses extracted_info.{name}: Claude is not asked for it",
                "use it in a condition, a text or a payload, or leave it out",
                line=fact.node.key_line,
            )
    scopes = Scopes(parsed)
    of_map = {
        process: used.keys() | {name for flow in scopes.flows_of(process) for name in in_flow.get(flow, ())}
        for process, used in in_map.items()
    }
    return replace(
        parsed,
        facts=facts,
        declared_facts=frozenset(declared),
        state_maps=tuple(_with(each, of_map[each.value.process_type], facts) for each in parsed.state_maps),
        flows=tuple(_with(each, in_flow[each.value.id], facts) for each in parsed.flows),
    )


def _with(placed: Placed[T], names: Iterable[str], facts: Mapping[str, FactOffer]) -> Placed[T]:
    wanted = tuple(facts[name] for name in sorted(names))
    return Placed(msgspec.structs.replace(placed.value, facts=wanted), placed.node)


def _together(all_used: list[dict[str, Used]]) -> dict[str, Used]:
    together: dict[str, Used] = {}
    for each in all_used:
        for name, used in each.items():
            known = together.setdefault(name, Used())
            known.taken_for = used.taken_for | known.taken_for
            known.values |= used.values
    return together


def _used(node: Node, texts: Mapping[str, list[Node]], *, inside: bool = True) -> dict[str, Used]:
    """The own names that stand at or below a node, and in the registered texts that it names."""
    used: dict[str, Used] = {}
    for scalar in node.scalars():
        for name in _named(scalar):
            used.setdefault(name, Used())
        for name, filter_ in FILTERED.findall(scalar.text) if is_template(scalar.text) else ():
            if name in used:
                used[name].taken_for.setdefault("date" if filter_ == "date_in" else "amount", scalar)
        for text in texts.get(scalar.text, ()) if inside else ():
            used = _together([used, _used(text, texts, inside=False)])
    for condition in _conditions(node):
        if (path := PATH.fullmatch(condition.at("field").text)) and path[1] in used:
            _take(condition, used[path[1]])
    return used


def _named(scalar: Node) -> Iterator[str]:
    """The own names in a template, or that a path or a condition's field is."""
    if not isinstance(scalar.value, str):
        return
    templated = is_template(scalar.value) and not syntax_error(scalar.value)
    for path in used_names(scalar.value) if templated else (scalar.value,):
        if (name := PATH.match(path) if templated else PATH.fullmatch(path)) and name[1] not in COMMON_NAMES:
            yield name[1]


def _conditions(node: Node) -> Iterator[Node]:
    if {"field", "operator"} <= node.keys.keys():
        yield node
    for child in (*node.keys.values(), *node.items):
        yield from _conditions(child)


def _take(condition: Node, used: Used) -> None:
    operator, value = condition.at("operator").text, condition.keys.get("value")
    if operator in ("before", "after"):
        used.taken_for.setdefault("date", condition)
    elif operator in ("gt", "gte", "lt", "lte", "between") and value is not None:
        dates = all(isinstance(each.value, str) and moment(each.value, SOME_TIME) for each in value.scalars())
        used.taken_for.setdefault("date" if dates else "amount", condition)
    elif operator in ("eq", "ne", "in", "not_in") and value is not None:
        used.values |= {each.value: None for each in value.scalars() if isinstance(each.value, str)}


def _resolved(name: str, used: Used, declared: Declared | None, found: Findings) -> FactOffer:
    """The fact as Claude is asked for it: as declared, else as it is used, else by the last word of its name."""
    choices = declared.choices if declared is not None else ()
    if declared is not None and declared.kind is not None:
        kind = declared.kind
    else:
        by_name = LAST_WORDS.get(name.rsplit("_", 1)[-1], "text")
        kind = next(iter(used.taken_for), "choice" if used.values else by_name)
        choices = tuple(used.values) if kind == "choice" else ()
    for other, node in used.taken_for.items():
        if other != kind:
            found.error(
                node,
                f"extracted_info.{name} is {WORDS[kind]}, and {WORDS[other]} here",
                f"say which it is: `facts: {{{name}: {{type: {other}}}}}`",
            )
    for value in used.values if kind == "choice" else ():
        if value not in choices and declared is not None:
            message = f"{name!r} is compared with {value!r}, which is none of its choices"
            found.error(declared.node, message, f"its choices are {', '.join(choices)}")
    description = declared.description if declared is not None else ""
    return FactOffer(name=name, kind=kind, description=description, choices=list(choices))
