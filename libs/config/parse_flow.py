"""flows/*.yaml: the steps of a dialogue."""

from collections.abc import Callable, Mapping
from typing import TypedDict

from libs.config.fields import Fields
from libs.config.findings import Findings, suggest
from libs.config.parse_conditions import parse_conditions
from libs.config.parse_plan import parse_plan
from libs.config.parse_slots import parse_slot
from libs.config.tree import Node
from libs.domain.flow import (
    AnyStep,
    Arm,
    Branch,
    Collect,
    End,
    Flow,
    Generate,
    Handoff,
    Move,
    Say,
    Subflow,
    ToolCall,
    Wait,
)


class Common(TypedDict):
    """What every step has."""

    id: str
    goto: str | None


def parse_flow(node: Node, found: Findings) -> Flow:
    fields = Fields(node, found, "a flow")
    flow = Flow(id=fields.need("id"), steps=tuple(_step(item, found) for item in fields.items("steps", required=True)))
    fields.finish()
    return flow


def _step(node: Node, found: Findings) -> AnyStep:
    fields = Fields(node, found, "a step")
    kind = fields.child("type", required=True, like=" | ".join(STEPS))
    common = Common(id=fields.need("id"), goto=fields.text("goto"))
    if kind is None:
        return End(**common)
    if kind.text not in STEPS:
        found.error(kind, f"{kind.text!r} is no type of step", suggest(kind.text, STEPS))
        return End(**common)
    fields.what = f"a step of type {kind.text}"
    step = STEPS[kind.text](fields, common)
    fields.finish()
    return step


def _tool_call(fields: Fields, common: Common) -> AnyStep:
    on_error = fields.text("on_error")
    tool = fields.child("tool", required=True, like="{endpoint, payload_template, result_key}")
    if tool is None:
        return ToolCall(endpoint="", result_key="", on_error=on_error, **common)
    inner = Fields(tool, fields.found, "a tool")
    step = ToolCall(
        endpoint=inner.need("endpoint"),
        result_key=inner.need("result_key"),
        payload_template=inner.data_map("payload_template"),
        on_error=on_error,
        **common,
    )
    inner.finish()
    return step


def _branch(fields: Fields, common: Common) -> AnyStep:
    return Branch(arms=tuple(_arm(item, fields.found) for item in fields.items("arms", required=True)), **common)


def _arm(node: Node, found: Findings) -> Arm:
    fields = Fields(node, found, "an arm")
    arm = Arm(goto=fields.need("goto"), conditions=parse_conditions(fields.child("conditions"), found))
    fields.finish()
    return arm


def _generate(fields: Fields, common: Common) -> AnyStep:
    return Generate(
        system_prompt=fields.need("system_prompt"),
        templates=fields.text_map("templates"),
        several=fields.text_map("several"),
        max_words=fields.whole("max_words", minimum=1),
        on_error=fields.text("on_error"),
        **common,
    )


def _say(fields: Fields, common: Common) -> AnyStep:
    return Say(
        text=fields.need("text"),
        templates=fields.text_map("templates"),
        several=fields.text_map("several"),
        on_error=fields.text("on_error"),
        **common,
    )


def _collect(fields: Fields, common: Common) -> AnyStep:
    return Collect(
        slots=tuple(parse_slot(item, fields.found) for item in fields.items("slots", required=True)),
        max_asks=fields.whole("max_asks", minimum=1) or 3,
        templates=fields.text_map("templates"),
        max_words=fields.whole("max_words", minimum=1),
        on_error=fields.text("on_error"),
        on_cancel=fields.text("on_cancel"),
        **common,
    )


def _handoff(fields: Fields, common: Common) -> AnyStep:
    return Handoff(reason=fields.need("reason"), queue=fields.text("queue"), **common)


def _wait(fields: Fields, common: Common) -> AnyStep:
    fields.choice("for", ("reply",))
    timeout = fields.duration("timeout")
    on_timeout = fields.text("on_timeout")
    if on_timeout and timeout is None and not fields.found.errors_under(fields.node):
        fields.found.error(
            fields.node.at("on_timeout"), "on_timeout without a timeout never comes", "add `timeout: 24h`"
        )
    return Wait(timeout_s=timeout, on_timeout=on_timeout, **common)


def _move(fields: Fields, common: Common) -> AnyStep:
    return Move(trigger_value=fields.need("trigger_value"), **common)


STEPS: Mapping[str, Callable[[Fields, Common], AnyStep]] = {
    "tool_call": _tool_call,
    "branch": _branch,
    "generate": _generate,
    "say": _say,
    "collect": _collect,
    "plan": lambda fields, common: parse_plan(fields, common),
    "wait": _wait,
    "transition": _move,
    "subflow": lambda fields, common: Subflow(flow=fields.need("flow"), **common),
    "handoff": _handoff,
    "end": lambda fields, common: End(**common),
}
