"""Speaks text: through espeak-ng where it is installed, else as tones, one for each letter, that take as long as speech.

Either way the same text in the same voice is always the same sound, and a pause lies after each phrase.
"""

import asyncio
import math
import re
import shutil
from array import array
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from services.sandbox.voice.sound import read_wav, resampled, scaled, silence, trimmed

LOUD = 12_000
_QUIET = 200
_LETTER_MS = 60
_GAP_MS = 60
_PAUSES_MS = {",": 180, ";": 200, ":": 200, "-": 180, "…": 500}
_STOP_MS = 240
_UNFINISHED = (",", "…", "-", ":")
_PHRASE = re.compile(r"[^,;:.!?।…-]+[,;:.!?।…-]*(?=\s|$)|\S+")
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")


class Word(msgspec.Struct, frozen=True):
    """A word and when it sounds, in seconds from the beginning."""

    text: str
    start: float
    end: float


class Speech(msgspec.Struct, frozen=True):
    """Something said: the sound, its words, and whether it sounds like the end of a thought."""

    pcm: bytes
    rate: int
    words: tuple[Word, ...]
    finished: bool = True

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.pcm) / 2 / self.rate

    @property
    def text(self) -> str:
        """What is said."""
        return " ".join(word.text for word in self.words)


class Speaker:
    """A voice. `command` is espeak-ng's (None: tones), `variant` one of its voices, `pitch` that of the tones in Hz."""

    def __init__(self, command: str | None, *, variant: str = "f3", pitch: float = 1.0) -> None:
        self._command = command
        self._variant = variant
        self._pitch = pitch
        self._said: dict[tuple[str, int], bytes] = {}

    async def say(self, text: str, *, rate: int = 8000, speed: float = 1.0) -> Speech:
        """`text` as sound. Whitespace and punctuation alone is no sound at all."""
        pcm = bytearray()
        words: list[Word] = []
        stripped = text.strip()
        for phrase in _PHRASE.findall(stripped):
            spoken = phrase.split()
            if not any(letter.isalnum() for letter in phrase):
                continue
            start = len(pcm) / 2 / rate
            pcm += await self._phrase(phrase, rate, speed)
            words += _timed(spoken, start, len(pcm) / 2 / rate)
            mark = phrase[-1]
            pcm += silence(_PAUSES_MS.get(mark, _STOP_MS if not mark.isalnum() else _GAP_MS), rate)
        return Speech(bytes(pcm), rate, tuple(words), finished=not stripped.endswith(_UNFINISHED))

    async def _phrase(self, phrase: str, rate: int, speed: float) -> bytes:
        key = (f"{speed:g} {phrase}", rate)
        known = self._said.get(key)
        if known is None:
            known = await self._espeak(phrase, rate, speed) if self._command else self._tones(phrase, rate, speed)
            if len(self._said) > 4000:
                self._said.clear()
            self._said[key] = known
        return known

    async def _espeak(self, phrase: str, rate: int, speed: float) -> bytes:
        voice = "hi" if _DEVANAGARI.search(phrase) else "en-gb"
        arguments = ["-v", f"{voice}+{self._variant}", "-s", str(round(150 * speed)), "--stdout", "--", phrase]
        process = await asyncio.create_subprocess_exec(
            str(self._command), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        out, _ = await process.communicate()
        pcm, spoken_rate = read_wav(out)
        spoken = trimmed(scaled(resampled(pcm, spoken_rate, rate), LOUD), _QUIET)
        return spoken or self._tones(phrase, rate, speed)

    def _tones(self, phrase: str, rate: int, speed: float) -> bytes:
        letter_ms = max(20, round(_LETTER_MS / speed / 20) * 20)
        gap = silence(_GAP_MS, rate)
        return gap.join(
            b"".join(
                tone(round(self._pitch * (180 + 37 * (ord(letter) % 29))), letter_ms, rate)
                for letter in word
                if letter.isalnum() or _DEVANAGARI.match(letter)
            )
            for word in phrase.lower().split()
        )


def spread(text: str, pcm: bytes, rate: int) -> Speech:
    """A recording that says `text`: each phrase takes its share of the sound."""
    words = text.split()
    end = len(pcm.rstrip(b"\0")) / 2 / rate
    return Speech(pcm, rate, tuple(_timed(words, 0.0, end)), finished=not text.rstrip().endswith(_UNFINISHED))


def espeak() -> str | None:
    """Where espeak-ng is installed, if it is."""
    return shutil.which("espeak-ng")


def _timed(words: list[str], start: float, end: float) -> Iterator[Word]:
    """Words share the time of their phrase by their length."""
    letters = sum(len(word) + 1 for word in words)
    for word in words:
        length = (end - start) * (len(word) + 1) / letters
        yield Word(word, round(start, 3), round(start + length, 3))
        start, letters = start + length, letters - len(word) - 1


@lru_cache(maxsize=1024)
def tone(hertz: int, ms: int, rate: int = 8000) -> bytes:
    """A tone that swells and fades."""
    length = rate * ms // 1000
    ramp = length // 6
    wave = array("h")
    for n in range(length):
        loudness = LOUD * min(1.0, 0.35 + n / ramp, 0.35 + (length - 1 - n) / ramp)
        wave.append(int(loudness * math.sin(2 * math.pi * hertz * n / rate + 0.3)))
    return wave.tobytes()
