"""Focus: which matter is spoken of, and what its process listens to."""

from collections.abc import Collection

from events.values import FactOffer
from libs.domain import dialogue, statemap
from libs.domain.flow import Collect
from libs.domain.followup import urgency
from libs.domain.matter import Matter
from services.orchestrator.settling import map_of
from services.orchestrator.story import Story


def intents(story: Story, about: Matter | None = None, hides: Collection[str] = ()) -> dict[str, str]:
    """What the contact may mean: the intents of the matter that is spoken of first, then those of the others."""
    offered: dict[str, str] = {}
    for matter in sorted(in_focus(story), key=lambda each: about is not None and each.id != about.id):
        state_map = map_of(story, matter) if matter.id not in hides else None
        if state_map is not None and matter.state is not None:
            offered = offered | {
                name: what
                for name, what in statemap.offered_intents(state_map, matter.state).items()
                if name not in offered
            }
    return offered


def facts(story: Story, about: Matter | None = None, hides: Collection[str] = ()) -> tuple[FactOffer, ...]:
    """What the contact may state beside the common facts: what the processes and flows of the matters use, each name once."""
    wanted: dict[str, FactOffer] = {}
    for matter in sorted(in_focus(story), key=lambda each: about is not None and each.id != about.id):
        if matter.id not in hides:
            for used_by in (map_of(story, matter), story.flow(matter)):
                wanted = {fact.name: fact for fact in (used_by.facts if used_by else ())} | wanted
    return tuple(wanted[name] for name in sorted(wanted))


def in_focus(story: Story) -> list[Matter]:
    """The live matters, the one spoken of last first, then by what presses more."""
    focus, followups = story.conversation.in_focus, story.followups
    return sorted(
        story.conversation.live,
        key=lambda matter: (matter.id != focus, urgency(followups[matter.id]) if matter.id in followups else 0),
    )


def interrupts(story: Story, matter: str) -> bool:
    """Whether the flow that runs came between another one and its questions."""
    now = story.matter(matter)
    frame = now.course.stack[-1] if now.course.stack else None
    flow = story.bundle(now).flows.get(frame.flow) if frame else None
    return frame is not None and flow is not None and isinstance(dialogue.step_of(flow, frame.step), Collect)


def listens(story: Story, matter: str, kind: statemap.TriggerType, value: str) -> bool:
    """Whether the state map has a transition for a trigger in this state, whatever its conditions say."""
    now = story.matter(matter)
    state_map = map_of(story, now)
    if state_map is None or now.state is None:
        return False
    return statemap.Accepted(kind, value) in statemap.accepted_triggers(state_map, now.state)
