"""rules.yaml: rules, and the follow-ups that they and state maps ask for."""

import re
from typing import get_args

from libs.config.fields import Fields
from libs.config.findings import Findings
from libs.config.parse_conditions import parse_conditions
from libs.config.tree import Node
from libs.domain.rules import Cancel, FollowupSpec, Priority, Rule, Schedule

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


def parse_rule(node: Node, found: Findings) -> Rule:
    fields = Fields(node, found, "a rule")
    wanted = fields.child("create_followup", required=True, like="{contact_id, reason, …}")
    rule = Rule(
        id=fields.need("id"),
        on=fields.need("on", like="the event's name"),
        conditions=parse_conditions(fields.child("conditions"), found),
        create_followup=FollowupSpec(contact_id="", reason="") if wanted is None else parse_followup(wanted, found),
        dedupe_key=fields.text("dedupe_key"),
        cooldown_s=fields.duration("cooldown") or 0,
        cancel_on=tuple(_cancel(item, found) for item in fields.items("cancel_on")),
        supersede=fields.flag("supersede") or False,
        schedule=_schedule(fields.child("schedule"), found),
    )
    fields.finish()
    return rule


def parse_followup(node: Node, found: Findings, *, besides: tuple[str, ...] = ()) -> FollowupSpec:
    """A follow-up's keys; `besides` names keys of the mapping around it, such as an action's `type`."""
    fields = Fields(node, found, "a follow-up")
    for key in besides:
        fields.child(key)
    priority = fields.choice("priority", PRIORITIES)
    spec = FollowupSpec(
        contact_id=fields.need("contact_id", like='"{{contact_id}}"'),
        reason=fields.need("reason"),
        priority=next((each for each in PRIORITIES if each == priority), "normal"),
        channel_priority=fields.texts("channel_priority"),
        process_type=fields.text("process_type"),
        entity_type=fields.text("entity_type"),
        entity_id=fields.text("entity_id"),
        flow=fields.text("flow"),
        business_context=fields.data_map("business_context") if fields.child("business_context") else None,
    )
    fields.finish()
    if spec.process_type and not spec.entity_id and not found.errors_under(node):
        found.error(node, "a follow-up with a process_type needs an entity_id", 'add `entity_id: "{{invoice_number}}"`')
    if not spec.process_type and not spec.flow and not found.errors_under(node):
        found.error(node, "a follow-up without a process_type or a flow has nothing to say", "add `flow:`")
    return spec


def _cancel(node: Node, found: Findings) -> Cancel:
    fields = Fields(node, found, "an entry of cancel_on")
    cancel = Cancel(event=fields.need("event"), match=fields.text_map("match", required=True))
    fields.finish()
    return cancel


def _schedule(node: Node | None, found: Findings) -> Schedule | None:
    if node is None:
        return None
    fields = Fields(node, found, "a schedule")
    missed = fields.choice("missed", ("now", "skip"))
    schedule = Schedule(
        field=fields.need("field", like="due_date"),
        offset_s=fields.duration("offset", negative=True) or 0,
        at=fields.text("at"),
        missed="skip" if missed == "skip" else "now",
    )
    if schedule.at and not CLOCK.match(schedule.at):
        found.error(node.at("at"), f"{schedule.at!r} is no time of day", 'write "10:00"')
    fields.finish()
    return schedule
