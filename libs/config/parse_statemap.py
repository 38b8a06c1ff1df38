"""state_maps.yaml: states, what moves them, and what is done when they move."""

from collections.abc import Callable, Mapping
from typing import get_args

from libs.config.fields import Fields, as_text
from libs.config.findings import Findings
from libs.config.parse_conditions import parse_conditions
from libs.config.parse_rules import parse_followup
from libs.config.tree import Node
from libs.domain.statemap import (
    Action,
    Close,
    CreateFollowup,
    Escalate,
    ScheduleCheck,
    SendMessage,
    StartFlow,
    StateMap,
    SwitchChannel,
    Transition,
    Trigger,
    TriggerType,
    UpdateBackend,
    Writeback,
)

FIVE_YEARS = 5 * 366 * 24 * 60
"""The longest wait of a check in minutes."""
TRIGGER_TYPES: tuple[TriggerType, ...] = get_args(TriggerType)


def parse_state_map(node: Node, found: Findings) -> StateMap:
    fields = Fields(node, found, "a state map")
    resolved = fields.child("on_resolved")
    state_map = StateMap(
        process_type=fields.need("process_type"),
        states=fields.texts("states", required=True),
        initial_state=fields.need("initial_state"),
        terminal_states=fields.texts("terminal_states", required=True),
        transitions=tuple(_transition(item, found) for item in fields.items("transitions", required=True)),
        intents=_intents(fields, found),
        on_resolved=None if resolved is None else _writeback(resolved, found),
    )
    fields.finish()
    return state_map


def _intents(fields: Fields, found: Findings) -> dict[str, str]:
    """Descriptions by name; one without a description is allowed."""
    return {
        name: "" if node.kind == "scalar" and node.value is None else as_text(node, found) or ""
        for name, node in fields.children("intents").items()
    }


def _writeback(node: Node, found: Findings) -> Writeback:
    fields = Fields(node, found, "on_resolved")
    writeback = Writeback(endpoint=fields.need("endpoint"), payload=fields.data_map("payload"))
    fields.finish()
    return writeback


def _transition(node: Node, found: Findings) -> Transition:
    fields = Fields(node, found, "a transition")
    trigger = fields.child("trigger", required=True, like="{type: intent, values: […]}")
    transition = Transition(
        from_states=fields.texts("from_states", required=True),
        to_state=fields.need("to_state"),
        trigger=Trigger(type="manual", values=()) if trigger is None else _trigger(trigger, found),
        conditions=parse_conditions(fields.child("conditions"), found),
        actions=tuple(_action(item, found) for item in fields.items("actions")),
    )
    fields.finish()
    return transition


def _trigger(node: Node, found: Findings) -> Trigger:
    fields = Fields(node, found, "a trigger")
    kind = fields.choice("type", TRIGGER_TYPES, required=True)
    trigger = Trigger(
        type=next((each for each in TRIGGER_TYPES if each == kind), "manual"),
        values=fields.texts("values", required=True, like="[…]"),
        match=fields.text_map("match") if fields.has("match") else None,
    )
    fields.finish()
    if kind is None or found.errors_under(node):
        return trigger
    if trigger.type == "event" and not trigger.match:
        found.error(
            node,
            "an event trigger has no 'match': it does not say which entity the event is about",
            'add `match: {entity_id: "{{invoice_number}}"}`',
        )
    if trigger.type != "event" and trigger.match is not None:
        found.error(node.at("match"), f"'match' belongs to event triggers, not to {trigger.type}", "leave it out")
    return trigger


def _action(node: Node, found: Findings) -> Action:
    fields = Fields(node, found, "an action")
    kind = fields.choice("type", tuple(ACTIONS), required=True)
    if kind is None:
        return Close()
    action = ACTIONS[kind](fields)
    if kind != "create_followup":  # whose keys are a follow-up's, which has looked for unknown ones
        fields.finish()
    return action


def _send_message(fields: Fields) -> Action:
    action = SendMessage(text=fields.text("text"), template=fields.text("template"), channel=fields.text("channel"))
    if (action.text is None) == (action.template is None):
        fields.found.error(
            fields.node,
            "send_message takes either 'text' or 'template'",
            "name a registered template, or write the text",
        )
    return action


ACTIONS: Mapping[str, Callable[[Fields], Action]] = {
    "update_backend": lambda fields: UpdateBackend(
        endpoint=fields.need("endpoint"), payload=fields.data_map("payload"), result_key=fields.text("result_key")
    ),
    "schedule_check": lambda fields: ScheduleCheck(
        delay_minutes=fields.whole("delay_minutes", minimum=1, maximum=FIVE_YEARS, required=True, like="4320") or 1,
        name=fields.text("name") or "check",
    ),
    "send_message": _send_message,
    "start_flow": lambda fields: StartFlow(flow=fields.need("flow")),
    "switch_channel": lambda fields: SwitchChannel(channel=fields.need("channel", like="next")),
    "escalate": lambda fields: Escalate(reason=fields.need("reason"), queue=fields.text("queue")),
    "create_followup": lambda fields: CreateFollowup(
        followup=parse_followup(fields.node, fields.found, besides=("type",))
    ),
    "close": lambda fields: Close(reason=fields.text("reason")),
}
