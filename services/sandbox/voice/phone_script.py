"""What somebody does on the phone: whether they answer, and how they talk, interrupt, hum, dictate, press and hang up."""

import re
from typing import Literal

import msgspec

Fate = Literal["answers", "voicemail", "busy", "no-answer", "failed"]
"""What becomes of a call; the words are Exotel's where it has some."""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that somebody does: waits (seconds), then says something, beeps, presses keys, and hangs up, as far as given."""

    wait: float = 0.0
    say: str | None = None
    beep: bool = False
    press: str = ""
    hang_up: bool = False
    speed: float = 1.0


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody does `on` an occasion: the steps of `do`, in order.

    `answered`: the call has begun. `heard`: the agent has said something, and then nothing for the person's patience; `when`
    is sought in it. `speaking`: the agent is speaking, `after_seconds` of it and no word of ours yet: to interrupt or to
    hum. `silence`: nobody has said anything for `after_seconds`.
    """

    on: Literal["answered", "heard", "speaking", "silence"] = "heard"
    when: str | None = None
    after_seconds: float = 0.0
    once: bool = True
    do: tuple[Step, ...] = ()


class Phone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody's phone, and how they talk into it; where no act fits, they say what they would write (contact_script.py).

    `patience_seconds` is the silence after which they take the agent's turn for over. `deaf`: they say nothing but acts.
    `calling` are their acts where it is they who call us; without them they talk as they do when they are called.
    """

    fate: Fate = "answers"
    rings_seconds: float = 1.0
    patience_seconds: float = 0.8
    acts: tuple[Act, ...] = (Act(on="answered", do=(Step(wait=0.4, say="Hello?"),)),)
    calling: tuple[Act, ...] | None = None
    deaf: bool = False
    hangs_up_after: float | None = None
    """Seconds of silence on both sides after which they give up."""


VOICEMAIL = (
    Act(
        on="answered",
        do=(
            Step(wait=0.5, say="The person you are calling is not available. Please leave a message after the beep."),
            Step(wait=0.3, beep=True),
        ),
    ),
)
"""A mailbox: it speaks, beeps, and is silent."""


def checked(phone: Phone) -> Phone:
    """The same. Raises ValueError for an expression that cannot be compiled."""
    for act in (*phone.acts, *(phone.calling or ())):
        try:
            re.compile(act.when or "")
        except re.error as error:
            raise ValueError(f"{act.when!r} is not a regular expression: {error}") from error
    return phone
