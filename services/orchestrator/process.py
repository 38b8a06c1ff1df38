"""A matter at work: its flow runs step by step, its state map moves, actions are done, and in the end it is settled."""

from datetime import timedelta
from typing import Any, Literal

from events.conversation import Closed, Escalated, FlowEnded, FlowStarted, ProcessMoved, StepEntered
from events.errand import ToolRequested
from events.values import Trigger
from libs.domain import dialogue, statemap
from libs.domain.flow import (
    AnyStep,
    Branch,
    Collect,
    End,
    Flow,
    Generate,
    Handoff,
    Move,
    Plan,
    Say,
    Subflow,
    ToolCall,
    Wait,
)
from libs.domain.matter import Matter
from libs.domain.phone import VOICE
from libs.domain.slots import Ask
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
    SwitchChannel,
    UpdateBackend,
)
from libs.domain.templates import TemplateFailed, render
from services.orchestrator import approach, asking, calling, focus, person, planning, safely, speech, together
from services.orchestrator.actions import IdRefused, create, tool_payload, write
from services.orchestrator.settling import cancel, map_of, settle
from services.orchestrator.story import Story


def start_flow(story: Story, matter: str, flow_id: str, *, called_from: str | None = None) -> None:
    """Begin a flow. One that runs already for this matter waits at the step `called_from`; without that it ends here."""
    now = story.matter(matter)
    flow = story.bundle(now).flows.get(flow_id)
    if called_from is None and now.flow is not None:
        story.tell(FlowEnded(matter=matter, flow=now.flow))
    if flow is None:
        speech.exhaust(story, story.matter(matter), f"the bundle has no flow {flow_id!r}")
        return
    if called_from is not None and len(now.course.stack) >= dialogue.DEPTH:
        speech.exhaust(story, now, f"{dialogue.DEPTH} flows wait for each other, and {flow_id!r} would be one more")
        return
    story.tell(FlowStarted(matter=matter, flow=flow.id, called_from=called_from))
    run(story, matter, flow, dialogue.first_step(flow))


def go_on(story: Story, matter: str) -> None:
    """Run what comes after the step at which the flow waits."""
    flow, step = story.at(matter)
    if flow is not None and step is not None:
        run(story, matter, flow, dialogue.next_step(flow, step))


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
            case Collect():
                if not _asks(story, matter, flow, step):
                    return
            case Subflow():
                start_flow(story, matter, step.flow, called_from=step.id)
                return
            case Handoff():
                _hand_over(story, matter, step)
                return
            case Wait():
                if step.timeout_s is not None:
                    due_at = story.now + timedelta(seconds=step.timeout_s)
                    story.set_timer(
                        "wait", due_at, matter=matter, step=step.id, mark=story.conversation.last_heard(matter)
                    )
                return
            case Plan():
                planning.begin(story, matter, flow, step)
                return
        step = dialogue.next_step(flow, step)
    speech.exhaust(story, story.matter(matter), f"the flow {flow.id!r} ran {dialogue.LIMIT} steps without waiting")


def speak(story: Story, matter: str, flow: Flow, step: Say | Generate, *, rereads: bool = False) -> bool:
    """Say what a step says; False when the flow must wait: for Claude, for an allowed minute, or for a person."""
    now = story.matter(matter)
    if story.conversation.status == "with_operator" or story.conversation.silenced or matter in story.held:
        return False
    purpose = approach.purpose_of(story, now)
    if calling.has_floor(story):
        return calling.in_the_call(story, now, step)
    calls = story.conversation.phone is None
    way, skipped = approach.find_way(story, now, purpose=purpose, templates=step.templates, calls=calls)
    if isinstance(way, approach.NoWay):
        speech.defer(story, now, way)
        return False
    if way.channel == VOICE:
        calling.dial(story, now, way, step, purpose=purpose, skipped=skipped)
        return False
    if way.identifies:
        person.ask(story, now, way, purpose=purpose, skipped=skipped)
        return False
    if purpose == "approach" and together.to_gather(story, now):
        story.set_timer("pending", story.now + speech.PATIENCE, matter=matter, step=step.id, name=together.GATHER)
        return False
    mates = together.companions(story, now, step, way, purpose)
    try:
        body = together.body(story, [now, *mates], way, step) if mates else speech.step_body(story, now, way, step)
        more = together.prompts(story, step, mates) if isinstance(step, Generate) else ""
        more += f"\n{person.CONFIRMED}" if person.waits_for_it(story, now) else ""
    except TemplateFailed as failure:
        fail(story, matter, flow, step.on_error, f"step {step.id!r} cannot speak: {failure}")
        return False
    if body is not None:
        speech.say(story, now, way, body, purpose=purpose, step=step.id, skipped=skipped, merged=mates)
        for mate in mates if isinstance(step, Say) else ():
            run(story, mate.id, flow, dialogue.next_step(flow, step))
        return True
    if story.conversation.turn is not None:
        story.set_timer("pending", story.now + speech.PATIENCE, matter=matter, step=step.id)
        return False
    assert isinstance(step, Generate)
    if not safely.within_budget(story, now, step, story.at(matter)[1]):
        return False
    unheard = any(not line.understood for line in story.conversation.unread_about(matter))
    both = unheard or rereads
    slots = asking.offers(story, now)
    hides = person.hidden(story, way.channel, way.address)
    offered = focus.intents(story, now, hides) if unheard else {}
    wants: Literal["both", "draft"] = "both" if both else "draft"
    speech.ask_claude(story, now, step, wants, offered, slots, hides, mates, more)
    return False


def ask(story: Story, matter: str, flow: Flow, step: Collect, *, rereads: bool = True) -> None:
    """Ask for the next open slot. `rereads`: what the contact said last may hold answers that nobody has looked for."""
    now = story.matter(matter)
    todo = asking.todo(now, step)
    rereads = rereads and bool(story.conversation.unread_about(matter))
    said = speak(story, matter, flow, asking.words_of(now, step), rereads=rereads)
    asked = (said or not rereads) and not person.asked_now(story)
    if isinstance(todo, Ask) and asked and story.at(matter)[1] == step:
        asking.note(story, matter, flow, step, todo.slot)


def resume(story: Story, matter: str) -> None:
    """Try again to say, or to plan, what could not be said or planned before."""
    flow, step = story.at(matter)
    if flow is None:
        return
    if isinstance(step, Plan):
        planning.think(story, matter, flow, step)
    elif isinstance(step, Collect):
        words = asking.words_of(story.matter(matter), step)
        speak(story, matter, flow, words, rereads=bool(story.conversation.unread_about(matter)))
    elif isinstance(step, Generate):
        speak(story, matter, flow, step)
    elif isinstance(step, Say) and speak(story, matter, flow, step):
        run(story, matter, flow, dialogue.next_step(flow, step))


def resume_all(story: Story) -> None:
    """Say what could not be said while an operator had the conversation; where the contact wrote of it, the answer comes first."""
    for matter in focus.in_focus(story):
        _, step = story.at(matter.id)
        waits = not story.matter(matter.id).asked and not story.conversation.unread_about(matter.id)
        if isinstance(step, Say | Generate | Collect | Plan) and waits:
            resume(story, matter.id)


def say_again(story: Story, matter: str, flow: Flow) -> None:
    """Nobody answered while the flow waits for a reply: it goes on from its step that spoke last, along the ladder."""
    for sent in reversed(list(story.conversation.messages.values())):
        step = dialogue.step_of(flow, sent.step) if matter in (sent.matter, *sent.merged) else None
        if isinstance(step, Say | Generate):
            run(story, matter, flow, step)
            return


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


def takes(story: Story, matter: Matter, fired: Fired) -> bool:
    """Whether a trigger would move a matter that is as it is given here."""
    state_map = map_of(story, matter)
    if state_map is None or matter.state is None or matter.settled is not None:
        return False
    return isinstance(statemap.step(state_map, matter.state, fired, story.names(matter)), Moved)


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
            matter=matter,
            from_state=now.state,
            to_state=step.to_state,
            trigger=trigger,
            reasons=list(step.reasons),
            transition=step.transition,
        )
    )
    if step.terminal:
        settle(story, matter, outcome=f"{trigger.type}: {trigger.value}")
    for action in step.actions:
        _perform(story, matter, action, aside=step.from_state == step.to_state)
    return step


def started_flow(moved: Moved) -> bool:
    """Whether a transition's actions began a flow of their own."""
    return any(isinstance(action, StartFlow) for action in moved.actions)


def close_if_done(story: Story) -> None:
    """A conversation closes when no matter is open in it and nothing is awaited.

    A question that another matter came between is asked again first.
    """
    _ask_again(story)
    now = story.conversation
    if now.status != "open" or now.live or now.awaited or now.quiet or now.unread:
        return
    settled = [matter.settled for matter in now.matters.values()]
    reason: Any = settled[-1] if settled else "resolved"
    story.tell(Closed(reason=reason))


def _end_flow(story: Story, matter: str, flow: Flow) -> None:
    """The flow is over: the one that waits for it goes on, else a matter without a process is settled."""
    returns = bool(story.matter(matter).course.stack)
    story.tell(FlowEnded(matter=matter, flow=flow.id, returns=returns))
    if returns:
        _come_back(story, matter)
        return
    now = story.matter(matter)
    if now.process_type is None and now.settled is None:
        settle(story, matter, outcome=f"the flow {flow.id} has ended")


def _come_back(story: Story, matter: str) -> None:
    """Go on in the flow that waited; where it was interrupted, its question is asked again."""
    flow, step = story.at(matter)
    if flow is None:
        speech.exhaust(story, story.matter(matter), "the flow that waited is gone")
    elif isinstance(step, Collect):
        ask(story, matter, flow, step)
    else:
        run(story, matter, flow, dialogue.after_return(flow, step))


def _ask_again(story: Story) -> None:
    now = story.conversation
    focus = now.matters.get(now.focus or "")
    if not story.drafts or now.status != "open" or now.turn is not None or focus is None:
        return
    if focus.flow is not None and focus.settled is None:
        return
    for matter in now.live:
        flow, step = story.at(matter.id)
        if matter.id != focus.id and matter.asked and flow is not None and isinstance(step, Collect):
            ask(story, matter.id, flow, step)
            return


def _asks(story: Story, matter: str, flow: Flow, step: Collect) -> bool:
    """Begin to collect; True where nothing is to be asked."""
    if asking.todo(story.matter(matter), step) is None:
        return True
    ask(story, matter, flow, step)
    return False


def _hand_over(story: Story, matter: str, step: Handoff) -> None:
    """A person goes on: the flow is over; a matter without a process is theirs, the others stay with their state map."""
    now = story.matter(matter)
    reason = render(step.reason, story.names(now)).text
    if now.process_type is None:
        speech.exhaust(story, now, reason, queue=step.queue)
        return
    story.tell(Escalated(reason=reason, matter=matter, queue=step.queue))
    phone = story.conversation.phone
    if phone is not None and phone.live and phone.known and phone.matter == matter:
        story.hands_over = reason
    if now.flow is not None:
        story.tell(FlowEnded(matter=matter, flow=now.flow))


def _ask_tool(story: Story, matter: str, flow: Flow, step: ToolCall) -> None:
    try:
        payload = tool_payload(story, story.matter(matter), step)
    except TemplateFailed as failure:
        reason = f"step {step.id!r} cannot ask: {failure}"
        if isinstance(failure, IdRefused) and step.on_error is not None:
            story.tell(Escalated(reason=reason, matter=matter))  # the flow goes on, and somebody should know
        fail(story, matter, flow, step.on_error, reason)
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


def _perform(story: Story, matter: str, action: Action, *, aside: bool) -> None:
    """Do an action. `aside`: the process stays in its state, so that a flow that is started interrupts questions only."""
    match action:
        case UpdateBackend():
            write(story, matter, action.endpoint, action.payload, "action", action.result_key)
        case ScheduleCheck():
            due_at = story.now + timedelta(minutes=action.delay_minutes)
            story.set_timer("check", due_at, matter=matter, name=action.name, state=story.matter(matter).state)
        case SendMessage():
            if not calling.say_aside(story, matter, action.text, action.template, action.channel):
                speech.send(story, matter, text=action.text, template=action.template, channel=action.channel)
        case StartFlow():
            flow, step = story.at(matter)
            interrupts = aside and isinstance(step, Collect) and flow is not None and flow.id != action.flow
            start_flow(story, matter, action.flow, called_from=step.id if interrupts and step else None)
        case SwitchChannel():
            approach.switch(story, matter, action.channel)
        case Escalate():
            reason = render(action.reason, story.names(story.matter(matter))).text
            story.tell(Escalated(reason=reason, matter=matter, queue=action.queue))
        case CreateFollowup():
            create(story, matter, action)
        case Close():
            cancel(story, matter, action.reason or "closed by the state map")
