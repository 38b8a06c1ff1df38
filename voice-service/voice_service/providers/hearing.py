"""What a recogniser tells of a turn, whoever it is.

`text` is all of the turn so far; `since_word_ms` how long ago its last word was over, in sound, where the recogniser says.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody speaks."""

    text: str
    since_word_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """Still the same turn; its words may change."""

    text: str
    since_word_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Probably:
    """It is probably over."""

    text: str
    since_word_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    text: str
    since_word_ms: int | None = None


Hearing = Began | Heard | Probably | Resumed | Ended
