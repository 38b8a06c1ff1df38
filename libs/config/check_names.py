"""Names: templates that cannot be read, names that cannot exist, bare names that mean two things."""

import re
from collections import Counter
from collections.abc import Iterator

from libs.config.findings import Findings, nearest
from libs.config.parse_conditions import checks
from libs.config.parsed import Parsed, Placed
from libs.config.scope import SURELY, Problem, Scope, Scopes
from libs.config.tree import Node
from libs.domain.flow import Branch, Collect, Flow, Generate, Handoff, Plan, Say, ToolCall
from libs.domain.names import parts_of
from libs.domain.rules import Rule
from libs.domain.statemap import SendMessage, StateMap
from libs.domain.templates import is_template, syntax_error, used_names

PATH = re.compile(r"[A-Za-z_]\w*(\.\w+|\[\d+\])*")
NOT_IN_RULES = ("business_context", "extracted_info", "said", "slots")
FOLLOWUP_TEXTS = ("contact_id", "reason", "entity_type", "entity_id", "business_context")


def check_names(parsed: Parsed, found: Findings) -> None:
    scopes = Scopes(parsed)
    for event in sorted({rule.value.on for rule in parsed.rules}):
        _rules([rule for rule in parsed.rules if rule.value.on == event], found)
    for state_map in parsed.state_maps:
        _state_map(state_map, scopes, parsed, found)
    for flow in parsed.flows:
        _flow(flow, scopes.of_flow(flow.value.id), parsed, found)


def _rules(rules: list[Placed[Rule]], found: Findings) -> None:
    """Rules see the event's data, which is the ERP's own: only a name that looks like another one is odd."""
    named: list[tuple[Node, str, int]] = []
    for rule in rules:
        texts = [
            rule.node.keys.get("dedupe_key"),
            *(rule.node.at("create_followup").keys.get(key) for key in FOLLOWUP_TEXTS),
        ]
        for node in texts:
            named.extend(_names(node, found))
        named.extend(
            (each.at("field"), each.at("field").text, each.line) for each in checks(rule.node.keys.get("conditions"))
        )
        field = rule.node.at("schedule").keys.get("field")
        if field is not None and isinstance(field.value, str):
            named.append((field, field.text, field.line))
        for position in range(len(rule.value.cancel_on)):  # the other event's data: names of its own
            for node, name, line in _names(rule.node.at("cancel_on", position).keys.get("match"), found):
                _report(node, line, _in_rule(name), found)
    seen = Counter(parts_of(name)[0] for _, name, _ in named)
    for node, name, line in named:
        root = parts_of(name)[0]
        near = nearest(root, (each for each, times in seen.items() if each != root and times > 1), SURELY)
        odd = near is not None and seen[root] == 1 and re.sub(r"\d", "", near) != re.sub(r"\d", "", root)
        likely = Problem("warning", f"only here the event's data is said to hold {root!r}", f"did you mean {near!r}?")
        _report(node, line, _in_rule(name) or (likely if odd else None), found)


def _in_rule(name: str) -> Problem | None:
    root = parts_of(name)[0]
    if root not in NOT_IN_RULES:
        return None
    return Problem("error", f"a rule cannot name {root!r}: it sees the event's data only", "name a field of the data")


def _state_map(placed: Placed[StateMap], scopes: Scopes, parsed: Parsed, found: Findings) -> None:
    state_map, node = placed.value, placed.node
    scope = scopes.of_process(state_map.process_type)
    _templates(node.at("on_resolved").keys.get("payload"), scope, found)
    for position, transition in enumerate(state_map.transitions):
        here = node.at("transitions", position)
        at_hand = scopes.of_process(state_map.process_type, event=True) if transition.trigger.type == "event" else scope
        _conditions(here.keys.get("conditions"), at_hand, found)
        _names(here.at("trigger").keys.get("match"), found)
        for n, action in enumerate(transition.actions):
            written = here.at("actions", n)
            for key in ("payload", "text", "reason", *FOLLOWUP_TEXTS):
                _templates(written.keys.get(key), at_hand, found)
            if isinstance(action, SendMessage) and action.template:
                for channel in parsed.templates:
                    if action.channel in (None, channel):
                        _registered(parsed, channel, action.template, at_hand, found)


def _flow(placed: Placed[Flow], scope: Scope, parsed: Parsed, found: Findings) -> None:
    for position, step in enumerate(placed.value.steps):
        node = placed.node.at("steps", position)
        match step:
            case ToolCall():
                _paths(node.at("tool").keys.get("payload_template"), scope, found)
            case Branch(arms=arms):
                for n in range(len(arms)):
                    _conditions(node.at("arms", n).keys.get("conditions"), scope, found)
            case Collect():
                for n in range(len(step.slots)):
                    slot = node.at("slots", n)
                    _templates(slot.keys.get("ask"), scope, found)
                    _conditions(slot.keys.get("valid"), scope, found)
                for channel, template in step.templates.items():
                    _registered(parsed, channel, template, scope, found)
            case Plan():
                _templates(node.keys.get("goal"), scope, found)
                for n in range(len(step.tools)):
                    _paths(node.at("tools", n).keys.get("payload_template"), scope, found)
            case Handoff():
                _templates(node.keys.get("reason"), scope, found)
            case Generate() | Say():
                _templates(node.keys.get("system_prompt"), scope, found)
                _templates(node.keys.get("text"), scope, found)
                for channel, template in step.templates.items():
                    _registered(parsed, channel, template, scope, found)
                for channel, template in step.several.items():
                    _registered(parsed, channel, template, scope.of_several(), found)
            case _:
                pass


def _registered(parsed: Parsed, channel: str, template: str, scope: Scope, found: Findings) -> None:
    for each in parsed.templates.get(channel, ()):
        if each.value.id == template:
            _templates(each.node.keys.get("body"), scope, found)
            _templates(each.node.keys.get("components"), scope, found)


def _conditions(node: Node | None, scope: Scope, found: Findings) -> None:
    for check in checks(node):
        field = check.at("field")
        if isinstance(field.value, str):
            _report(field, field.line, scope.problem(field.value), found)


def _templates(node: Node | None, scope: Scope, found: Findings) -> None:
    for scalar, name, line in _names(node, found):
        _report(scalar, line, scope.problem(name), found)


def _paths(node: Node | None, scope: Scope, found: Findings) -> None:
    """A tool's payload: texts without `{{ }}` are paths."""
    _templates(node, scope, found)
    for scalar in node.scalars() if node is not None else ():
        text = scalar.value
        if not isinstance(text, str) or is_template(text):
            continue
        if not PATH.fullmatch(text):
            found.error(
                scalar, f"{text!r} is no path into the context", f"to send the text itself write \"{{{{ '{text}' }}}}\""
            )
        else:
            _report(scalar, scalar.line, scope.problem(text), found)


def _names(node: Node | None, found: Findings) -> Iterator[tuple[Node, str, int]]:
    """The names in every template at or below a node: the scalar, the name, its line. Says which ones cannot be read."""
    for scalar in node.scalars() if node is not None else ():
        if not isinstance(scalar.value, str) or not is_template(scalar.value):
            continue
        if wrong := syntax_error(scalar.value):
            found.error(
                scalar,
                f"this template cannot be read: {wrong}",
                "names and filters stand in {{ }}, as in {{amount|inr}}",
            )
            continue
        for name in sorted(used_names(scalar.value)):
            yield scalar, name, _line_of(scalar, name)


def _line_of(scalar: Node, name: str) -> int:
    """The line of a name; within a `|` block its own, else that of the scalar."""
    word = re.compile(rf"\b{re.escape(parts_of(name)[-1])}\b")
    if scalar.literal:
        for offset, line in enumerate(scalar.text.splitlines()):
            if "{" in line and word.search(line):
                return scalar.line + 1 + offset
    return scalar.line


def _report(node: Node, line: int, problem: Problem | None, found: Findings) -> None:
    if problem is None:
        return
    say = found.error if problem.severity == "error" else found.warn
    say(node, problem.message, problem.hint, line=line)
