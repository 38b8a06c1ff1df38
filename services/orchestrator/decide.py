"""What each fact makes of a conversation. Pure: a story goes in with what is known, and comes out with new facts."""

from datetime import timedelta
from typing import Any, Literal

from events import backend, business, inbound, operator
from events.consent import Given
from events.conversation import (
    ChannelSwitched,
    ContactSaid,
    Escalated,
    MessageRequested,
    Opened,
    OutcomeHeard,
    ProcessBound,
    Released,
    TakenOver,
    TimerSet,
    ToolAnswered,
    ToolRequested,
    Understood,
)
from events.followup import AttemptUnanswered, Joined
from events.values import Body, PolicyCheck, PolicyDecision
from libs.domain.conversation import Matter, Sent
from libs.domain.flow import Collect, Flow, Plan, ToolCall, Wait
from libs.domain.statemap import Fired
from libs.domain.stopwords import is_start, is_stop, stop_words
from services.orchestrator import collecting, planned, process, settling, speech, turns
from services.orchestrator.story import Story

GENERAL_FLOW = "general_followup"


def take_up(story: Story, followup: str, follows: str | None) -> None:
    """A follow-up whose contact is known joins the contact's conversation, and its flow begins."""
    if story.followups[followup].settled:
        return
    opened = story.followups[followup].opened
    assert opened is not None
    _open(story, follows)
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


def hear(story: Story, said: inbound.Received, stream: str, follows: str | None) -> None:
    """The contact spoke: STOP is obeyed before anything reads it; else Claude is asked, once for all that is unread."""
    _open(story, follows)
    story.tell(
        ContactSaid(
            channel=said.channel,
            inbound=stream,
            text=said.text,
            at=story.now,
            provider_ref=said.provider_ref,
            reply_to=said.reply_to,
        )
    )
    policy = story.known.current.policy
    if is_stop(said.text, stop_words(policy.stop_words)):
        turns.stop(story, "stop_word", said.text)
        return
    if story.known.consent.stopped:
        if not is_start(said.text):
            if len(story.conversation.unread) == 1:
                story.tell(Escalated(reason="the contact said stop before and writes again; only START is obeyed"))
            return
        story.tell_consent(Given(contact_id=story.contact.id, evidence=said.text))
        story.open_gate(f"contact:{story.contact.id}")
    if story.conversation.status == "open" and story.conversation.turn is None and not story.conversation.quiet:
        turns.understand(story)


def after_tool(
    story: Story, call: str, asked: ToolRequested, answer: backend.CallCompleted | backend.CallFailed
) -> None:
    """The ERP answered a flow's question: the state map may move by it, then the flow goes on.

    The answer to a question that nobody waits for any more is noted, and moves nothing.
    """
    ok = isinstance(answer, backend.CallCompleted)
    result: Any = answer.result if isinstance(answer, backend.CallCompleted) else {"error": answer.reason}
    newest = [each for each, other in story.conversation.calls.items() if other.matter == asked.matter][-1:]
    story.tell(ToolAnswered(call=call, matter=asked.matter, result_key=asked.result_key, ok=ok, result=result))
    matter = story.conversation.matters.get(asked.matter)
    if matter is None or not story.conversation.open or newest != [call]:
        return
    flow, step = process.here(story, matter.id)
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
        flow, step = process.here(story, told.matter)
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


def after_message(
    story: Story, message: str, outcome: Literal["accepted", "unknown", "delivered", "read", "failed", "withheld"]
) -> None:
    """A message's state reached us; the first one counts as its outcome, later ones may still move the process."""
    sent = story.conversation.messages.get(message)
    if sent is None:
        return
    lost = outcome in ("failed", "withheld")
    if message in story.conversation.awaited:
        story.tell(OutcomeHeard(intent=message, outcome=outcome))
        if not lost:
            _sent(story, sent)
    elif lost and sent.heard != outcome:
        story.tell(OutcomeHeard(intent=message, outcome=outcome))
    if lost and sent.purpose == "approach":
        story.approaches = [at for at in story.approaches if at != sent.at]
    if story.conversation.open:
        if outcome in ("delivered", "read") and sent.matter:
            process.fire(story, sent.matter, Fired("outcome", outcome))
        if lost and sent.heard != outcome:
            _not_sent(story, sent, outcome)


def after_timer(story: Story, timer: TimerSet) -> None:
    """Business time has come; a timer that was set in another state, or before the contact spoke, is void."""
    now = story.conversation
    matter = now.matters.get(timer.matter or "")
    if timer.text or timer.template:
        if timer.timer in now.awaited:
            speech.say_later(story, timer)
    elif timer.purpose == "quiet":
        if now.status == "open" and now.turn is None and now.unread:
            turns.understand(story)
    elif matter is not None and matter.settled is None and now.status == "with_operator":
        again = {"matter": matter.id, "name": timer.name, "state": timer.state, "step": timer.step, "mark": timer.mark}
        story.set_timer(timer.purpose, story.now + speech.OPERATOR_PATIENCE, **again)
    elif matter is not None and matter.settled is None and now.status == "open":
        _due(story, matter, timer)


def on_business_event(story: Story, matter: str, event: business.EventReceived) -> None:
    """The ERP says something about this matter's entity."""
    process.fire(story, matter, Fired("event", event.event_name, event.data))


def withdraw(story: Story, matter: str, reason: str) -> None:
    """The matter became pointless."""
    settling.cancel(story, matter, reason)


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
    if moved and stands and not isinstance(process.here(story, matter)[1], Collect):
        process.go_on(story, matter)


def take_over(story: Story, who: str) -> None:
    """An operator takes the conversation: what was not sent yet is withheld, and we fall silent."""
    if story.conversation.status == "open":
        story.tell(TakenOver(operator=who))
        story.close_gate(f"conversation:{story.known.id}", f"taken over by {who}", lasting=True)


def reply(story: Story, given: operator.ReplyGiven) -> None:
    """An operator speaks: a person decides, so only the contact's own STOP withholds it."""
    channel = given.channel or story.conversation.channel or next(iter(story.known.doors), "whatsapp")
    address = story.contact.address(channel)
    if address is None or not story.conversation.open:
        story.tell(
            Escalated(reason=f"the reply could not be sent: no {channel} address, or the conversation is closed")
        )
        return
    if story.known.consent.stopped:
        story.tell(Escalated(reason="the reply was not sent: the contact said stop"))
        return
    if story.conversation.channel not in (None, channel):
        story.tell(ChannelSwitched(channel=channel, reason="the operator answers there"))
    check = PolicyCheck(rule="operator", verdict="allowed", detail=f"{given.operator} decides")
    story.tell(
        MessageRequested(
            message=story.next_id(),
            channel=channel,
            to=address,
            body=Body(text=given.content),
            allowed_by=PolicyDecision(verdict="allowed", channel=channel, purpose="", at=story.now, checks=[check]),
            purpose="operator",
            answers=story.conversation.version,
            gates=[f"contact:{story.contact.id}"],
        )
    )


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
        return
    waiting = [timer for timer in story.conversation.timers.values() if timer.name == speech.WITH_OPERATOR]
    for timer in waiting:
        if timer.timer in story.conversation.awaited:
            speech.say_later(story, timer)
    process.resume_all(story)


def _open(story: Story, follows: str | None) -> None:
    if story.conversation.status == "new":
        story.tell(Opened(contact_id=story.contact.id, follows=follows))


def _sent(story: Story, sent: Sent) -> None:
    """The provider took it, or may have: the process may move, and an approach waits for its answer."""
    matter = story.conversation.matters.get(sent.matter or "")
    if matter is None or matter.settled is not None or not story.conversation.open:
        return
    process.fire(story, matter.id, Fired("outcome", "message_sent"))
    followup = story.followups.get(matter.id)
    if sent.step is None or story.matter(matter.id).settled or followup is None:
        return
    due_at = story.now + timedelta(minutes=story.known.current.policy.no_reply_minutes)
    wait = {"matter": matter.id, "name": str(followup.attempts), "mark": story.conversation.last_heard}
    waits = story.matter(matter.id).step == sent.step
    if sent.purpose == "approach" or (waits and process.listens(story, matter.id, "outcome", "no_reply")):
        story.set_timer("no_reply", due_at, **wait)
    elif sent.purpose == "answer" and matter.process_type is None and waits:
        story.set_timer("no_reply", due_at, step=sent.step, **wait)


def _not_sent(story: Story, sent: Sent, outcome: str) -> None:
    """It did not arrive: the next channel of the ladder, or a person."""
    matter = story.conversation.matters.get(sent.matter or "")
    if sent.purpose == "operator" or (matter is None and outcome == "failed"):
        story.tell(Escalated(reason=f"a message was {outcome} on {sent.channel}", matter=sent.matter))
        return
    if matter is None or matter.settled is not None:
        return
    if outcome == "withheld" and story.conversation.status == "with_operator":
        return
    if outcome == "withheld" and sent.step is not None and sent.step == matter.step:
        process.resume(story, matter.id)
        return
    followup = story.followups.get(matter.id)
    if followup is not None and not followup.settled and sent.purpose == "approach":
        story.tell_of(
            matter.id,
            AttemptUnanswered(number=followup.attempts, channel=sent.channel, reason="message_failed"),
        )
    if process.fire(story, matter.id, Fired("outcome", "message_failed")) is not None:
        return
    if sent.purpose == "approach" and sent.step is not None and sent.step == story.matter(matter.id).step:
        process.resume(story, matter.id)
    else:
        story.tell(Escalated(reason=f"a message was {outcome} on {sent.channel}", matter=matter.id))


def _due(story: Story, matter: Matter, timer: TimerSet) -> None:
    """What a timer means for a matter that is still open."""
    match timer.purpose:
        case "check":
            if timer.state in (None, matter.state):
                process.fire(story, matter.id, Fired("timer", timer.name or "check"))
        case "deferred" | "pending":
            if timer.step == matter.step and not matter.asked:
                process.resume(story, matter.id)
        case "wait":
            flow, step = process.here(story, matter.id)
            if flow is not None and isinstance(step, Wait) and step.id == timer.step and _silent(story, timer):
                process.time_out(story, matter.id, flow, step)
        case "no_reply":
            _unanswered(story, matter, timer)


def _silent(story: Story, timer: TimerSet) -> bool:
    return story.conversation.last_heard == timer.mark


def _unanswered(story: Story, matter: Matter, timer: TimerSet) -> None:
    """Nobody answered: the state map says what to do, else we try again along the ladder.

    A timer that names a step was set after an answer, in a matter without a process: its flow goes on.
    """
    followup = story.followups.get(matter.id)
    if followup is None or followup.settled or str(followup.attempts) != timer.name or not _silent(story, timer):
        return
    flow, step = process.here(story, matter.id)
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
    if story.matter(matter.id).settled is None and not (moved and process.started_flow(moved)):
        process.resume(story, matter.id)
