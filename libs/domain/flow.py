"""Dialogue flows as the bundle writes them: steps that ask a tool, branch, speak, collect, wait, call another flow and end."""

from typing import Any

import msgspec

from events.values import FactOffer
from libs.domain.conditions import ALWAYS, Condition
from libs.domain.slots import Slot

GENERAL_FLOW = "general_followup"
"""What a follow-up without a process begins with, where it names no flow."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What every step has: its id within the flow, and where to go after it (else to the step below it)."""

    id: str
    goto: str | None = None


class ToolCall(Step, frozen=True, kw_only=True, tag="tool_call"):
    """Ask an endpoint of the ERP and keep its answer under `result_key`.

    Values of `payload_template` that hold no `{{ }}` are paths into the context.
    """

    endpoint: str
    result_key: str
    payload_template: dict[str, Any] = {}
    on_error: str | None = None


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    goto: str
    conditions: Condition = ALWAYS


class Branch(Step, frozen=True, kw_only=True, tag="branch"):
    """Go to the first arm whose conditions hold; below the step when none does."""

    arms: tuple[Arm, ...]


class Generate(Step, frozen=True, kw_only=True, tag="generate"):
    """The LLM writes, the contact answers; an answer that moves the state map runs the next step.

    `several`: the registered texts for several matters in one message.
    """

    system_prompt: str
    templates: dict[str, str] = {}
    several: dict[str, str] = {}
    max_words: int | None = None
    on_error: str | None = None


class Say(Step, frozen=True, kw_only=True, tag="say"):
    """A fixed text; does not wait."""

    text: str
    templates: dict[str, str] = {}
    several: dict[str, str] = {}
    on_error: str | None = None


class Collect(Step, frozen=True, kw_only=True, tag="collect"):
    """Ask for the slots, one question at a time, until each required one is filled; each is asked for `max_asks` times.

    What the contact will not or cannot answer leads to `on_error`, else to a person; who breaks it off to `on_cancel`,
    else the flow is over.
    """

    slots: tuple[Slot, ...]
    max_asks: int = 3
    templates: dict[str, str] = {}
    max_words: int | None = None
    on_error: str | None = None
    on_cancel: str | None = None


class PlanTool(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that Claude may choose. `payload_template` is the flow's own and beyond Claude's reach; `inputs` it fills.

    Values of `payload_template` are paths or templates. With `approve` an operator has to agree first.
    """

    endpoint: str
    result_key: str
    description: str = ""
    payload_template: dict[str, Any] = {}
    inputs: tuple[Slot, ...] = ()
    approve: bool = False


class Plan(Step, frozen=True, kw_only=True, tag="plan"):
    """Claude chooses among the tools until the goal is reached, within limits; else `on_error`, else a person.

    `max_cost` is in millionths of the currency's major unit; `timeout_s` in seconds of business time.
    """

    goal: str
    tools: tuple[PlanTool, ...]
    max_steps: int = 5
    max_cost: dict[str, int] = {}
    timeout_s: int | None = None
    on_error: str | None = None


class Subflow(Step, frozen=True, kw_only=True, tag="subflow"):
    """Run another flow; when it is over this one goes on."""

    flow: str


class Handoff(Step, frozen=True, kw_only=True, tag="handoff"):
    """A person goes on from here: the flow is over, and so is a matter that has no process."""

    reason: str
    queue: str | None = None


class Wait(Step, frozen=True, kw_only=True, tag="wait"):
    """Wait for a reply, or for so many seconds of business time."""

    timeout_s: int | None = None
    on_timeout: str | None = None


class Move(Step, frozen=True, kw_only=True, tag="transition"):
    """Give the state map a manual trigger."""

    trigger_value: str


class End(Step, frozen=True, kw_only=True, tag="end"):
    """The flow is over."""


AnyStep = ToolCall | Branch | Generate | Say | Collect | Plan | Wait | Move | Subflow | Handoff | End


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A dialogue; `facts` are those that it uses of what the contact says, beside the common ones."""

    id: str
    steps: tuple[AnyStep, ...]
    facts: tuple[FactOffer, ...] = ()
