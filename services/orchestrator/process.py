"""A matter at work: its flow runs step by step, its state map moves, actions are done, and in the end it is settled."""

from datetime import timedelta
from typing import Any, Literal

from events.conversation import (
    Closed,
    Escalated,
    FlowEnded,
    FlowStarted,
    MatterSettled,
    ProcessMoved,
    StepEntered,
    ToolRequested,
    WritebackRequested,
)
from events.followup import Cancelled, Opened, Resolved
from events.values import Trigger
from libs.domain import dialogue, statemap
from libs.domain.conversation import Matter
from libs.domain.flow import AnyStep, Branch, End, Flow, Generate, Move, Say, ToolCall, Unbuilt, Wait
from libs.domain.rules import render_spec
from libs.domain.statemap import (
    Action,
    Close,
    CreateFollowup,
    Escalate,
    Fired,
    Moved,
    ScheduleCheck,
    SendMessage,
    StartFlow,
    StateMap,
    SwitchChannel,
    UpdateBackend,
)
from libs.domain.templates import TemplateFailed, render, render_payload
from services.orchestrator import approach, speech
from services.orchestrator.story import Story

PATIENCE = timedelta(seconds=2)
"""How long a matter waits for its turn to speak while Claude is busy with another one of the same conversation."""


def map_of(story: Story, matter: Matter) -> StateMap | None:
    """The state map that a matter is pinned to."""
    if matter.process_type is None:
        return None
    return story.bundle(matter).state_maps.get(matter.process_type)


def start_flow(story: Story, matter: str, flow_id: str) -> None:
    """Begin a flow; one that runs already for this matter ends here."""
    if story.matter(matter).flow is not None:
        story.tell(FlowEnded(matter=matter, flow=story.matter(matter).flow or ""))
    flow = story.bundle(story.matter(matter)).flows.get(flow_id)
    if flow is None:
        speech.exhaust(story, story.matter(matter), f"the bundle has no flow {flow_id!r}")
        return
    story.tell(FlowStarted(matter=matter, flow=flow.id))
    run(story, matter, flow, dialogue.first_step(flow))


def go_on(story: Story, matter: str) -> None:
    """Run what comes after the step at which the flow waits."""
    flow, step = here(story, matter)
    if flow is not None and step is not None:
        run(story, matter, flow, dialogue.next_step(flow, step))


def here(story: Story, matter: str) -> tuple[Flow | None, AnyStep | None]:
    """The flow and the step at which a matter stands."""
    now = story.matter(matter)
    flow = story.bundle(now).flows.get(now.flow) if now.flow else None
    return flow, dialogue.step_of(flow, now.step) if flow else None


def run(story: Story, matter: str, flow: Flow, step: AnyStep | None) -> None:
    """Run a flow from `step` until it waits for somebody, or ends."""
    while story.steps[matter] < dialogue.LIMIT:
        story.steps[matter] += 1
        if step is None or isinstance(step, End):
            _end_flow(story, matter, flow)
            return
        story.tell(StepEntered(matter=matter, flow=flow.id, step=step.id))
        match step:
            case Branch():
                step = dialogue.branch(flow, step, story.names(story.matter(matter))).step
                continue
            case Move():
                moved = fire(story, matter, Fired("manual", step.trigger_value))
                if moved is not None and started_flow(moved):
                    return
            case ToolCall():
                _ask_tool(story, matter, flow, step)
                return
            case Say():
                if not speak(story, matter, flow, step):
                    return
            case Generate():
                speak(story, matter, flow, step)
                return
            case Wait():
                if step.timeout_s is not None:
                    due_at = story.now + timedelta(seconds=step.timeout_s)
                    story.set_timer("wait", due_at, matter=matter, step=step.id, mark=story.conversation.last_heard)
                return
            case Unbuilt():
                speech.exhaust(story, story.matter(matter), f"the step {step.kind!r} is not built yet")
                return
        step = dialogue.next_step(flow, step)
    speech.exhaust(story, story.matter(matter), f"the flow {flow.id!r} ran {dialogue.LIMIT} steps without waiting")


def speak(story: Story, matter: str, flow: Flow, step: Say | Generate) -> bool:
    """Say what a step says; False when the flow must wait: for Claude, for an allowed minute, or for a person."""
    now = story.matter(matter)
    if story.conversation.status == "with_operator":
        return False
    purpose: approach.Purpose = "answer" if story.conversation.unread else "approach"
    way, skipped = approach.find_way(story, now, purpose=purpose, templates=step.templates)
    if isinstance(way, approach.NoWay):
        speech.defer(story, now, way)
        return False
    try:
        body = speech.step_body(story, now, way, step)
    except TemplateFailed as failure:
        fail(story, matter, flow, step.on_error, f"step {step.id!r} cannot speak: {failure}")
        return False
    if body is not None:
        speech.say(story, now, way, body, purpose=purpose, step=step.id, skipped=skipped)
        return True
    if story.conversation.turn is not None:
        story.set_timer("pending", story.now + PATIENCE, matter=matter, step=step.id)
        return False
    assert isinstance(step, Generate)
    unheard = story.conversation.last_heard > story.conversation.understood
    speech.ask_claude(story, now, step, "both" if unheard else "draft", intents(story) if unheard else {})
    return False


def resume(story: Story, matter: str) -> None:
    """Try again to say what could not be said before."""
    flow, step = here(story, matter)
    if flow is None:
        return
    if isinstance(step, Generate):
        speak(story, matter, flow, step)
    elif isinstance(step, Say) and speak(story, matter, flow, step):
        run(story, matter, flow, dialogue.next_step(flow, step))


def resume_all(story: Story) -> None:
    """Say what could not be said while an operator had the conversation."""
    for matter in in_focus(story):
        _, step = here(story, matter.id)
        if isinstance(step, Say | Generate) and not story.matter(matter.id).asked:
            resume(story, matter.id)


def fail(story: Story, matter: str, flow: Flow, on_error: str | None, reason: str) -> None:
    """A step could not be done: go where it says, else a person must look at it."""
    step = dialogue.step_of(flow, on_error)
    if step is not None:
        run(story, matter, flow, step)
    else:
        speech.exhaust(story, story.matter(matter), reason)


def time_out(story: Story, matter: str, flow: Flow, step: Wait) -> None:
    """Nobody answered in the time that a `wait` gives."""
    target = dialogue.step_of(flow, step.on_timeout) if step.on_timeout else dialogue.next_step(flow, step)
    run(story, matter, flow, target)


def intents(story: Story) -> dict[str, str]:
    """What the contact may mean: the intents of the matter in focus first, then those of the others."""
    offered: dict[str, str] = {}
    for matter in in_focus(story):
        state_map = map_of(story, matter)
        if state_map is not None and matter.state is not None:
            offered = statemap.offered_intents(state_map, matter.state) | offered
    return offered


def in_focus(story: Story) -> list[Matter]:
    """The live matters, the one spoken of last first."""
    live = list(story.conversation.live)
    return sorted(live, key=lambda matter: matter.id != story.conversation.focus)


def fire(story: Story, matter: str, fired: Fired) -> Moved | None:
    """Give a trigger to a matter's state map; None when no transition takes it."""
    now = story.matter(matter)
    state_map = map_of(story, now)
    if state_map is None or now.state is None or now.settled is not None:
        return None
    step = statemap.step(state_map, now.state, fired, story.names(now))
    if not isinstance(step, Moved):
        return None
    trigger = Trigger(type=fired.type, value=fired.value)
    story.tell(
        ProcessMoved(
            matter=matter, from_state=now.state, to_state=step.to_state, trigger=trigger, reasons=list(step.reasons)
        )
    )
    if step.terminal:
        settle(story, matter, outcome=f"{trigger.type}: {trigger.value}")
    for action in step.actions:
        _perform(story, matter, action)
    return step


def started_flow(moved: Moved) -> bool:
    """Whether a transition's actions began a flow of their own."""
    return any(isinstance(action, StartFlow) for action in moved.actions)


def listens(story: Story, matter: str, kind: statemap.TriggerType, value: str) -> bool:
    """Whether the state map has a transition for a trigger in this state, whatever its conditions say."""
    now = story.matter(matter)
    state_map = map_of(story, now)
    if state_map is None or now.state is None:
        return False
    return statemap.Accepted(kind, value) in statemap.accepted_triggers(state_map, now.state)


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
        _write(story, matter, state_map.on_resolved.endpoint, state_map.on_resolved.payload, "resolved")
    elif erp_id is not None:
        payload = {"followup_id": erp_id, "status": "resolved", "outcome": outcome}
        _request_write(story, matter, "update_followup", payload, "resolved")


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


def close_if_done(story: Story) -> None:
    """A conversation closes when no matter is open in it and nothing is awaited."""
    now = story.conversation
    if now.status != "open" or now.live or now.awaited or now.quiet or now.unread:
        return
    settled = [matter.settled for matter in now.matters.values()]
    reason: Any = settled[-1] if settled else "resolved"
    story.tell(Closed(reason=reason))


def _end_flow(story: Story, matter: str, flow: Flow) -> None:
    story.tell(FlowEnded(matter=matter, flow=flow.id))
    now = story.matter(matter)
    if now.process_type is None and now.settled is None:
        settle(story, matter, outcome=f"the flow {flow.id} has ended")


def _ask_tool(story: Story, matter: str, flow: Flow, step: ToolCall) -> None:
    try:
        payload = render_payload(step.payload_template, story.names(story.matter(matter)), bare_paths=True)
    except TemplateFailed as failure:
        fail(story, matter, flow, step.on_error, f"step {step.id!r} cannot ask: {failure}")
        return
    story.tell(
        ToolRequested(
            call=story.next_id(),
            matter=matter,
            endpoint=step.endpoint,
            result_key=step.result_key,
            payload=payload,
            step=step.id,
        )
    )


def _perform(story: Story, matter: str, action: Action) -> None:
    match action:
        case UpdateBackend():
            _write(story, matter, action.endpoint, action.payload, "action")
        case ScheduleCheck():
            due_at = story.now + timedelta(minutes=action.delay_minutes)
            story.set_timer("check", due_at, matter=matter, name=action.name, state=story.matter(matter).state)
        case SendMessage():
            speech.send(story, matter, text=action.text, template=action.template, channel=action.channel)
        case StartFlow():
            start_flow(story, matter, action.flow)
        case SwitchChannel():
            approach.switch(story, matter, action.channel)
        case Escalate():
            reason = render(action.reason, story.names(story.matter(matter))).text
            story.tell(Escalated(reason=reason, matter=matter, queue=action.queue))
        case CreateFollowup():
            _create(story, matter, action)
        case Close():
            cancel(story, matter, action.reason or "closed by the state map")


def _create(story: Story, matter: str, action: CreateFollowup) -> None:
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


def _write(
    story: Story, matter: str, endpoint: str, payload: dict[str, Any], why: Literal["action", "resolved"]
) -> None:
    try:
        rendered = render_payload(payload, story.names(story.matter(matter)))
    except TemplateFailed as failure:
        reason = f"the ERP could not be told by {endpoint!r}: {failure}"
        story.tell(Escalated(reason=reason, matter=matter))
        return
    _request_write(story, matter, endpoint, rendered, why)


def _request_write(
    story: Story, matter: str, endpoint: str, payload: dict[str, Any], why: Literal["action", "resolved"]
) -> None:
    call = story.next_id()
    story.tell(WritebackRequested(call=call, matter=matter, endpoint=endpoint, payload=payload, why=why))


def _withdraw(story: Story, matter: str, reason: str) -> None:
    """Close the gate for what was asked for before; nothing that is asked for later is withheld by it."""
    now = story.conversation
    on_its_way = any(sent.matter == matter and intent in now.awaited for intent, sent in now.messages.items()) or (
        now.turn is not None and now.turn.matter == matter
    )
    if on_its_way:
        story.close_gate(f"matter:{matter}", reason)
