"""Planning: Claude is asked which of a step's tools is next."""

from events.conversation import TurnRequested
from events.dialogue import PlanStarted
from events.values import SlotOffer, ToolOffer
from libs.domain.flow import Flow, Plan, PlanTool
from libs.domain.templates import render
from services.orchestrator import speech
from services.orchestrator.story import Story


def begin(story: Story, matter: str, flow: Flow, step: Plan) -> None:
    """Claude plans from here on."""
    story.tell(PlanStarted(matter=matter, flow=flow.id, step=step.id, at=story.now))
    think(story, matter, flow, step)


def think(story: Story, matter: str, flow: Flow, step: Plan) -> None:
    """Ask Claude what is next, unless the plan waits for the ERP or for an operator."""
    now = story.matter(matter)
    plan = now.course.plan
    if plan is None or plan.approval is not None or story.conversation.status != "open" or _waits(story, matter):
        return
    if story.conversation.turn is not None:
        story.set_timer("pending", story.now + speech.PATIENCE, matter=matter, step=step.id)
        return
    goal = render(step.goal, story.names(now))
    done = [{"tool": each.tool, "inputs": dict(each.inputs), "refused": each.refused} for each in plan.chosen]
    story.tell(
        TurnRequested(
            turn=story.next_id(),
            upto=story.conversation.version,
            instructions=goal.text,
            wants="draft",
            matter=matter,
            flow=flow.id,
            step=step.id,
            context=speech.context_of(story, now),
            undefined=list(goal.undefined),
            gates=story.gates(matter),
            tools=[_offer(tool) for tool in step.tools],
            done=done,
        )
    )


def _waits(story: Story, matter: str) -> bool:
    """Whether the ERP has yet to answer what the plan asked."""
    now = story.conversation
    return any(each.matter == matter for each in now.calls.values()) or any(
        each.matter == matter and each.step is not None for each in now.writes.values()
    )


def _offer(tool: PlanTool) -> ToolOffer:
    inputs = [
        SlotOffer(name=slot.name, type=slot.type, required=slot.required, choices=list(slot.choices), ask=slot.ask)
        for slot in tool.inputs
    ]
    return ToolOffer(name=tool.endpoint, description=tool.description or tool.endpoint.replace("_", " "), inputs=inputs)
