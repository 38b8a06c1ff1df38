"""How long the contact waits, stage by stage, keyed on what the transport and the providers did."""

from dataclasses import dataclass


@dataclass(slots=True)
class Turn:
    """The moments of one answer, in milliseconds of the call; None: not yet."""

    last_word: int | None = None
    end_of_speech: int | None = None
    closed: int | None = None
    first_token: int | None = None
    first_sound: int | None = None
    first_sent: int | None = None

    def stages(self) -> dict[str, int]:
        """Milliseconds by stage (libs/domain/latency.py), of those that came to pass."""
        pairs = {
            "stt": (self.last_word, self.end_of_speech),
            "decision": (self.end_of_speech, self.closed),
            "llm": (self.closed, self.first_token),
            "tts": (self.first_token, self.first_sound),
            "transport": (self.first_sound, self.first_sent),
            "total": (self.last_word, self.first_sent),
        }
        return {name: max(0, b - a) for name, (a, b) in pairs.items() if a is not None and b is not None}
