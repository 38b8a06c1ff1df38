"""Business time has come. Written by orchestrator's due loop; the stream is `timer-{timer id}`."""

from events.base import Category, Event


class Fired(Event, tag="timer.fired.v1"):
    """A timer is due; whether it still means something is for the conversation to say."""

    timer: str
    stream: str


TIMER = Category("timer", current=(Fired,))
