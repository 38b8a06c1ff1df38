"""What the calls of a tenant in this process do with while answers come too late: model, words, patience."""

from dataclasses import replace

from libs.domain.floor import Manners
from libs.domain.pace import Answered, Degraded, Pacing, Recovered, Terms, TimePassed, step

Change = Degraded | Recovered


class Pace:
    """Read before each turn by whoever thinks, speaks and waits; `changes` counts how often it was otherwise."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.changes = 0
        self._pacing = Pacing()

    @property
    def degraded(self) -> bool:
        """Whether they do with less."""
        return self._pacing.degraded_since is not None

    def model(self, usual: str) -> str:
        """Which model is asked first."""
        return self.terms.model if self.degraded else usual

    def words(self, usual: int) -> int:
        """How many words an answer may have."""
        return min(usual, self.terms.words) if self.degraded else usual

    def manners(self, usual: Manners) -> Manners:
        """How patiently turns are taken."""
        if not self.degraded:
            return usual
        waits, more = usual.endpointing, self.terms.endpointing_ms
        longer = replace(waits, base_ms=waits.base_ms + more, question_ms=waits.question_ms + more)
        return replace(usual, endpointing=longer)

    def answered(self, now_s: float, waited_ms: int) -> Change | None:
        """One more answer was heard, `waited_ms` after the contact's last word."""
        return self._step(Answered(now_s, waited_ms))

    def passes(self, now_s: float) -> Change | None:
        """Time goes by."""
        return self._step(TimePassed(now_s))

    def _step(self, happened: Answered | TimePassed) -> Change | None:
        self._pacing, changes = step(self._pacing, happened, self.terms)
        self.changes += len(changes)
        return changes[0] if changes else None
