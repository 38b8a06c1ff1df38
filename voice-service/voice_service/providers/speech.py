"""One speech of the agent: its text, how much of it has become sound, and what is left for a voice that takes over."""

import re
from dataclasses import dataclass, field

from voice_service.providers.speaking import Word

_NEAR_S = 0.03
_CHARACTERS_A_SECOND = 13.0
"""How fast people speak: what is taken as spoken where a voice tells no times."""
_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class Speech:
    """Times are of one monotonic clock; seconds are of sound. `text` is what the voice that speaks now was or will be told."""

    context: str
    remote: str
    text: str = ""
    sent: int = 0
    finished: bool = False
    told_finish: bool = False
    asked_at: float | None = None
    began_at: float | None = None
    """When any voice was first told anything of it."""
    reassured: bool = False
    """Whether a prepared sentence was played in it."""
    first_at: float | None = None
    last_at: float = 0.0
    before: float = 0.0
    """Seconds of sound by the voices before this one."""
    received: float = 0.0
    voiced: int = 0
    """Letters whose sound has come, blanks not counted."""
    waiting: list[Word] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Letters that were sent and have not become sound."""
        return len(_SPACE.sub("", self.text[: self.sent])) - self.voiced

    def sounded(self, seconds: float, now: float) -> list[Word]:
        """More sound has come; the words that it completes, in seconds of the whole speech."""
        self.first_at = now if self.first_at is None else self.first_at
        self.last_at = now
        self.received += seconds
        return self._completed(self.received + _NEAR_S)

    def done(self) -> list[Word]:
        """All sound has come; the words that are left."""
        return self._completed(float("inf"))

    def due(self, first_byte_s: float, stall_s: float) -> float | None:
        """When a voice that says nothing more has failed; None while nothing is expected of it."""
        if self.asked_at is None or (self.left <= 0 and not self.told_finish):
            return None
        if self.received == 0.0:
            return self.asked_at + first_byte_s
        played = (self.first_at or 0.0) + self.before + self.received
        return max(max(self.last_at, self.asked_at) + stall_s, played)

    def unheard_at(self, patience_s: float) -> float | None:
        """When the contact has waited for too long for its first sound; None where they have heard something."""
        if self.began_at is None or self.reassured or self.first_at is not None:
            return None
        return self.began_at + patience_s

    def hand_over(self, remote: str, now: float) -> None:
        """Another voice speaks what has not become sound."""
        spoken = self.voiced or int(self.received * _CHARACTERS_A_SECOND)
        self.text = _after(self.text, spoken)
        self.before += self.received
        self.remote, self.sent, self.told_finish = remote, 0, False
        self.received, self.voiced = 0.0, 0
        self.waiting.clear()
        self.asked_at = now if self.text.strip() else None

    def _completed(self, until: float) -> list[Word]:
        found = []
        while self.waiting and self.waiting[0][2] <= until:
            word, start, end = self.waiting.pop(0)
            self.voiced += len(_SPACE.sub("", word))
            found.append((word, start + self.before, end + self.before))
        return found


def _after(text: str, letters: int) -> str:
    """What comes after so many letters, from the beginning of the word that is not whole."""
    end = 0
    for match in re.finditer(r"\S+", text):
        letters -= len(match.group())
        if letters < 0:
            break
        end = match.end()
    return text[end:].lstrip()
