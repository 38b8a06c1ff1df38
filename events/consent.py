"""What contacts allowed and forbade. Written by orchestrator."""

from typing import Literal

from events.base import Category, Event
from events.values import PersonalText


class Given(Event, tag="consent.given.v1"):
    """The contact may be approached on this channel (on all without one)."""

    contact_id: str
    evidence: PersonalText
    channel: str | None = None


class Withdrawn(Event, tag="consent.withdrawn.v1"):
    """The contact said stop: at once, everywhere unless a channel is named.

    `said_on`: where they said it. `erasure`: they are to be forgotten, and nothing takes it back.
    """

    contact_id: str
    how: Literal["stop_word", "understood", "unsubscribe", "operator", "erasure"]
    evidence: PersonalText
    channel: str | None = None
    said_on: str | None = None


CONSENT = Category("consent", current=(Given, Withdrawn))
