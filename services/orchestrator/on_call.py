"""On a call: what is said in it is part of the conversation, and its end is the attempt's outcome."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from events import call
from events.base import Event
from events.call import EndReason
from events.conversation import Escalated
from events.followup import AttemptUnanswered
from events.phone import CallBegun, CallOutcome, CallOver, RangUs, Talked
from events.reach import AddressFailed
from events.values import Cost
from libs.domain.lines import Sent
from libs.domain.matter import Matter
from libs.domain.phone import VOICE, Phone
from libs.domain.statemap import Fired
from services.orchestrator import call_tools, focus, hearing, process, taking, turns
from services.orchestrator.outcomes import ACCOUNT_PATIENCE, GATEWAY_PATIENCE
from services.orchestrator.story import Story

UNANSWERED: tuple[EndReason, ...] = ("no_answer", "busy", "voicemail")


def hear(story: Story, call_id: str, event: Event) -> None:
    """The conversation after one more fact of a call."""
    phone = story.conversation.phone
    known = phone is not None and phone.call == call_id
    match event:
        case call.TurnTaken():
            _talked(story, phone if known else None, call_id, event)
        case _ if phone is None or not known:
            return
        case call.Answered():
            _begun(story, phone)
        case call.ToolCalled() if event.number not in phone.asked:
            call_tools.use(story, phone, event)
        case call.Ended():
            _over(story, phone, _outcome(phone, event.reason), event.reason, event.seconds, event.costs)
        case call.Rejected():
            _over(story, phone, "failed", event.reason, scope=event.scope)
        case call.Withheld():
            _over(story, phone, "withheld", event.reason)
        case _:
            return


def costs(event: Event) -> Mapping[str, Cost]:
    """What a call has cost, by component."""
    return event.costs if isinstance(event, call.Ended) else {}


def _begun(story: Story, phone: Phone) -> None:
    if phone.live and not phone.came_in:
        return
    story.tell(CallBegun(call=phone.call))
    if not phone.identifies:
        call_tools.reached(story, phone)


def _talked(story: Story, phone: Phone | None, call_id: str, event: call.TurnTaken) -> None:
    """An exchange is part of the conversation; a stop word is obeyed before anything else reads it."""
    story.tell(
        Talked(
            call=call_id,
            turn=event.turn,
            contact=event.contact,
            agent=event.agent,
            at=event.at,
            matter=phone.matter if phone is not None else None,
            interrupted=event.interrupted,
        )
    )
    if event.contact.strip() and story.conversation.open:
        hearing.obeyed(story, VOICE, [event.contact])


def _outcome(phone: Phone, reason: EndReason) -> CallOutcome:
    """Whether it was a talk with the contact."""
    if not phone.live and reason not in UNANSWERED:
        return "failed"
    if reason in UNANSWERED or (not phone.known and not phone.denied) or phone.turns == 0:
        return "unanswered"
    return "talked"


def _over(
    story: Story,
    phone: Phone,
    outcome: CallOutcome,
    reason: str,
    seconds: int = 0,
    costs: dict[str, Cost] | None = None,
    scope: Literal["call", "contact", "account"] = "call",
) -> None:
    """The call is over: what was said goes on in writing; who was not reached is tried elsewhere, as the policy allows."""
    sent = story.conversation.messages.get(phone.call)
    story.tell(CallOver(call=phone.call, outcome=outcome, reason=reason, seconds=seconds, costs=costs or {}))
    if outcome in ("failed", "withheld") and phone.purpose == "approach":
        story.approaches = [at for at in story.approaches if at != phone.at]
    if scope == "contact" and not story.reach.fails(VOICE, phone.to, story.now):
        story.tell_reach(
            AddressFailed(
                contact_id=story.contact.id, channel=VOICE, address=phone.to, message=phone.call, reason=reason
            )
        )
    if not story.conversation.open:
        return
    if phone.came_in:
        _they_called(story, phone, outcome, reason)
        turns.understand(story)
        return
    matter = story.conversation.matters.get(phone.matter or "")
    if matter is not None and matter.settled is None:
        if outcome == "talked":
            _goes_on(story, phone, matter)
        else:
            _not_reached(story, phone, matter, outcome, scope, sent)
    turns.understand(story)


def _they_called(story: Story, phone: Phone, outcome: CallOutcome, reason: str) -> None:
    """A call of theirs is over. Nothing was begun by it; what it was about goes on, and who was cut off is called."""
    matter = story.conversation.matters.get(phone.matter or "")
    if reason == "failed" or phone.turns == 0:
        story.tell(RangUs(call=phone.call, at=story.now, sender=phone.to))
        taking.call_back(story)
    elif phone.matter is None and outcome == "talked":
        story.tell(Escalated(reason="the contact called us, and no matter was open with them"))
    elif matter is not None and matter.settled is None:
        if outcome == "talked":
            _goes_on(story, phone, matter)
        elif not matter.asked:
            process.resume(story, matter.id)


def _goes_on(story: Story, phone: Phone, matter: Matter) -> None:
    """They were spoken with: a matter without a process goes on in its flow; where the talk brought nothing we wait, and ask again."""
    followup = story.followups.get(matter.id)
    if matter.process_type is None and matter.step == phone.step:
        process.go_on(story, matter.id)
    elif followup is not None and matter.asked and focus.listens(story, matter.id, "outcome", "no_reply"):
        due_at = story.now + timedelta(minutes=story.known.current.policy.no_reply_minutes)
        name, mark = str(followup.attempts), story.conversation.last_heard(matter.id)
        story.set_timer("no_reply", due_at, matter=matter.id, name=name, mark=mark)


def _not_reached(
    story: Story, phone: Phone, matter: Matter, outcome: CallOutcome, scope: str, sent: Sent | None
) -> None:
    followup = story.followups.get(matter.id)
    if outcome == "withheld" and (
        story.conversation.status == "with_operator" or (sent is not None and story.conversation.withdrew(sent))
    ):
        return
    if followup is not None and not followup.settled:
        number = followup.attempts if phone.purpose == "approach" else 0
        if scope == "account" or outcome == "withheld":
            until = story.now + (ACCOUNT_PATIENCE if scope == "account" else GATEWAY_PATIENCE)
            unanswered = AttemptUnanswered(number=number, channel=VOICE, reason="account_refused", until=until)
        elif scope == "contact":
            unanswered = AttemptUnanswered(number=number, channel=VOICE, reason="message_failed")
        else:
            unanswered = AttemptUnanswered(number=number, channel=VOICE)
        story.tell_of(matter.id, unanswered)
    moved = process.fire(story, matter.id, Fired("outcome", "call_failed"))
    if story.matter(matter.id).settled is None and not (moved and process.started_flow(moved)):
        process.resume(story, matter.id)
