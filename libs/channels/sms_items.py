"""What an SMS provider tells us, as values: a message of a contact, or how far one of ours got."""

import re
from dataclasses import dataclass
from datetime import datetime

from events.values import Cost
from libs.channels.outcome import Refused, State

_LONG_NUMBER = re.compile(r"\+?\d{8,}")


class Malformed(Exception):
    """What came is not what the provider sends; the message names the place and what would be right there.

    `syntax`: it cannot be read at all, as opposed to having another shape.
    """

    def __init__(self, path: str, problem: str, *, syntax: bool = False) -> None:
        super().__init__(f"at {path}: {problem}")
        self.path = path
        self.problem = problem
        self.syntax = syntax


@dataclass(frozen=True, slots=True)
class Inbound:
    """A contact wrote to `account` (our number). `id` is the provider's: deduplicate on it; `sender` is E.164."""

    id: str
    account: str
    sender: str
    text: str
    at: datetime | None
    reply_to: str | None = None
    """The provider's id of the last message that we sent to this contact, where it tells that."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a message got. Arrives in any order and more than once: deduplicate on (`id`, `state`).

    `refused` says what a failure means, with the provider's code and scope; `cost` what the provider says it takes.
    """

    id: str
    state: State
    at: datetime
    reference: str | None = None
    """Our message id, as it was given to `write`."""
    recipient: str | None = None
    refused: Refused | None = None
    cost: Cost | None = None


Item = Inbound | Status


def scrubbed(words: str, longest: int = 200) -> str:
    """A provider's words without phone numbers: they become part of facts that are not sealed."""
    return _LONG_NUMBER.sub("(number)", words)[:longest]
