"""Steps that collect: slots that are asked for, once each, and conditions on their own value."""

from libs.config.findings import Findings, suggest
from libs.config.tree import Node
from libs.domain.conditions import fields_of
from libs.domain.flow import Collect, Flow
from libs.domain.names import PLAIN_NAMES, parts_of

RESERVED = (*PLAIN_NAMES, "contact", "business_context", "extracted_info", "said", "slots")


def check_collect(flow: Flow, step: Collect, node: Node, found: Findings) -> None:
    """Says what is wrong with the slots of a step."""
    elsewhere = {
        slot.name: other.id
        for other in flow.steps
        if isinstance(other, Collect) and other.id != step.id
        for slot in other.slots
    }
    names = [slot.name for slot in step.slots]
    for position, slot in enumerate(step.slots):
        place = node.at("slots", position)
        if slot.name in names[:position]:
            found.error(place.at("name"), f"the slot {slot.name!r} is there twice", "give it a name of its own")
        elif slot.name in elsewhere:
            found.error(
                place.at("name"),
                f"the slot {slot.name!r} is collected by the step {elsewhere[slot.name]!r}, too",
                "give it a name of its own",
            )
        if slot.name in RESERVED:
            found.error(place.at("name"), f"{slot.name!r} already means something else", "choose another name")
        own = {f"slots.{each}" for each in names}
        for field in fields_of(slot.valid):
            if parts_of(field)[0] == "slots" and field not in own:
                found.error(place.at("valid"), f"the step collects no {field!r}", suggest(field, own))
    if step.slots and not any(slot.ask for slot in step.slots) and not found.errors_under(node):
        found.error(node.at("slots"), "no slot has an 'ask': nothing would be asked", "add `ask:` to one")
