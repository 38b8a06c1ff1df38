"""One speech of the agent: its text, the voices that speak it, and how much of it goes on to the contact's ear.

Several voices may be asked for the same words, but only one is heard: the first part is, and the one behind it waits for it to fail.
Sound goes on in whole words, so that where a voice breaks off the next one can begin with the word that is missing. Of a voice
that breaks off before the line could send anything of it, nothing has gone on: it is not heard, and the next one begins anew.
"""

import re
from dataclasses import dataclass, field

from voice_service.providers.speaking import VoiceLine, Word

AHEAD_S = 0.6
"""So much sound must lie ready for the line, which sends 200 ms at once: then the beginning of a word goes on, too."""
_NEAR_S = 0.03
_CHARACTERS_A_SECOND = 13.0
"""How fast people speak: what is taken as spoken where a voice tells no times."""
_SPACE = re.compile(r"\s+")


@dataclass(slots=True, eq=False)
class Part:
    """What one voice says of a speech: its text from `start` on. Its seconds are of its own sound."""

    line: VoiceLine
    remote: str
    """The speech's name there."""
    since: float = 0.0
    """When it came to this speech."""
    start: int = 0
    sent: int = 0
    """Up to where it was told the text."""
    unsaid: int = 0
    """Letters that were sent and wait on our side for the end of their sentence."""
    told_finish: bool = False
    asked_at: float | None = None
    patience: float = 1.0
    """How much longer than another voice it is waited for, as nobody else is left."""
    last_at: float = 0.0
    received: float = 0.0
    released: float = 0.0
    """Of what was received, what has gone on."""
    voiced: int = 0
    """Letters whose sound has gone on, blanks not counted."""
    voiced_until: float = 0.0
    """Where the last word ends whose sound has gone on."""
    whole: bool = False
    """Whether it has said that no more comes."""
    cut: bool = False
    """Whether the beginning of a word has gone on without its end; so it may be, where this voice has told no times of it."""
    waiting: list[Word] = field(default_factory=list)
    held: bytearray = field(default_factory=bytearray)

    def told(self, now: float, *, pcm: bytes = b"", seconds: float = 0.0, words: list[Word] | None = None) -> None:
        """Sound has come, or when words are spoken."""
        self.held += pcm
        self.received += seconds
        self.waiting += words or []
        self.last_at = now

    @property
    def silent(self) -> bool:
        """Whether no sound has come."""
        return self.received == 0.0

    def ready(self) -> float:
        """Up to where the sound is whole words, in seconds; all of it where this voice tells no times."""
        if self.whole or not (self.waiting or self.voiced):
            return self.received
        missing = next((start for _, start, end in self.waiting if end > self.received + _NEAR_S), None)
        if missing is not None:
            return max(self.released, min(missing, self.received))
        return max((end for _, _, end in self.waiting), default=self.released)


@dataclass(slots=True)
class Speech:
    """Times are of one monotonic clock; seconds are of sound. `parts` are the voices that were asked, the one that is heard first."""

    context: str
    rate: int = 8000
    text: str = ""
    finished: bool = False
    parts: list[Part] = field(default_factory=list)
    began_at: float | None = None
    """When any voice was first told anything of it."""
    first_at: float | None = None
    """When the first sound went on."""
    reassured: bool = False
    """Whether a prepared sentence was played in it."""
    before: float = 0.0
    """Seconds of sound by the voices before this one."""
    plays_until: float = 0.0
    """When all that went on has been played, as far as it began at once."""
    asked: int = 0
    """How many voices have been."""
    block: float = 0.0
    """Seconds that the line sends at once: of less it would send nothing, so that less of a voice's beginning does not go on."""
    _rest: int = 0
    """Where the text begins that has not gone on, when nobody speaks it."""

    @property
    def rest(self) -> int:
        """Where the text begins that has not become sound, from the beginning of the word that is not whole."""
        if not self.parts:
            return self._rest
        part = self.parts[0]
        timed = part.voiced or part.waiting
        spoken = part.voiced if timed else int(part.released * _CHARACTERS_A_SECOND)
        return part.start + _after(self.text[part.start :], spoken)

    def left(self, part: Part) -> int:
        """Letters that a voice was told and that have not become sound."""
        return _letters(self.text[part.start : part.sent]) - part.unsaid - part.voiced

    def ask(self, line: VoiceLine, now: float) -> Part:
        """One more voice is asked for what is left; the first one asked is heard."""
        remote = self.context if self.asked == 0 else f"{self.context}-{self.asked}"
        self.asked += 1
        start = self.rest
        part = Part(line, remote, now, start, start)
        self.parts.append(part)
        return part

    def due(self, part: Part, first_byte_s: float, stall_s: float) -> float | None:
        """When a voice that says nothing more is late; None while nothing is expected of it.

        Another one is asked while there is sound left for its first byte.
        """
        if part.asked_at is None or part.whole or (self.left(part) <= 0 and not part.told_finish):
            return None
        if part.silent:
            return part.asked_at + first_byte_s * part.patience
        early = first_byte_s if self.left(part) > 0 else 0.0
        return max(max(part.last_at, part.asked_at) + stall_s, self.plays_until - early)

    def late_at(self, first_byte_s: float, stall_s: float) -> float | None:
        """When whoever was asked last is late."""
        return self.due(self.parts[-1], first_byte_s, stall_s) if self.parts else None

    def needed_at(self) -> float | None:
        """When what is held back must go on, or who else has sound be heard; None where neither is so."""
        sounds = [part for part in self.parts[1:] if not part.silent]
        held = len(self.parts) == 1 and bool(self.parts[0].held) and not self._begins(self.parts[0])
        return self.runs_out_at if sounds or held else None

    def unheard_at(self, patience_s: float) -> float | None:
        """When the contact has waited for too long for its first sound; None where they have heard something."""
        if self.began_at is None or self.reassured or self.first_at is not None:
            return None
        return self.began_at + patience_s

    def better(self, now: float) -> Part | None:
        """The part that is to be heard in place of the first: it has sound, and the first is out of time."""
        if self.resumed or (self.first_at is not None and now < self.runs_out_at):
            return None
        return next((part for part in self.parts[1:] if not part.silent), None)

    @property
    def resumed(self) -> bool:
        """Whether the first has said something since another was asked beside it."""
        return len(self.parts) > 1 and self.parts[0].last_at > self.parts[1].since

    @property
    def runs_out_at(self) -> float:
        """When more sound is needed lest there is a gap."""
        return self.plays_until - AHEAD_S

    def released(self, now: float) -> tuple[bytes, list[Word]]:
        """What goes on now, in whole words unless there would be a gap; and its words, in seconds of the whole speech."""
        part = self.parts[0]
        upto = part.ready()
        if now >= self.runs_out_at and len(self.parts) == 1:
            upto = part.received
        if self._begins(part):
            upto = part.released
        taken = 2 * round(max(0.0, upto - part.released) * self.rate)
        pcm = bytes(part.held[:taken])
        del part.held[:taken]
        if pcm:
            part.released += len(pcm) / 2 / self.rate
            self._plays(len(pcm) / 2 / self.rate, now)
        words = []
        while part.waiting and (part.whole or part.waiting[0][2] <= part.released + _NEAR_S):
            word, start, end = part.waiting.pop(0)
            part.voiced += len(_SPACE.sub("", word))
            part.voiced_until = end
            words.append((word, start + self.before, end + self.before))
        word_from = part.waiting[0][1] if part.waiting else part.voiced_until
        part.cut = word_from < part.released - _NEAR_S
        return pcm, words

    def plays(self, seconds: float, now: float) -> None:
        """Sound of ours goes on between the voices'."""
        self.before += seconds
        self._plays(seconds, now)

    def drop(self, part: Part) -> bool:
        """This voice is heard no more; whether the word that it was in has to be begun anew."""
        leads = part is self.parts[0]
        self._rest = self.rest
        self.parts.remove(part)
        if leads:
            self.before += part.released
        return leads and part.cut

    def _begins(self, part: Part) -> bool:
        """Whether all that has come of a voice is too little to be sent, and more is to come."""
        little = round(part.received * self.rate) < round(self.block * self.rate)
        return little and part.released == 0.0 and not part.whole

    def _plays(self, seconds: float, now: float) -> None:
        self.first_at = now if self.first_at is None else self.first_at
        self.plays_until = max(self.plays_until, now) + seconds


def _letters(text: str) -> int:
    return len(_SPACE.sub("", text))


def _after(text: str, letters: int) -> int:
    """Where the word begins that comes after so many letters, or that they do not make whole."""
    end = 0
    for match in re.finditer(r"\S+", text):
        letters -= len(match.group())
        if letters < 0:
            return match.start()
        end = match.end()
    return end
