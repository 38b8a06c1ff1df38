"""What a synthesiser is asked and tells, whoever it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

Word = tuple[str, float, float]
"""A word as it was sent, and when it begins and ends, in seconds of its context's sound."""


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM s16le."""

    context: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Words:
    """When words are spoken; they may come before their sound."""

    context: str
    words: list[Word]


@dataclass(frozen=True, slots=True)
class Done:
    """All of a context has been spoken."""

    context: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This context is spoken no further, for one of the reasons of a switch; others of its voice may be."""

    context: str
    why: str


Speaking = Sound | Words | Done | Failed
Happened = Callable[["VoiceLine", Speaking], Awaitable[None]]


class VoiceLine(Protocol):
    """A voice that speaks several contexts, each once."""

    provider: str

    def start(self) -> None:
        """Open its socket."""

    async def speak(self, context: str, text: str) -> int:
        """More text of a context; how many of its letters wait here until their sentence is whole."""

    async def finish(self, context: str) -> None:
        """No more text of it comes."""

    async def cancel(self, context: str) -> None:
        """Nobody wants to hear it any more."""

    async def close(self) -> None:
        """Close its socket; nothing more is told."""
