"""Actions that need no flow: the ERP is told, and another follow-up is opened."""

from typing import Any, Literal

from events.conversation import Escalated
from events.errand import WritebackRequested
from events.followup import Opened
from libs.domain.flow import PlanTool, ToolCall
from libs.domain.ids import refusal
from libs.domain.matter import Matter
from libs.domain.rules import render_spec
from libs.domain.statemap import CreateFollowup
from libs.domain.templates import TemplateFailed, render_payload
from services.orchestrator.story import Story


class IdRefused(TemplateFailed):
    """An id is only what the contact said: whose record it is nobody knows, so the ERP is not asked."""

    def __init__(self, endpoint: str, reason: str) -> None:
        Exception.__init__(self, f"{endpoint} is not asked: {reason}")
        self.template, self.reason = endpoint, reason


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
        rendered = _rendered(story, story.matter(matter), endpoint, payload, bare_paths=False)
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


def tool_payload(story: Story, matter: Matter, tool: ToolCall | PlanTool) -> dict[str, Any]:
    """What a flow asks a tool. Raises TemplateFailed where a name is not defined, or an id is only the contact's word."""
    return _rendered(story, matter, tool.endpoint, dict(tool.payload_template), bare_paths=True)


def _rendered(
    story: Story, matter: Matter, endpoint: str, payload: dict[str, Any], *, bare_paths: bool
) -> dict[str, Any]:
    names = story.names(matter)
    rendered = render_payload(payload, names, bare_paths=bare_paths)
    known = story.bundle(matter).settings.backend.endpoints.get(endpoint)
    refused = refusal(payload, rendered, names, known.parameters if known else (), bare_paths=bare_paths)
    if refused is not None:
        raise IdRefused(endpoint, refused)
    return rendered
