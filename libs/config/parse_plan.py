"""Steps that plan: the goal, the tools that Claude may choose, and the limits."""

from decimal import Decimal, InvalidOperation
from typing import Any

from libs.config.fields import Fields, kind_of
from libs.config.findings import Findings
from libs.config.parse_slots import parse_slot
from libs.config.tree import Node
from libs.domain.flow import Plan, PlanTool


def parse_plan(fields: Fields, common: Any) -> Plan:
    """The fields of a step of type plan; `common` are those of every step."""
    return Plan(
        goal=fields.need("goal"),
        tools=tuple(_tool(item, fields.found) for item in fields.items("tools", required=True)),
        max_steps=fields.whole("max_steps", minimum=1) or 5,
        max_cost=money(fields, "max_cost"),
        timeout_s=fields.duration("timeout"),
        on_error=fields.text("on_error"),
        **common,
    )


def _tool(node: Node, found: Findings) -> PlanTool:
    """An endpoint by its name alone, or with what is said to it."""
    if node.kind == "scalar" and isinstance(node.value, str):
        return PlanTool(endpoint=node.value, result_key=node.value)
    fields = Fields(node, found, "a tool of a plan")
    endpoint = fields.need("endpoint")
    tool = PlanTool(
        endpoint=endpoint,
        result_key=fields.text("result_key") or endpoint,
        description=fields.text("description") or "",
        payload_template=fields.data_map("payload_template"),
        inputs=tuple(parse_slot(item, found, asked=False) for item in fields.items("inputs")),
        approve=fields.choice("approve", ("operator",)) is not None,
    )
    fields.finish()
    return tool


def money(fields: Fields, key: str) -> dict[str, int]:
    """Amounts by currency, in millionths."""
    amounts: dict[str, int] = {}
    for currency, node in fields.children(key).items():
        try:
            amount = Decimal(node.text)
        except InvalidOperation:
            amount = Decimal(-1)
        if isinstance(node.value, bool) or not amount.is_finite() or amount <= 0:
            fields.found.error(node, f"{key} must be an amount, not {kind_of(node)}", "write {USD: 0.05}")
            continue
        amounts[currency] = round(amount * 1_000_000)
    return amounts
