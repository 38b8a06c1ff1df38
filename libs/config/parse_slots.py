"""Slots: what a step collects, or a planner may choose."""

from typing import get_args

from libs.config.fields import Fields
from libs.config.findings import Findings
from libs.config.parse_conditions import parse_conditions
from libs.config.tree import Node
from libs.domain.slots import Slot, SlotType

TYPES: tuple[SlotType, ...] = get_args(SlotType)


def parse_slot(node: Node, found: Findings, *, asked: bool = True) -> Slot:
    """One slot; one that is not `asked` of the contact needs no question."""
    fields = Fields(node, found, "a slot")
    kind = fields.choice("type", TYPES, required=True)
    required = fields.flag("required")
    slot = Slot(
        name=fields.need("name"),
        type=next((each for each in TYPES if each == kind), "text"),
        required=required is not False,
        choices=fields.texts("choices"),
        ask=fields.text("ask"),
        valid=parse_conditions(fields.child("valid"), found),
    )
    fields.finish()
    if kind == "choice" and len(slot.choices) < 2 and not found.errors_under(node):
        found.error(node, "a choice needs 'choices', two or more", "add `choices: [a, b]`")
    if kind not in ("choice", None) and slot.choices:
        found.error(node.at("choices"), f"'choices' belongs to a choice, not to a slot of type {kind}", "leave it out")
    if asked and slot.required and not slot.ask and not found.errors_under(node):
        found.error(node, f"the slot {slot.name!r} is required and has no 'ask'", "add `ask:`, the question for it")
    return slot
