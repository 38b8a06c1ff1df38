"""What becomes of a plan: a choice is judged and done, and the plan ends at its goal or at its limits."""

from typing import Any, Literal

from events import turn
from events.conversation import Escalated
from events.dialogue import ApprovalHeard, ApprovalRequested, PlanChose, PlanEnded
from events.errand import ToolRequested, WritebackRequested
from events.values import ToolChoice
from libs.domain import dialogue, planner
from libs.domain.flow import Flow, Plan, PlanTool
from libs.domain.planner import Do, Finish
from libs.domain.templates import TemplateFailed
from services.orchestrator import planning, process, safely
from services.orchestrator.actions import tool_payload
from services.orchestrator.story import Story


def go_on(story: Story, matter: str, flow: Flow, step: Plan) -> None:
    """Ask Claude what is next; at a limit the plan ends instead."""
    plan = story.matter(matter).course.plan
    used_up = planner.limit(plan, step, story.now) if plan is not None else None
    if used_up is not None or safely.used_up(story) is not None:
        _end(story, matter, flow, step, used_up or "money")
    else:
        planning.think(story, matter, flow, step)


def chose(story: Story, matter: str, flow: Flow, step: Plan, done: turn.Completed, turn_id: str) -> None:
    """Claude has chosen: do it, ask an operator about it, refuse it and ask Claude again, or end the plan."""
    choice = done.choice or ToolChoice(tool="")
    verdict = planner.judge(step, choice.tool, choice.inputs, story.names(story.matter(matter)))
    said: dict[str, Any] = {"matter": matter, "flow": flow.id, "step": step.id, "turn": turn_id, "cost": done.cost}
    if isinstance(verdict, Finish):
        story.tell(PlanChose(**said, tool=planner.FINISH, inputs=choice.inputs))
        _end(story, matter, flow, step, "reached" if verdict.reached else "not_reached", verdict.summary)
        return
    payload: dict[str, Any] = {}
    refused: str | None
    if isinstance(verdict, Do):
        refused = None
        try:
            fixed = tool_payload(story, story.matter(matter), verdict.tool)
            payload = {**verdict.inputs, **fixed}
        except TemplateFailed as failure:
            refused = str(failure)
    else:
        refused = verdict.reason
    story.tell(PlanChose(**said, tool=choice.tool, inputs=choice.inputs, refused=refused))
    if refused is not None or not isinstance(verdict, Do):
        go_on(story, matter, flow, step)
    elif verdict.tool.approve:
        _ask_operator(story, matter, flow, step, verdict.tool, payload)
    else:
        _call(story, matter, step, verdict.tool, payload)


def decided(story: Story, approval: str, operator: str, approved: bool, reason: str | None) -> None:
    """An operator said whether Claude may do what it asked for; what nobody waits for any more is not done."""
    for matter in story.conversation.live:
        plan = matter.course.plan
        flow, step = story.at(matter.id)
        if plan is None or plan.approval is None or plan.approval.approval != approval or flow is None:
            continue
        asked = plan.approval
        story.tell(
            ApprovalHeard(approval=approval, matter=matter.id, operator=operator, approved=approved, reason=reason)
        )
        tool = next((t for t in (step.tools if isinstance(step, Plan) else ()) if t.endpoint == asked.tool), None)
        if not isinstance(step, Plan):
            return
        if approved and tool is not None:
            _call(story, matter.id, step, tool, asked.payload)
        else:
            go_on(story, matter.id, flow, step)


def _call(story: Story, matter: str, step: Plan, tool: PlanTool, payload: dict[str, Any]) -> None:
    """Ask the ERP, or tell it: a write is told until it is confirmed."""
    call = story.next_id()
    endpoint = story.bundle(story.matter(matter)).settings.backend.endpoints.get(tool.endpoint)
    about: dict[str, Any] = {"call": call, "matter": matter, "endpoint": tool.endpoint, "payload": payload}
    about |= {"result_key": tool.result_key, "step": step.id}
    if endpoint is not None and endpoint.read_method != "GET":
        story.tell(WritebackRequested(**about))
    else:
        story.tell(ToolRequested(**about))


def _ask_operator(story: Story, matter: str, flow: Flow, step: Plan, tool: PlanTool, payload: dict[str, Any]) -> None:
    approval = story.next_id()
    story.tell(
        ApprovalRequested(
            approval=approval, matter=matter, flow=flow.id, step=step.id, tool=tool.endpoint, payload=payload
        )
    )
    story.tell(Escalated(reason=f"Claude asks whether it may call {tool.endpoint}", matter=matter, queue="approvals"))


def _end(
    story: Story,
    matter: str,
    flow: Flow,
    step: Plan,
    how: Literal["reached", "not_reached", "steps", "money", "time"],
    summary: str | None = None,
) -> None:
    """The flow goes on where the goal was reached; else `on_error`, else a person."""
    story.tell(PlanEnded(matter=matter, flow=flow.id, step=step.id, how=how, summary=summary))
    if how == "reached":
        process.run(story, matter, flow, dialogue.next_step(flow, step))
    else:
        process.fail(story, matter, flow, step.on_error, f"the plan {step.id!r} did not reach its goal ({how})")
