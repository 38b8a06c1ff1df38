"""Who has taken a call, by what they say in its first seconds; and what is done about a machine."""

from collections.abc import Mapping
from typing import Any

from libs.domain import voicemail
from libs.domain.call_lines import Language
from libs.domain.floor import Heard
from voice_service import lines

GREETING_OVER_MS = 1200
"""So long after its last word a mailbox records: the tone is within it."""
LONGEST_GREETING_MS = 40_000


class Answerer:
    """A person, until their words say otherwise. Times in milliseconds of the call."""

    def __init__(self, voice: Mapping[str, Any]) -> None:
        self._voice = voice
        self._policy = voicemail.policy(voice)
        self._parts: list[str] = []
        self._first: int | None = None
        self._last = 0
        self.machine: voicemail.Machine | None = None

    def watches(self, now: int) -> bool:
        """Whether it still matters what is said."""
        return self.machine is not None or now <= self._policy.within_ms

    def hears(self, heard: Heard) -> bool:
        """Whether these words are the ones that give a machine away."""
        if heard.text.strip():
            self._first = heard.at if self._first is None else self._first
            self._last = heard.at
        known = self.machine
        text = " ".join([*self._parts, heard.text])
        if heard.final:
            self._parts.append(heard.text)
        found = voicemail.machine(text, speaking_ms=heard.at - (self._first or heard.at))
        self.machine = found or known
        return known is None and found is not None

    @property
    def leaves_message(self) -> bool:
        """Whether the tenant wants to leave one: then the greeting is heard to its end, which says whether anybody records."""
        return self._policy.leave_message

    def message(self, language: Language) -> str | None:
        """What to leave; None where nobody would hear it, or nothing is to be left."""
        if self.machine != "mailbox" or not self._policy.leave_message:
            return None
        return self._policy.message or lines.said("voicemail", language, self._voice)

    def greeting_over_in(self, now: int) -> int:
        """How long until the mailbox records; 0 when it does."""
        first = self._first or now
        return 0 if now - first > LONGEST_GREETING_MS else max(0, self._last + GREETING_OVER_MS - now)
