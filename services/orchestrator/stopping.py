"""Stopping: the contact wants to hear nothing more. It is obeyed at once, everywhere, and confirmed once where the policy says so."""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from events.consent import Withdrawn
from events.conversation import Closed, MessageRequested
from events.values import Body
from libs.domain import policy
from libs.domain.phone import VOICE
from libs.domain.policy import StopConfirmation
from libs.domain.templates import TemplateFailed, render_strict
from services.orchestrator import person, settling, speech, threads
from services.orchestrator.approach import approach_of, template_category, window_open
from services.orchestrator.story import Story


def stop(story: Story, how: Literal["stop_word", "understood"], evidence: str, said_on: str | None) -> None:
    """The contact wants to hear nothing more: at once, on every channel, wherever they said it."""
    story.tell_consent(Withdrawn(contact_id=story.contact.id, how=how, evidence=evidence, said_on=said_on))
    person.forget(story, None, "the contact said stop")
    story.close_gate(f"contact:{story.contact.id}", "the contact said stop", lasting=True)
    for matter in story.conversation.live:
        settling.cancel(story, matter.id, "the contact said stop")
    for matter_id in [each for each, followup in story.followups.items() if not followup.settled]:
        settling.cancel(story, matter_id, "the contact said stop")
    if said_on not in (None, VOICE) and not story.known.consent.stopped:  # a call says so itself
        _confirm(story, said_on)
    story.tell(Closed(reason="opted_out"))


def bar(story: Story, channels: Iterable[str]) -> None:
    """Somebody else said stop where this contact is reached, too: nobody is written to or called there, on these channels.

    What they have said of a channel themselves stays.
    """
    evidence = "said at an address that is registered for somebody else, too"
    for channel in channels:
        if story.known.consent.stopped or channel in story.known.consent.channels:
            continue
        story.heed(Withdrawn(contact_id=story.contact.id, how="stop_word", evidence=evidence, channel=channel))
        person.forget(story, channel, evidence)
        if story.conversation.open:
            story.close_gate(story.gate_of(channel), evidence, lasting=True)


def understood(story: Story) -> None:
    """Claude understood from what the contact wrote last that they want to hear nothing more."""
    wrote = [line for line in story.conversation.lines if line.role == "contact" and line.channel != VOICE]
    stop(story, "understood", wrote[-1].text if wrote else "", wrote[-1].channel if wrote else None)


def _confirm(story: Story, channel: str) -> None:
    """Say once, where they said stop, that it was heard: no gate of theirs withholds it, and nothing of a matter is in it."""
    wanted = story.known.current.policy.stop_confirmation
    address = story.address(channel, answering=True)
    if wanted is False or address is None:
        return
    words = wanted if isinstance(wanted, StopConfirmation) else StopConfirmation()
    free_text = story.known.current.takes_free_text(channel, address) or window_open(story, channel)
    template = None if free_text else words.templates.get(channel)
    if not free_text and template is None:
        return
    category = template_category(story.known.current, channel, template)
    about = approach_of(story, None, channel, "answer", address, category=category, identifies=True)
    verdict = policy.decide(story.known.current.policy, replace(about, opted_out=True, confirms_stop=True))
    if not isinstance(verdict, policy.Allowed):
        return
    try:
        body = (
            speech.template_body(story, None, channel, template)
            if template is not None
            else Body(text=render_strict(words.text, story.names(None)))
        )
    except TemplateFailed:
        return
    place = threads.place(story, None, channel)
    story.tell(
        MessageRequested(
            message=story.next_id(),
            channel=channel,
            to=address,
            body=body,
            allowed_by=verdict.decision,
            purpose="answer",
            answers=story.conversation.version,
            reply_to=place.reply_to,
            thread=list(place.thread),
        )
    )
