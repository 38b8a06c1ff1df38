"""What both emulated synthesisers do: speak a text as fast as they are set to, and let listeners know what it sounds like."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from services.sandbox.voice.hearing import Lesson, Lexicon
from services.sandbox.voice.settings import SynthesisPace
from services.sandbox.voice.speech import Speaker, Speech

SENTENCE_ENDS = ".!?।…\n"


class Spoken(msgspec.Struct, kw_only=True):
    """A context or a request for bytes: its text as it came, and how it ended."""

    context: str | None
    text: str = ""
    end: str = "speaking"


class Synthesis:
    """A synthesiser; everything it says is taught to those who hear the agent."""

    def __init__(self, speaker: Speaker, lexicon: Lexicon, pace: SynthesisPace) -> None:
        self.pace = pace
        self.characters = 0
        """What would be billed."""
        self._speaker = speaker
        self._lexicon = lexicon
        self._initial = pace

    def reset(self) -> None:
        """As at the start."""
        self.pace = self._initial
        self.characters = 0

    def lesson(self, rate: int) -> Lesson:
        """For one continuous speech at that rate."""
        return Lesson(self._lexicon, rate)

    async def speak(self, text: str, rate: int, lesson: Lesson, *, speed: float = 1.0) -> Speech:
        """`text` as audio, taught before anybody can hear it."""
        self.characters += len(text)
        speech = await self._speaker.say(text, rate=rate, speed=speed)
        lesson.add(speech)
        return speech

    async def chunks(self, speech: Speech, *, first: bool) -> AsyncIterator[bytes]:
        """The audio in pieces, as fast as the pace says; before the `first` of a context comes the first-byte time."""
        pace = self.pace
        if first and pace.first_byte_ms > 0:
            await asyncio.sleep(pace.first_byte_ms / 1000)
        size = 2 * (speech.rate * pace.chunk_ms // 1000)
        for start in range(0, len(speech.pcm), size):
            yield speech.pcm[start : start + size]
            if pace.real_time_factor > 0 and start + size < len(speech.pcm):
                await asyncio.sleep(pace.chunk_ms / 1000 / pace.real_time_factor)


class Buffered:
    """Text that waits until it is worth speaking: to the end of a sentence, for at most `delay` seconds."""

    def __init__(self, delay: float, *, least: int = 0) -> None:
        self._delay = delay
        self._least = least
        self._text = ""
        self._since: float | None = None

    def add(self, text: str) -> None:
        """More text."""
        if text and self._since is None and text.strip():
            self._since = asyncio.get_running_loop().time()
        self._text += text

    @property
    def left(self) -> float | None:
        """Seconds until it must be spoken; None while there is nothing."""
        if self._since is None:
            return None
        return max(0.0, self._since + self._delay - asyncio.get_running_loop().time())

    def due(self, *, all: bool) -> str:
        """The text to speak now, which may be none."""
        text = self._text
        if not all and self._delay > 0 and self.left != 0.0:
            end = max(text.rfind(mark) for mark in SENTENCE_ENDS)
            if end < 0 or end + 1 < self._least:
                return ""
            text = text[: end + 1]
        self._text = self._text[len(text) :]
        self._since = asyncio.get_running_loop().time() if self._text.strip() else None
        return text
