"""What the agent says by itself in a call, without Claude: the language's own words, or those that the settings have for it."""

from collections.abc import Mapping
from typing import Any

from events.call import Talk
from libs.domain.call_lines import DEFAULT, Language, Line, language_of, line
from libs.domain.recording import recording_of
from libs.domain.spoken import speakable

Texts = Mapping[str, Any]
"""`voice` of the settings, which may have lines of its own."""
READY: tuple[Line, ...] = (
    "nod", "nod_again", "hold_on", "hold_on_again", "gentle_prompt", "check_in", "final_check", "goodbye",
)  # fmt: skip
"""Lines that are needed at once: their sound is made while it rings."""


def said(name: Line, language: Language, voice: Mapping[str, Any]) -> str:
    """A line as it is spoken; `voice` is that of the settings."""
    return speakable(line(name, language, voice.get("lines")), language)


def opening(asked: Talk) -> str:
    """The first words of a call, as they are spoken."""
    return speakable(asked.opening, language_of(asked.language))


def ready(asked: Talk, voice: Mapping[str, Any]) -> tuple[str, ...]:
    """The sounds that a call may need at once, beside its opening."""
    language, terms = language_of(asked.language), recording_of(voice)
    announced = (speakable(terms.announcement(asked.language), language),) if terms.enabled else ()
    return announced + tuple(said(name, language, voice) for name in READY)


def for_callers(voice: Texts) -> tuple[str, tuple[str, ...]]:
    """What somebody who calls us hears first while they wait, and the other sounds that may be needed at once."""
    names: tuple[Line, ...] = ("welcome", "trouble", *READY)
    first, *others = (said(name, DEFAULT, voice) for name in names)
    return first, (first, *others)


def spoken_language(asked: Talk) -> str:
    """What a synthesiser is told: Hinglish is Hindi there."""
    return "en" if language_of(asked.language) == "en" else "hi"
