"""Who reads and writes: facts of a conversation from before anybody has confirmed it. Written by orchestrator."""

from typing import Literal

from events.base import Event


class PersonHeard(Event, tag="conversation.person_heard.v1"):
    """A turn has told who writes on a channel: the contact, somebody else, or that it is not clear."""

    turn: str
    channel: str
    verdict: Literal["confirmed", "denied", "unclear"]
    matter: str | None = None
    language: str | None = None


class LineLeftOut(Event, tag="conversation.line_left_out.v1"):
    """A line of the state map is not said, because nobody has confirmed who would read it."""

    matter: str
    reason: str
    template: str | None = None
