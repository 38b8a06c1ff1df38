"""Settling: a matter is over, what is still on its way is withdrawn, and the ERP is told."""

from typing import Literal

from events.conversation import FlowEnded, MatterSettled
from events.followup import Cancelled, Resolved
from libs.domain.matter import Matter
from libs.domain.statemap import StateMap
from services.orchestrator.actions import request_write, write
from services.orchestrator.story import Story


def map_of(story: Story, matter: Matter) -> StateMap | None:
    """The state map that a matter is pinned to."""
    if matter.process_type is None:
        return None
    return story.bundle(matter).state_maps.get(matter.process_type)


def settle(story: Story, matter: str, *, outcome: str) -> None:
    """The matter is settled: withdraw what is still on its way, and tell the ERP once."""
    now = story.matter(matter)
    _withdraw(story, matter, "the matter is settled")
    followup = story.followups.get(matter)
    if followup is not None and not followup.settled:
        story.tell_of(matter, Resolved(outcome=outcome, state=now.state))
    story.tell(MatterSettled(matter=matter, how="resolved"))
    if now.flow is not None:
        story.tell(FlowEnded(matter=matter, flow=now.flow))
    state_map = map_of(story, now)
    erp_id = followup.opened.erp_id if followup and followup.opened else None
    if state_map is not None and state_map.on_resolved is not None:
        write(story, matter, state_map.on_resolved.endpoint, state_map.on_resolved.payload, "resolved")
    elif erp_id is not None:
        payload = {"followup_id": erp_id, "status": "resolved", "outcome": outcome}
        request_write(story, matter, "update_followup", payload, "resolved")


def cancel(story: Story, matter: str, reason: str, how: Literal["cancelled", "handed_over"] = "cancelled") -> None:
    """The matter became pointless: withdraw what is on its way and say nothing more about it."""
    followup = story.followups.get(matter)
    if followup is not None and not followup.settled:
        story.tell_of(matter, Cancelled(reason=reason))
    now = story.conversation.matters.get(matter)
    if now is None or now.settled is not None:
        return
    _withdraw(story, matter, reason)
    story.tell(MatterSettled(matter=matter, how=how))
    if now.flow is not None:
        story.tell(FlowEnded(matter=matter, flow=now.flow))


def _withdraw(story: Story, matter: str, reason: str) -> None:
    """Close the gate for what was asked for before; nothing that is asked for later is withheld by it.

    What this very decision said is meant: it closes no gate.
    """
    now, before = story.conversation, story.known.conversation
    on_its_way = any(
        matter in (sent.matter, *sent.merged) and intent in now.awaited for intent, sent in before.messages.items()
    ) or (now.turn is not None and now.turn.matter == matter)
    if on_its_way:
        story.close_gate(f"matter:{matter}", reason)
