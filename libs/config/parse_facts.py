"""`facts`: what Claude is to listen for beside the common facts, by name."""

import re
from dataclasses import dataclass
from typing import get_args

from libs.config.fields import Fields, as_text
from libs.config.findings import Findings
from libs.config.tree import Node
from libs.domain.facts import COMMON_FACTS
from libs.domain.slots import SlotType

KINDS: tuple[SlotType, ...] = get_args(SlotType)
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Declared:
    """A fact as the bundle declares it. Without a kind it is what its use says."""

    node: Node
    kind: SlotType | None = None
    description: str = ""
    choices: tuple[str, ...] = ()


def parse_facts(node: Node | None, found: Findings) -> dict[str, Declared]:
    """A description by name, or `{type, description, choices}`."""
    root = Fields(Node("", 1, "", "mapping", keys={} if node is None else {"facts": node}), found, "facts")
    declared: dict[str, Declared] = {}
    for name, each in root.children("facts").items():
        common = next((fact for fact in COMMON_FACTS if fact.name == name), None)
        if not NAME.fullmatch(name):
            found.error(each, f"{name!r} can be no name", "write letters, digits and _", line=each.key_line)
        elif common is not None:
            message = f"Claude is asked for {name!r} in every process already: {common.description}"
            found.error(each, message, "leave it out, or take another name", line=each.key_line)
        else:
            declared[name] = _declared(each, found)
    return declared


def _declared(node: Node, found: Findings) -> Declared:
    if node.kind == "scalar":
        return Declared(node, description="" if node.value is None else as_text(node, found) or "")
    fields = Fields(node, found, "a fact")
    kind = fields.choice("type", KINDS)
    fact = Declared(
        node,
        kind=next((each for each in KINDS if each == kind), None),
        description=fields.text("description") or "",
        choices=fields.texts("choices"),
    )
    fields.finish()
    if found.errors_under(node):
        return fact
    if kind == "choice" and len(fact.choices) < 2:
        found.error(node, "a choice needs 'choices', two or more", "add `choices: [a, b]`")
    if kind != "choice" and fact.choices:
        found.error(node.at("choices"), "'choices' belongs to a fact of type choice", "add `type: choice`")
    return fact
