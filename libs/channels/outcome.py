"""What became of something that we sent: what the provider's answer means, and how far the message got."""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["message", "contact", "account"]
"""Whom a refusal is about: this message; everything to this contact on this channel; everything from this account."""

Broken = Literal["not_connected", "no_answer"]
"""How a call broke: nothing of it left us, or it left and no whole answer came back."""

State = Literal["accepted", "sent", "failed", "delivered", "bounced", "read", "played"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message and will try to deliver it."""

    provider_ref: str
    recipient: str | None = None
    """The recipient as the provider names it; may differ from the address that was written to."""
    message_status: str | None = None
    """What the provider adds for templates, such as `held_for_quality_assessment`."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was sent and the same call may succeed later; `after_seconds` is the least wait, None leaves it to us."""

    reason: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was sent, and repeating the same call would not help. `code` is the provider's own, or a word of ours.

    `opted_out`: the provider says that the contact asked this number or account for no more.
    """

    code: int | str
    reason: str
    scope: Scope
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The message may or may not have been sent: wait for evidence, never repeat blindly."""

    reason: str


Outcome = Accepted | Retry | Refused | Unknown

_PROGRESS: dict[State, int] = {
    "accepted": 0,
    "sent": 1,
    "failed": 2,
    "delivered": 3,
    "bounced": 4,
    "read": 5,
    "played": 6,
}


def advance(current: State | None, incoming: State) -> State:
    """How far a message has got once `incoming` is known too, in whatever order and however often states arrive.

    A failure follows acceptance and sending; a delivery is evidence against it, so that a later `failed` changes nothing.
    A bounce may follow a delivery: a mail server takes what it then cannot hand on.
    """
    if current is None:
        return incoming
    return max(current, incoming, key=_PROGRESS.__getitem__)
