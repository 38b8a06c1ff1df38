"""What the people on the phone say and hear, as sound that carries which turn it is, and how long an answer must take.

Every utterance names somebody, and the answer must name the same: by its loudness each sound tells which name it has, so that
an answer to another turn, or none, is noticed at the caller's side.
"""

import math
import random
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

RATE = 8000
BLOCK_MS = 100
SPEECH_BLOCKS = 20
WORD_MS = 250

NAMES = (
    "Amit", "Bhavna", "Chetan", "Deepa", "Farhan", "Gauri", "Harish", "Isha",
    "Jatin", "Kavita", "Lokesh", "Meera", "Nikhil", "Ojas", "Pooja", "Ravi",
)  # fmt: skip
SOFTEST, STEP = 5000, 1.08
"""How loud the sound with the first name is (a peak of s16le), and how much louder each next one."""
NAMELESS = 3000

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_SYLLABLE_MS = 200


def asks(turn: int) -> list[str]:
    """The words of a contact's turn; one is complete every 250 ms of their two seconds."""
    return f"suniye is baare mein {NAMES[turn % len(NAMES)]} ji bata denge".split()


def answers(turn: int) -> str:
    """What Claude says to it: every second answer ends in a question, after which less patience is due."""
    end = "Aur kya aap khush hain?" if questions(turn) else "Hum unko likh denge."
    return f"{NAMES[turn % len(NAMES)]} ji theek hai, maine yeh likh liya hai. {end}"


def questions(turn: int) -> bool:
    """Whether the answer to a turn ends in a question."""
    return turn % 2 == 1


def named(text: str) -> int | None:
    """Which name stands last in a text."""
    found = [(text.rfind(name), index) for index, name in enumerate(NAMES)]
    at, index = max(found)
    return index if at >= 0 else None


def loudness(index: int | None) -> int:
    """The peak of sound with this name (None: with no name)."""
    return NAMELESS if index is None else round(SOFTEST * STEP**index)


def heard(peak: int) -> int | None:
    """Which name a sound with this peak has; None: no name, or silence."""
    index = round(math.log(peak / SOFTEST) / math.log(STEP)) if peak > 0 else -1
    return min(index, len(NAMES) - 1) if index >= 0 else None


def peak(pcm: bytes) -> int:
    """How loud PCM s16le is."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    return max(samples, default=0)


@cache
def speech() -> tuple[float, ...]:
    """Two seconds of vowels with a voice's pulses, a peak of 1 in every syllable: speech to a detector of voices (Silero)."""
    choose = random.Random(1)
    sound: list[float] = []
    length = RATE * _SYLLABLE_MS // 1000
    phase = 0.0
    for syllable in range(SPEECH_BLOCKS * BLOCK_MS // _SYLLABLE_MS):
        source = [0.0] * length
        for n in range(length):
            phase += (120 + 18 * math.sin(syllable + n / length)) / RATE
            if phase >= 1:
                phase, source[n] = phase - 1, 1.0
            if n < length * 0.15:
                source[n] = choose.uniform(-0.25, 0.25)
        formants = zip(_VOWELS[choose.randrange(len(_VOWELS))], (60, 90, 150), (1.0, 0.6, 0.3), strict=True)
        parts = [[gain * each for each in _resonance(source, hertz, width)] for hertz, width, gain in formants]
        voiced = [sum(each) for each in zip(*parts, strict=True)]
        shaped = [
            value * max(0.15, min(1.0, n / (length * 0.1), (length - n) / (length * 0.2)))
            for n, value in enumerate(voiced)
        ]
        top = max(shaped)
        sound += [each / top for each in shaped]
    return tuple(sound)


@cache
def utterance(index: int, cut: int) -> tuple[bytes, ...]:
    """A turn's sound in blocks, with its name's loudness; its last block ends after `cut` ms."""
    loud = loudness(index)
    whole = array("h", (max(-32768, round(loud * each)) for each in speech())).tobytes()
    size = 2 * RATE * BLOCK_MS // 1000
    blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
    blocks[-1] = blocks[-1][: 2 * RATE * cut // 1000].ljust(size, b"\0")
    return tuple(blocks)


@cache
def reply(index: int | None, ms: int, rate: int) -> bytes:
    """A part of an answer's sound."""
    loud, period = loudness(index), rate // 200
    wave = array("h", (loud if n % period < period // 2 else -loud for n in range(period)))
    return (wave * (rate * ms // 1000 // period)).tobytes()


@cache
def mu_law(pcm: bytes) -> bytes:
    """PCM s16le as G.711 has it in North America, which bolna asks for."""
    found = bytearray()
    for value in array("h", pcm):
        loud = min(abs(value), 32635) + 132
        exponent = loud.bit_length() - 8
        found.append(~((value < 0) << 7 | exponent << 4 | (loud >> exponent + 3) & 15) & 0xFF)
    return bytes(found)


def _resonance(source: list[float], hertz: float, width: float) -> list[float]:
    decay = math.exp(-math.pi * width / RATE)
    back, further = 2 * decay * math.cos(2 * math.pi * hertz / RATE), -decay * decay
    one = two = 0.0
    found = []
    for value in source:
        one, two = (1 - decay) * value + back * one + further * two, one
        found.append(one)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the emulated providers take, in ms: from the end of speech to its end of turn (`eager`: its guess, if asked
    for), to Claude's first token, to the first sound. `waits`: how long after the last word the endpointing preset waits."""

    stt: int = 150
    eager: int = 150
    llm: int = 180
    tts: int = 90
    speculates: bool = False
    waits: Mapping[str, int]

    def floor(self, after_question: bool) -> int:
        """What an answer takes at the least: nothing of it is ours, except the patience that the preset asks for."""
        closed = max(self.stt, self.waits["question" if after_question else "base"])
        thought = min(self.eager, self.stt) if self.speculates else closed
        return max(closed, thought + self.llm) + self.tts
