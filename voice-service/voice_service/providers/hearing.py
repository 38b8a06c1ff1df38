"""What a recogniser tells of a turn, whoever it is. `text` is all of the turn so far."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Still the same turn; its words may change."""

    text: str


@dataclass(frozen=True, slots=True)
class Probably:
    """It is probably over."""

    text: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    text: str


Hearing = Began | Heard | Probably | Resumed | Ended
