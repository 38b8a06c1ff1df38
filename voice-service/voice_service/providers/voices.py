"""The voices of a call: which are open, which have failed of late, and who is asked next."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from voice_service.providers.breaker import Breakers
from voice_service.providers.cartesia import CartesiaLine
from voice_service.providers.elevenlabs import ElevenLabsLine
from voice_service.providers.profiles import CARTESIA, TtsProfile
from voice_service.providers.sockets import Warm
from voice_service.providers.speaking import Happened, VoiceLine

IDLE_S = 60.0
"""A socket that closes after so long while nothing is being said has not failed: providers close idle ones."""


class Voices:
    """Each has one line at most. `tried` are the providers that have failed since anybody's last sound."""

    def __init__(
        self,
        chain: Sequence[TtsProfile],
        rate: int,
        warm: Warm,
        breakers: Breakers,
        happened: Happened,
        failed: Callable[[VoiceLine, str], Awaitable[None]],
    ) -> None:
        self.chain = chain
        self.breakers = breakers
        self.first = next((each for each in chain if breakers.allows(each.provider)), chain[0])
        self.tried: set[str] = set()
        self._rate = rate
        self._warm = warm
        self._told = (happened, failed)
        self._lines: dict[VoiceLine, TtsProfile] = {}
        self._opened_at: dict[VoiceLine, float] = {}

    def __contains__(self, line: VoiceLine) -> bool:
        return line in self._lines

    def of(self, line: VoiceLine) -> TtsProfile:
        """Whose line it is."""
        return self._lines[line]

    def open(self, profile: TtsProfile) -> VoiceLine:
        """The line of a voice, which may be open already."""
        for known, its in self._lines.items():
            if its == profile:
                return known
        self.breakers.asked(profile.provider)
        kind = CartesiaLine if profile.vendor == CARTESIA else ElevenLabsLine
        line: VoiceLine = kind(profile, self._rate, self._warm, *self._told)
        self._lines[line] = profile
        self._opened_at[line] = time.monotonic()
        line.start()
        return line

    def after(self, besides: Collection[str] = ()) -> TtsProfile | None:
        """Who is asked after those that were: the next whose breaker lets us, else the next."""
        left = [each for each in self.chain if each.provider not in self.tried and each.provider not in besides]
        allowed = [each for each in left if self.breakers.allows(each.provider)]
        return next(iter(allowed or left), None)

    def broke(self, profile: TtsProfile) -> None:
        """A voice has failed, or is late."""
        self.breakers.failed(profile.provider)
        self.tried.add(profile.provider)

    def idle(self, line: VoiceLine) -> bool:
        """Whether it is old enough to have been closed for saying nothing."""
        return time.monotonic() - self._opened_at[line] > IDLE_S

    def drop(self, line: VoiceLine) -> TtsProfile | None:
        """It is no line of ours any more; None where it was none."""
        return self._lines.pop(line, None)

    def unused(self, used: Collection[VoiceLine | None]) -> list[VoiceLine]:
        """Those that are open and not among the used."""
        return [line for line in self._lines if line not in used]
