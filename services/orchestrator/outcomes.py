"""Outcomes: what became of something that we said, and what we do about what did not arrive."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec.structs import replace

from events import message
from events.conversation import Escalated, OutcomeHeard
from events.followup import AttemptUnanswered
from events.reach import AddressFailed
from libs.domain.conversation import LOST
from libs.domain.lines import Sent
from libs.domain.matter import Matter
from libs.domain.statemap import Fired
from services.orchestrator import focus, process
from services.orchestrator.story import Story

Kind = Literal["accepted", "unknown", "delivered", "read", "failed", "withheld"]

ADDRESS_PATIENCE = timedelta(days=7)
"""How long an address is passed over that something could not be delivered to; one that bounced for good, for ever."""
ACCOUNT_PATIENCE = timedelta(hours=1)
"""How long a channel is passed over whose provider refuses our account."""
GATEWAY_PATIENCE = timedelta(minutes=15)
"""The same where our own gateway lets nothing out."""


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a message. `scope` says what else a failure touches, `lasting` that it will not pass by itself."""

    outcome: Kind
    ref: str | None = None
    scope: Literal["message", "contact", "account"] = "message"
    lasting: bool = False
    reason: str = ""


def became(event: Any) -> Became:
    """A state of a message as the conversation takes it."""
    match event:
        case message.Accepted():
            return Became("accepted", ref=event.provider_ref)
        case message.OutcomeUnknown():
            return Became("unknown")
        case message.Delivered():
            return Became("delivered")
        case message.Read():
            return Became("read")
        case message.Withheld():
            return Became("withheld", reason=event.reason)
        case message.Bounced():
            scope: Literal["contact", "message"] = "contact" if event.permanent else "message"
            return Became("failed", scope=scope, lasting=event.permanent, reason=event.reason)
        case message.Rejected() | message.Failed():
            return Became("failed", scope=event.scope, reason=event.reason)
        case _:
            raise TypeError(f"{type(event).__name__} is no state of a message")


def after_message(story: Story, message: str, what: Became) -> None:
    """A message's state reached us; the first one counts as its outcome, later ones may still move the process."""
    sent = story.conversation.messages.get(message)
    if sent is None:
        return
    outcome, lost = what.outcome, what.outcome in LOST
    first = message in story.conversation.awaited
    if first or (lost and sent.heard != outcome) or (what.ref is not None and sent.ref is None):
        story.tell(OutcomeHeard(intent=message, outcome=outcome, provider_ref=what.ref))
    for each in _of_each(sent) if first and not lost and sent.purpose != "operator" else ():
        _sent(story, each)
    if lost and sent.purpose == "approach":
        story.approaches = [at for at in story.approaches if at != sent.at]
    if lost and what.scope == "contact":
        _note_address(story, message, sent, what)
    if story.conversation.open:
        for each in _of_each(sent):
            if outcome in ("delivered", "read") and each.matter and sent.purpose != "operator" and not sent.identifies:
                process.fire(story, each.matter, Fired("outcome", outcome))
            if lost and sent.heard != outcome:
                _not_sent(story, each, what)


def _of_each(sent: Sent) -> list[Sent]:
    """The message as one about each of its matters."""
    return [sent, *(replace(sent, matter=each) for each in sent.merged)]


def _note_address(story: Story, message: str, sent: Sent, what: Became) -> None:
    """Nothing arrives there, in whatever matter."""
    until = None if what.lasting else story.now + ADDRESS_PATIENCE
    if not story.reach.fails(sent.channel, sent.to, story.now):
        story.tell_reach(
            AddressFailed(
                contact_id=story.contact.id,
                channel=sent.channel,
                address=sent.to,
                message=message,
                reason=what.reason,
                until=until,
            )
        )


def _sent(story: Story, sent: Sent) -> None:
    """The provider took it, or may have: the process may move, and an approach waits for its answer."""
    matter = story.conversation.matters.get(sent.matter or "")
    if matter is None or matter.settled is not None or not story.conversation.open:
        return
    if not sent.identifies:
        process.fire(story, matter.id, Fired("outcome", "message_sent"))
    followup = story.followups.get(matter.id)
    if sent.step is None or story.matter(matter.id).settled or followup is None:
        return
    due_at = story.now + timedelta(minutes=story.known.current.policy.no_reply_minutes)
    wait = {"matter": matter.id, "name": str(followup.attempts), "mark": story.conversation.last_heard(matter.id)}
    waits = story.matter(matter.id).step == sent.step
    if (
        sent.purpose == "approach"
        or sent.identifies
        or (waits and focus.listens(story, matter.id, "outcome", "no_reply"))
    ):
        story.set_timer("no_reply", due_at, **wait)
    elif sent.purpose == "answer" and matter.process_type is None and waits:
        story.set_timer("no_reply", due_at, step=sent.step, **wait)


def _not_sent(story: Story, sent: Sent, what: Became) -> None:
    """It did not arrive: the next channel of the ladder, or a person."""
    matter = story.conversation.matters.get(sent.matter or "")
    if sent.purpose == "operator" or (matter is None and what.outcome == "failed"):
        story.tell(Escalated(reason=f"a message was {what.outcome} on {sent.channel}", matter=sent.matter))
        return
    if matter is None or matter.settled is not None:
        return
    if what.outcome == "withheld" and story.conversation.status == "with_operator":
        return
    at_its_step = sent.step is not None and sent.step == matter.step
    _note_attempt(story, matter, sent, what)
    if what.outcome == "withheld" and at_its_step:
        process.resume(story, matter.id)
        return
    if process.fire(story, matter.id, Fired("outcome", "message_failed")) is not None:
        return
    if sent.step is not None and sent.step == story.matter(matter.id).step:
        process.resume(story, matter.id)
    else:
        story.tell(Escalated(reason=f"a message was {what.outcome} on {sent.channel}", matter=matter.id))


def _note_attempt(story: Story, matter: Matter, sent: Sent, what: Became) -> None:
    """A channel that failed is not tried again for this matter; one that only our account is refused on, later."""
    followup = story.followups.get(matter.id)
    if followup is None or followup.settled:
        return
    began = sent.purpose == "approach" and sent.step is not None
    if what.outcome == "withheld" and story.conversation.withdrew(sent):
        return
    if what.scope == "account" or what.outcome == "withheld":
        patience = ACCOUNT_PATIENCE if what.scope == "account" else GATEWAY_PATIENCE
        until: datetime = story.now + patience
        number = followup.attempts if began else 0
        story.tell_of(
            matter.id,
            AttemptUnanswered(number=number, channel=sent.channel, reason="account_refused", until=until),
        )
    elif sent.purpose == "approach":
        story.tell_of(
            matter.id, AttemptUnanswered(number=followup.attempts, channel=sent.channel, reason="message_failed")
        )
