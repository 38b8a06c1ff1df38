"""Hearing: what came in from a contact is noted, STOP is obeyed before anything reads it, and then Claude is asked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from events import inbound
from events.consent import Given, Withdrawn
from events.conversation import AttachmentsRead, AutomaticHeard, ContactSaid, Escalated
from events.reach import AddressWorks, AwayTold
from libs.domain.away import returns
from libs.domain.lines import Line
from libs.domain.stopwords import is_start, is_stop, stop_words
from services.orchestrator import person, stopping, threads, turns
from services.orchestrator.story import Story

FILES_PATIENCE = timedelta(minutes=2)
"""How long a message waits for its files before it is read without them."""

LATE = timedelta(hours=1)
"""From when on a message counts as written when its provider says so; sooner it counts as written when it is heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as its stream tells it so far: what was received, and what became of its files."""

    received: inbound.Received | None = None
    fetched: inbound.Fetched | None = None
    failed: str | None = None


def heard(state: Heard, event: object) -> Heard:
    """The message after one more fact."""
    match event:
        case inbound.Received():
            return Heard(event, state.fetched, state.failed)
        case inbound.Fetched():
            return Heard(state.received, event, None)
        case inbound.FetchFailed():
            return Heard(state.received, state.fetched, event.reason)
        case _:
            return state


def hear(story: Story, message: Heard, stream: str, follows: str | None, *, sender_is_theirs: bool = True) -> None:
    """The contact spoke. Without `sender_is_theirs` an answer does not go to the address that it came from."""
    said = message.received
    assert said is not None
    if said.automatic is not None:
        _note_automatic(story, said, stream)
        return
    if said.kind == "reaction" and not threads.answers_the_newest(story.conversation, said):
        return
    story.open(follows)
    story.tell(
        ContactSaid(
            channel=said.channel,
            inbound=stream,
            text=said.text,
            at=_written_at(said, story.now),
            kind=said.kind,
            sender=said.sender if sender_is_theirs else None,
            provider_ref=said.provider_ref,
            reply_to=said.reply_to,
            matter=threads.matter_of(story.conversation, said),
            choice=said.choice,
            subject=said.subject,
            attachments=said.attachments,
        )
    )
    if (said.channel, said.sender) in story.reach.failed:
        story.tell_reach(AddressWorks(contact_id=story.contact.id, channel=said.channel, address=said.sender))
    if obeyed(story, said.channel, [said.text, said.choice or "", *_alone(said)]):
        return
    if message.fetched is not None or message.failed is not None:
        read_files(story, message, stream)
    elif story.conversation.lines[-1].pending:
        story.set_timer("media", story.now + FILES_PATIENCE, name=stream)
    _read(story)


def _written_at(said: inbound.Received, now: datetime) -> datetime:
    """When it was written, where it comes late (providers repeat webhooks for days): "kal" and the window count from then."""
    return said.sent_at if said.sent_at is not None and said.sent_at < now - LATE else now


def read_files(story: Story, message: Heard, stream: str) -> None:
    """The files of a message are here, or cannot be had: a voice note says what the contact said."""
    line = _line(story, stream)
    if line is None or not story.conversation.open:
        return
    fetched = message.fetched
    transcript = fetched.transcript if fetched is not None else None
    story.tell(
        AttachmentsRead(
            inbound=stream,
            attachments=fetched.attachments if fetched is not None else [],
            transcript=transcript,
            failed=message.failed,
        )
    )
    if obeyed(story, line.channel, [transcript or ""]):
        return
    _read(story, at_once=True)


def give_up_files(story: Story, stream: str) -> None:
    """They did not come in time: the message is read without them."""
    line = _line(story, stream)
    if line is not None and line.pending:
        read_files(story, Heard(failed="they did not come in time"), stream)


def unsubscribe(story: Story, event: inbound.Unsubscribed) -> None:
    """The contact wants to hear nothing more on one channel; the others stay."""
    if story.known.consent.stopped or story.known.consent.channels.get(event.channel) is False:
        return
    evidence = f"unsubscribed by {event.how}"
    story.tell_consent(
        Withdrawn(
            contact_id=story.contact.id,
            how="unsubscribe",
            evidence=evidence,
            channel=event.channel,
            said_on=event.channel,
        )
    )
    person.forget(story, event.channel, evidence)
    if story.conversation.open:
        story.close_gate(story.gate_of(event.channel), evidence, lasting=True)


def obeyed(story: Story, channel: str, words: list[str]) -> bool:
    """Whether nothing more is to be read: the contact said stop, or had said it and does not say start."""
    policy = story.known.current.policy
    stops = stop_words(policy.stop_words, channel=channel)
    for text in words:
        if is_stop(text, stops):
            stopping.stop(story, "stop_word", text, channel)
            return True
    starts = next((text for text in words if is_start(text)), None)
    consent = story.known.consent
    if consent.stopped:
        if starts is None:
            if len(story.conversation.unread) == 1:
                story.tell(Escalated(reason="the contact said stop before and writes again; only START is obeyed"))
            return True
        story.tell_consent(Given(contact_id=story.contact.id, evidence=starts))
        story.open_gate(f"contact:{story.contact.id}")
    if starts is not None and consent.channels.get(channel) is False:
        story.tell_consent(Given(contact_id=story.contact.id, evidence=starts, channel=channel))
        story.open_gate(story.gate_of(channel))
    return False


def _alone(said: inbound.Received) -> list[str]:
    """A mail's subject counts as its words where it has no others."""
    return [said.subject] if said.subject and not said.text.strip() else []


def _read(story: Story, *, at_once: bool = False) -> None:
    """Have the unread messages read, unless more of them are just coming."""
    if at_once or not story.conversation.quiet:
        turns.understand(story)


def _line(story: Story, stream: str) -> Line | None:
    return next((line for line in story.conversation.lines if line.source == stream), None)


def _note_automatic(story: Story, said: inbound.Received, stream: str) -> None:
    """A machine's mail is part of the conversation that is open, and moves nothing in it but the day of the next attempt."""
    _note_absence(story, said, stream)
    if said.automatic is None or not story.conversation.open:
        return
    story.tell(
        AutomaticHeard(
            channel=said.channel,
            inbound=stream,
            automatic=said.automatic,
            text=said.text,
            at=story.now,
            subject=said.subject,
            provider_ref=said.provider_ref,
            matter=threads.matter_of(story.conversation, said),
        )
    )


def _note_absence(story: Story, said: inbound.Received, stream: str) -> None:
    """Somebody who is away is not approached before they are back, on no channel."""
    if said.automatic not in ("out_of_office", "auto_reply"):
        return
    today = story.now.astimezone(ZoneInfo(story.zone)).date()
    back = returns(said.text, today) or returns(said.subject or "", today)
    if back is None:
        return
    story.tell_reach(
        AwayTold(
            contact_id=story.contact.id,
            channel=said.channel,
            inbound=stream,
            until=back.day,
            evidence=back.words,
            at=story.now,
        )
    )
