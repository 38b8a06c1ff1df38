"""Steps that plan: tools that lead somewhere, each once, whose paths the flow fills and not Claude."""

from libs.config.check_collect import RESERVED
from libs.config.findings import Findings
from libs.config.references import References
from libs.config.tree import Node
from libs.domain.flow import Plan
from libs.domain.planner import FINISH


def check_plan(step: Plan, node: Node, refer: References, found: Findings) -> None:
    """Says what is wrong with the tools of a step."""
    for currency in step.max_cost:
        refer.priced(currency, node.at("max_cost", currency))
    endpoints = [tool.endpoint for tool in step.tools]
    if not step.tools and not found.errors_under(node):
        found.error(node.at("tools"), "a plan without tools can do nothing", "name an endpoint")
    for position, tool in enumerate(step.tools):
        place = node.at("tools", position)
        refer.endpoint(tool.endpoint, tool.payload_template, place.at("endpoint"), place.at("payload_template"))
        if tool.endpoint and tool.endpoint in endpoints[:position]:
            found.error(place, f"the tool {tool.endpoint!r} is there twice", "leave one out")
        if tool.endpoint == FINISH:
            found.error(place, f"{FINISH!r} is how Claude ends a plan", "give the endpoint another name")
        if tool.result_key in RESERVED:
            found.error(
                place.at("result_key"), f"{tool.result_key!r} already means something else", "choose another name"
            )
        names = [slot.name for slot in tool.inputs]
        for n, name in enumerate(names):
            if name in names[:n]:
                found.error(place.at("inputs", n, "name"), f"the input {name!r} is there twice", "leave one out")
            if name in tool.payload_template:
                found.error(
                    place.at("inputs", n, "name"),
                    f"{name!r} stands in the payload_template, too, which Claude cannot change",
                    "leave one out",
                )
