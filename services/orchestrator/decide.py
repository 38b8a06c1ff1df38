"""What each fact makes of a conversation. Pure: a story goes in with what is known, and comes out with new facts."""

from typing import Any

from events import backend, business, operator
from events.conversation import (
    ChannelSwitched,
    Closed,
    Escalated,
    MessageRequested,
    OutcomeHeard,
    ProcessBound,
    Released,
    TakenOver,
    TimerSet,
    ToolAnswered,
    Understood,
)
from events.errand import ToolRequested
from events.followup import AttemptUnanswered, Joined
from events.values import Body, PolicyCheck, PolicyDecision
from libs.domain.flow import GENERAL_FLOW, Collect, Flow, Plan, ToolCall, Wait
from libs.domain.matter import Matter, informed
from libs.domain.phone import VOICE
from libs.domain.statemap import Fired
from services.orchestrator import (
    calling,
    collecting,
    focus,
    hearing,
    planned,
    process,
    settling,
    speech,
    threads,
    together,
    turns,
)
from services.orchestrator.story import Story

ERASED = "the contact was erased on request"


def take_up(story: Story, followup: str, follows: str | None) -> None:
    """A follow-up whose contact is known joins the contact's conversation, and its flow begins."""
    if story.followups[followup].settled:
        return
    opened = story.followups[followup].opened
    assert opened is not None
    story.open(follows)
    story.tell_of(followup, Joined(conversation=story.known.id))
    bundle = story.known.current
    state_map = bundle.state_maps.get(opened.process_type) if opened.process_type else None
    same = next(
        (
            matter
            for matter in story.conversation.live
            if opened.process_type
            and (matter.process_type, matter.entity_id) == (opened.process_type, opened.entity_id)
        ),
        None,
    )
    story.tell(
        ProcessBound(
            matter=followup,
            bundle=bundle.hash,
            process_type=opened.process_type if state_map else None,
            entity_type=opened.entity_type,
            entity_id=opened.entity_id,
            state=same.state if same else state_map.initial_state if state_map else None,
            channel_priority=opened.channel_priority or list(story.known.doors),
            context=opened.business_context or {},
        )
    )
    if same is not None:
        settling.cancel(story, same.id, "a newer follow-up of the same matter took over")
    if opened.process_type and state_map is None:
        speech.exhaust(story, story.matter(followup), f"the bundle has no process {opened.process_type!r}")
        return
    process.start_flow(story, followup, opened.flow or GENERAL_FLOW)


def after_tool(
    story: Story, call: str, asked: ToolRequested, answer: backend.CallCompleted | backend.CallFailed
) -> None:
    """The ERP answered a flow's question: the state map may move by it, then the flow goes on.

    The answer to a question that nobody waits for any more is noted, and moves nothing.
    """
    ok = isinstance(answer, backend.CallCompleted)
    result: Any = answer.result if isinstance(answer, backend.CallCompleted) else {"error": answer.reason}
    flows = asked.step is not None  # what is asked in a call besides is no newer question of the flow's
    newest = [
        each
        for each, other in story.conversation.calls.items()
        if other.matter == asked.matter and (other.step is not None) == flows
    ][-1:]
    story.tell(ToolAnswered(call=call, matter=asked.matter, result_key=asked.result_key, ok=ok, result=result))
    matter = story.conversation.matters.get(asked.matter)
    if matter is None or not story.conversation.open or newest != [call]:
        return
    flow, step = story.at(matter.id)
    if asked.step is None:  # it was asked in a call
        process.fire(story, matter.id, Fired("outcome", asked.result_key, result if ok else None))
        return
    if flow is not None and isinstance(step, Plan) and step.id == asked.step:
        _plan_on(story, matter.id, flow, step, Fired("outcome", asked.result_key, result if ok else None))
        return
    if flow is None or not isinstance(step, ToolCall) or step.id != asked.step:
        return
    if isinstance(answer, backend.CallFailed):
        process.fail(story, matter.id, flow, step.on_error, f"{asked.endpoint}: {answer.reason}")
        return
    moved = process.fire(story, matter.id, Fired("outcome", asked.result_key, result))
    still_here = story.matter(matter.id).step == asked.step and story.matter(matter.id).flow is not None
    if still_here and not (moved and process.started_flow(moved)):
        process.go_on(story, matter.id)


def after_writeback(story: Story, call: str, answer: backend.CallCompleted | backend.CallFailed) -> None:
    """The ERP confirmed what it was told; the state map hears its answer where it asked to. A refusal is for a person."""
    told = story.conversation.writes.get(call)
    if told is not None and told.result_key is not None:
        ok = isinstance(answer, backend.CallCompleted)
        result: Any = answer.result if isinstance(answer, backend.CallCompleted) else {"error": answer.reason}
        story.tell(ToolAnswered(call=call, matter=told.matter, result_key=told.result_key, ok=ok, result=result))
        flow, step = story.at(told.matter)
        if told.step is not None and flow is not None and isinstance(step, Plan) and step.id == told.step:
            fired = Fired("outcome", told.result_key, result if isinstance(result, dict) else None)
            _plan_on(story, told.matter, flow, step, fired)
            return
        moved = story.conversation.open and process.fire(
            story, told.matter, Fired("outcome", told.result_key, result if isinstance(result, dict) else None)
        )
        if not ok and not moved:
            story.tell(Escalated(reason=f"the ERP refused {answer.endpoint}: {told.result_key}", queue="backend"))
        return
    if isinstance(answer, backend.CallCompleted):
        story.tell(OutcomeHeard(intent=call, outcome="confirmed"))
    else:
        story.tell(OutcomeHeard(intent=call, outcome="refused"))
        story.tell(Escalated(reason=f"the ERP refused {answer.endpoint}: {answer.reason}", queue="backend"))


def _plan_on(story: Story, matter: str, flow: Flow, step: Plan, fired: Fired) -> None:
    """The state map hears what the ERP answered to a plan, too; then Claude is asked what is next."""
    process.fire(story, matter, fired)
    now = story.matter(matter)
    if now.settled is None and (now.flow, now.step) == (flow.id, step.id):
        planned.go_on(story, matter, flow, step)


def after_timer(story: Story, timer: TimerSet) -> None:
    """Business time has come; a timer that was set in another state, or before the contact spoke, is void."""
    now = story.conversation
    matter = now.matters.get(timer.matter or "")
    if timer.text or timer.template:
        if timer.timer in now.awaited:
            speech.say_later(story, timer)
    elif timer.purpose == "quiet":
        turns.understand(story)
    elif timer.purpose == "media":
        hearing.give_up_files(story, timer.name or "")
    elif timer.purpose == "check" and _set_anew(story, timer):
        return
    elif matter is not None and matter.settled is None and now.status == "with_operator":
        again = {"matter": matter.id, "name": timer.name, "state": timer.state, "step": timer.step, "mark": timer.mark}
        story.set_timer(timer.purpose, story.now + speech.OPERATOR_PATIENCE, **again)
    elif matter is not None and matter.settled is None and now.status == "open":
        _due(story, matter, timer)


def on_business_event(story: Story, matter: str, event: business.EventReceived) -> None:
    """The ERP says something about this matter's entity."""
    process.fire(story, matter, Fired("event", event.event_name, event.data))


def erase(story: Story) -> None:
    """The contact is erased: every matter ends, nothing more is said, and the conversation is over."""
    for followup in list(story.followups):
        settling.cancel(story, followup, ERASED)
    story.close_gate(f"contact:{story.contact.id}", ERASED, lasting=True)
    if story.conversation.status != "closed":
        story.tell(Closed(reason="cancelled"))


def moved_by_hand(story: Story, given: operator.TriggerGiven, stream: str) -> None:
    """Move the process that a person means: the first of those they may mean whose state map takes the trigger."""
    meant = [
        matter
        for matter in focus.in_focus(story)
        if given.process_type in (None, matter.process_type) and given.entity_id in (None, matter.entity_id)
    ]
    fired = Fired(given.trigger_type, given.trigger_value, given.extra_data)
    taking = [each for each in meant if process.takes(story, informed(each, given.extra_data), fired)]
    for matter in (taking or meant)[:1]:
        by_hand(story, given, stream, matter.id)


def by_hand(story: Story, given: operator.TriggerGiven, stream: str, matter: str) -> None:
    """Somebody moves a process by hand, with what they know."""
    extracted = given.extra_data.get("extracted_info")
    if isinstance(extracted, dict):
        intents = [given.trigger_value] if given.trigger_type == "intent" else []
        story.tell(Understood(turn=stream, intents=intents, matter=matter, extracted_info=extracted))
    before = story.matter(matter)
    moved = process.fire(story, matter, Fired(given.trigger_type, given.trigger_value, given.extra_data))
    after = story.matter(matter)
    stands = after.settled is None and (before.flow, before.step) == (after.flow, after.step)
    if moved and stands and not isinstance(story.at(matter)[1], Collect):
        process.go_on(story, matter)


def take_over(story: Story, who: str) -> None:
    """An operator takes the conversation: what was not sent yet is withheld, and we fall silent."""
    if story.conversation.status == "open":
        story.tell(TakenOver(operator=who))
        story.close_gate(f"conversation:{story.known.id}", f"taken over by {who}", lasting=True)


def reply(story: Story, given: operator.ReplyGiven) -> None:
    """An operator speaks: a person decides, so only the contact's own STOP withholds it."""
    channel = given.channel or _written_on(story)
    matter = next(iter(focus.in_focus(story)), None)
    address = story.address(channel, answering=True)
    if address is None or channel == VOICE or not story.conversation.open:
        story.tell(
            Escalated(reason=f"the reply could not be sent: no {channel} address, or the conversation is closed")
        )
        return
    if story.known.consent.stopped or story.known.consent.channels.get(channel) is False:
        story.tell(Escalated(reason="the reply was not sent: the contact said stop"))
        return
    if story.conversation.channel not in (None, channel):
        story.tell(ChannelSwitched(channel=channel, reason="the operator answers there"))
    place = threads.place(story, matter, channel)
    check = PolicyCheck(rule="operator", verdict="allowed", detail=f"{given.operator} decides")
    story.tell(
        MessageRequested(
            message=story.next_id(),
            channel=channel,
            to=address,
            body=Body(text=given.content, subject=place.subject),
            allowed_by=PolicyDecision(verdict="allowed", channel=channel, purpose="", at=story.now, checks=[check]),
            purpose="operator",
            answers=story.conversation.version,
            matter=matter.id if matter else None,
            reply_to=place.reply_to,
            thread=list(place.thread),
            gates=[f"contact:{story.contact.id}", story.gate_of(channel)],
        )
    )


def _written_on(story: Story) -> str:
    """Where a reply goes that names no channel: where it was spoken last in writing, else where the contact is written to."""
    spoken = [line.channel for line in story.conversation.lines if line.channel != VOICE]
    newest = story.conversation.channel if story.conversation.channel != VOICE else next(reversed(spoken), None)
    texts = [channel for channel in story.known.doors if channel != VOICE]
    return newest or next((each for each in texts if story.address(each)), next(iter(texts), "whatsapp"))


def approve(story: Story, given: operator.ApprovalGiven) -> None:
    """An operator says whether Claude may do what it asked for."""
    if story.conversation.open:
        planned.decided(story, given.approval, given.operator, given.approved, given.reason)


def release(story: Story, who: str) -> None:
    """The operator hands the conversation back; what nobody has answered is read now."""
    if story.conversation.status != "with_operator":
        return
    story.tell(Released(operator=who))
    story.open_gate(f"conversation:{story.known.id}")
    if story.conversation.unread and story.conversation.turn is None:
        turns.understand(story)
        process.resume_all(story)
        return
    waiting = [timer for timer in story.conversation.timers.values() if timer.name == speech.WITH_OPERATOR]
    for timer in waiting:
        if timer.timer in story.conversation.awaited:
            speech.say_later(story, timer)
    process.resume_all(story)


def _due(story: Story, matter: Matter, timer: TimerSet) -> None:
    """What a timer means for a matter that is still open."""
    match timer.purpose:
        case "check":
            if timer.state in (None, matter.state):
                process.fire(story, matter.id, Fired("timer", timer.name or "check"))
        case "deferred" if timer.name == calling.CALLBACK:
            calling.return_call(story, matter)
        case "deferred" | "pending":
            if timer.step == matter.step and not matter.asked:
                if timer.name == together.GATHER:
                    story.gathered.add(matter.id)
                process.resume(story, matter.id)
        case "wait":
            flow, step = story.at(matter.id)
            if flow is not None and isinstance(step, Wait) and step.id == timer.step and _silent(story, timer):
                process.time_out(story, matter.id, flow, step)
        case "no_reply":
            _unanswered(story, matter, timer)


def _set_anew(story: Story, timer: TimerSet) -> bool:
    """Whether the same check has been set again since in the same state, as by a promise of another day: the newer one counts."""
    about = (timer.purpose, timer.matter, timer.name, timer.state)
    alike = [
        each.timer
        for each in story.conversation.timers.values()
        if (each.purpose, each.matter, each.name, each.state) == about
    ]
    return timer.timer in alike[:-1]


def _silent(story: Story, timer: TimerSet) -> bool:
    return story.conversation.last_heard(timer.matter) == timer.mark


def _unanswered(story: Story, matter: Matter, timer: TimerSet) -> None:
    """Nobody answered: the state map says what to do, else we try again along the ladder.

    A timer that names a step was set after an answer, in a matter without a process: its flow goes on.
    """
    followup = story.followups.get(matter.id)
    if followup is None or followup.settled or str(followup.attempts) != timer.name or not _silent(story, timer):
        return
    flow, step = story.at(matter.id)
    if timer.step is not None:
        if timer.step == matter.step and flow is not None and isinstance(step, Collect):
            collecting.silent(story, matter.id, flow, step)
        elif timer.step == matter.step:
            process.go_on(story, matter.id)
        return
    if isinstance(step, Wait) and step.timeout_s is not None:
        return
    channel = followup.tried[-1] if followup.tried else ""
    story.tell_of(matter.id, AttemptUnanswered(number=followup.attempts, channel=channel))
    moved = process.fire(story, matter.id, Fired("outcome", "no_reply"))
    if moved is None and flow is not None and isinstance(step, Wait):
        process.say_again(story, matter.id, flow)
    elif story.matter(matter.id).settled is None and not (moved and process.started_flow(moved)):
        process.resume(story, matter.id)
