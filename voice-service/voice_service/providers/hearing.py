"""What a recogniser tells of a turn, whoever it is.

`text` is all of the turn so far; `since_word_ms` how long ago its last word was over, in sound, where the recogniser says.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from voice_service.providers.line import Line
from voice_service.providers.sockets import Address, Warm


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


class EarLine(Line):
    """One call's recogniser. `patience_s` without a word is silence."""

    patience_s: float

    def __init__(
        self,
        address: Address,
        provider: str,
        warm: Warm,
        happened: Callable[[Line, Hearing], Awaitable[None]],
        failed: Callable[[Line, str], Awaitable[None]],
    ) -> None:
        super().__init__(address, warm, failed)
        self.provider = provider
        self._happened = happened
