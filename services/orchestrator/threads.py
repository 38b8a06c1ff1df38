"""Threads: which matter a message is about, and which messages one of ours answers and follows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from events.inbound import Received
from libs.domain.conversation import Conversation
from libs.domain.lines import Line
from libs.domain.matter import Matter
from services.orchestrator.story import Story

QUOTING = frozenset({"whatsapp", "chat"})
"""The channels on which a message may show the one that it answers."""
LONGEST = 20
"""How many messages before it a mail names."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message of ours stands among the others; the provider's ids, the newest first."""

    reply_to: str | None = None
    thread: tuple[str, ...] = ()
    subject: str | None = None


def matter_of(now: Conversation, said: Received) -> str | None:
    """The matter that a message says it is about: by the message that it answers, else by an id that it names."""
    for ref in (said.reference, said.reply_to, *said.thread):
        matter = _matter_of_ref(now, ref) if ref else None
        if matter is not None:
            return matter
    words = f"{said.subject or ''} {said.text}"
    return named_in(now.live, words) or named_in(now.matters.values(), words)


def answers_the_newest(now: Conversation, said: Received) -> bool:
    """Whether a message is put on the last thing that we said: a 👍 there is an answer, on anything older a mere sign."""
    newest = next(reversed(list(now.messages.values())), None)
    return newest is not None and newest.ref is not None and newest.ref == said.reply_to


def place(story: Story, matter: Matter | None, channel: str) -> Place:
    """Where the next message about a matter stands on its channel: mails have threads, others quote where it helps."""
    lines = [line for line in reversed(story.conversation.lines) if _belongs(story, line, matter, channel)]
    refs = [line.ref for line in lines if line.ref]
    heard = next((line for line in lines if line.role == "contact"), None)
    if channel == "email":
        subject = next((line.subject for line in lines if line.subject), None) or _subject(story, matter)
        answered = heard.ref if heard is not None and heard.unread else None
        return Place(answered or next(iter(refs), None), tuple(refs[:LONGEST]), subject)
    if channel in QUOTING and heard is not None and heard.unread:
        unclear = heard.quotes is not None or len(story.conversation.live) > 1
        return Place(heard.ref if unclear else None)
    return Place()


def _matter_of_ref(now: Conversation, ref: str) -> str | None:
    """What a message was about that is named by our id, the provider's, or the stream that it came in."""
    sent = now.messages.get(ref) or next((each for each in now.messages.values() if each.ref == ref), None)
    if sent is not None:
        return sent.matter
    line = next((each for each in now.lines if ref in (each.ref, each.source)), None)
    return now.about(line) if line is not None else None


def named_in(matters: Iterable[Matter], words: str) -> str | None:
    """The one matter whose entity the words name; None where they name none, or several."""
    folded = words.casefold()
    named = {matter.id for matter in matters if matter.entity_id and _names(folded, matter.entity_id.casefold())}
    return named.pop() if len(named) == 1 else None


def _names(words: str, entity: str) -> bool:
    """Whether words name an id; one without a digit, or very short, may be any word."""
    telling = len(entity) >= 4 and any(character.isdigit() for character in entity)
    return telling and re.search(rf"(?<![\w-]){re.escape(entity)}(?![\w-])", words) is not None


def _belongs(story: Story, line: Line, matter: Matter | None, channel: str) -> bool:
    known = matter.id if matter else None
    about = line.about if line.certain or line.role != "contact" else story.conversation.about(line)
    return line.channel == channel and known in (line.about, about)


def _subject(story: Story, matter: Matter | None) -> str | None:
    """What a first mail is about: the entity, else what the follow-up is for."""
    if matter is None:
        return None
    if matter.entity_id:
        return f"{(matter.entity_type or '').replace('_', ' ').capitalize()} {matter.entity_id}".strip()
    followup = story.followups.get(matter.id)
    return followup.opened.reason if followup is not None and followup.opened is not None else None
