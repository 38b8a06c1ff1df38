"""Actions that need no flow: the ERP is told, and another follow-up is opened."""

from typing import Any, Literal

from events.conversation import Escalated, WritebackRequested
from events.followup import Opened
from libs.domain.rules import render_spec
from libs.domain.statemap import CreateFollowup
from libs.domain.templates import TemplateFailed, render_payload
from services.orchestrator.story import Story


def create(story: Story, matter: str, action: CreateFollowup) -> None:
    """Open another follow-up, as a rule would."""
    try:
        spec = render_spec(action.followup, story.names(story.matter(matter)))
    except TemplateFailed as failure:
        story.tell(Escalated(reason=f"a follow-up could not be created: {failure}", matter=matter))
        return
    story.tell_of(
        story.new_id("followup"),
        Opened(
            contact_id=spec.contact_id,
            reason=spec.reason,
            origin="action",
            priority=spec.priority,
            channel_priority=list(spec.channel_priority),
            process_type=spec.process_type,
            entity_type=spec.entity_type,
            entity_id=spec.entity_id,
            flow=spec.flow,
            business_context=spec.business_context or dict(story.matter(matter).context),
        ),
    )


def write(
    story: Story,
    matter: str,
    endpoint: str,
    payload: dict[str, Any],
    why: Literal["action", "resolved"],
    result_key: str | None = None,
) -> None:
    """Tell the ERP what a payload comes to; one that cannot be rendered is for a person."""
    try:
        rendered = render_payload(payload, story.names(story.matter(matter)))
    except TemplateFailed as failure:
        reason = f"the ERP could not be told by {endpoint!r}: {failure}"
        story.tell(Escalated(reason=reason, matter=matter))
        return
    request_write(story, matter, endpoint, rendered, why, result_key)


def request_write(
    story: Story,
    matter: str,
    endpoint: str,
    payload: dict[str, Any],
    why: Literal["action", "resolved"],
    result_key: str | None = None,
) -> None:
    """Tell the ERP, until it confirms."""
    call = story.next_id()
    story.tell(
        WritebackRequested(call=call, matter=matter, endpoint=endpoint, payload=payload, why=why, result_key=result_key)
    )
