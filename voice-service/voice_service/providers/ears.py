"""The ears of a call: one recogniser listens; where it fails or falls silent, the next one hears the turn from its beginning."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.time import time_now_iso8601

from voice_service.prepared import SAFE
from voice_service.providers import flux, nova
from voice_service.providers.flux import FluxLine
from voice_service.providers.hearing import Began, Ended, Heard, Hearing, Probably, Resumed
from voice_service.providers.line import Line
from voice_service.providers.nova import NovaLine
from voice_service.providers.profiles import SttProfile
from voice_service.providers.sockets import Address, Warm
from voice_service.providers.switches import Switches

LOUD = 1000
"""The peak of a block of s16le that may be a voice: -30 dBFS."""
LOUD_BLOCKS = 4
"""So many loud blocks without a word of the recogniser are suspicious."""
KEPT_S = 2.0
"""Sound before a turn that a second recogniser hears too."""
LONGEST_S = 30.0
"""Of a turn that is kept for it."""
TRIAL_S = 1.5
"""How long a second recogniser may listen beside the first; where it hears nothing either, it was noise."""
NOISE_S = 10.0
"""How long nobody is suspected after that."""
DEAF_S, PAUSE_S = 1.0, 0.4
"""Nobody listens for so long, and the contact has stopped speaking for so long: they hear a prepared sentence."""
AGAIN_S, LONGEST_AGAIN_S = 0.25, 4.0
"""Before the first is asked again where all have failed; doubled each time."""


class Ears(FrameProcessor):
    """Stands in front. Sound ends here; what comes out are Pipecat's transcription frames and the proposals of a turn's ends.

    A recogniser that closes, refuses or errs is replaced at once; one that is silent while somebody speaks gets company
    first: whoever has words is believed, so that a noisy line is no failure.
    """

    def __init__(self, chain: Sequence[SttProfile], rate: int, warm: Warm, switches: Switches) -> None:
        super().__init__()
        self._chain = chain
        self._rate = rate
        self._warm = warm
        self._switches = switches
        self._profile = _first(chain, switches)
        self._line: FluxLine | NovaLine | None = None
        self._second: FluxLine | NovaLine | None = None
        self._candidate: SttProfile | None = None
        """The second's profile."""
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._turn = False
        self._eager = False
        self._told_at = 0.0
        self._loud = 0
        self._loud_since = 0.0
        self._trial_until = 0.0
        self._quiet_until = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._over = False
        self._wait = AGAIN_S
        self._spoke_at = 0.0
        self._deaf_since: float | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Sound goes to the recogniser and no further."""
        if isinstance(frame, InputAudioRawFrame):
            await self._hear(frame.audio)
            return
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._told_at = time.monotonic()
            self._line = self._opened(self._profile)
        elif isinstance(frame, EndFrame | CancelFrame):
            await self._close()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Close the sockets."""
        await super().cleanup()
        await self._close()

    async def _hear(self, pcm: bytes) -> None:
        self._keep(pcm)
        if self._line is not None:
            await self._line.send(pcm)
        if self._second is not None:
            await self._second.send(pcm)
        await self._watch(pcm, time.monotonic())

    def _keep(self, pcm: bytes) -> None:
        self._kept.append(pcm)
        self._kept_bytes += len(pcm)
        most = (LONGEST_S if self._turn else KEPT_S) * 2 * self._rate
        while self._kept_bytes > most and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft())

    async def _watch(self, pcm: bytes, now: float) -> None:
        """Suspect a recogniser that says nothing though it should."""
        if len(pcm) > 1 and int(np.abs(np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2").astype(np.int32)).max()) > LOUD:
            if self._loud == 0:
                self._loud_since = now
            self._loud += 1
            self._spoke_at = now
        elif not self._turn and self._second is None:
            self._loud = max(0, self._loud - 1)
        if self._deaf_since is not None:
            await self._reassure(self._deaf_since, now)
        if self._second is not None:
            if now > self._trial_until:
                await self._try_no_more(now)
            return
        if self._line is None or now < self._quiet_until:
            return
        due = self._turn or self._loud >= LOUD_BLOCKS
        since = self._told_at if self._turn else max(self._told_at, self._loud_since)
        if due and now - since > self._line.patience_s and (other := self._other()) is not None:
            self._trial_until = now + TRIAL_S
            self._candidate = other
            self._second = self._opened(other)
            await self._replay(self._second)

    async def _reassure(self, since: float, now: float) -> None:
        """Whoever has spoken into an outage and waits hears that they were noticed; the turn is heard when somebody listens."""
        if now - since > DEAF_S and since - KEPT_S < self._spoke_at < now - PAUSE_S:
            self._deaf_since = None
            await self.push_frame(TTSSpeakFrame(SAFE, append_to_context=False))

    async def _try_no_more(self, now: float) -> None:
        """Neither has words: within a turn the first has broken off, else it was noise."""
        if self._turn:
            self._turn = False
            await self._promote("silent")
        else:
            self._quiet_until, self._loud = now + NOISE_S, 0
            self._dismiss()

    async def _replay(self, line: Line) -> None:
        for pcm in list(self._kept):
            await line.send(pcm)

    def _opened(self, profile: SttProfile) -> FluxLine | NovaLine:
        self._switches.breakers.asked(profile.provider)
        kind = FluxLine if profile.flux else NovaLine
        where = address(profile, self._rate)
        line = kind(where, profile.provider, self._warm, self._happened, self._failed)
        line.start()
        return line

    def _other(self) -> SttProfile | None:
        """Who would take over: the next in the chain whose breaker lets us ask, else the next."""
        place = self._chain.index(self._profile)
        others = [*self._chain[place + 1 :], *self._chain[:place]]
        allowed = [each for each in others if self._switches.breakers.allows(each.provider)]
        return next(iter(allowed or others), None)

    async def _happened(self, line: Line, told: Hearing) -> None:
        if line is self._second:
            words = not isinstance(told, Resumed) and bool(told.text)
            if not words:
                return
            await self._promote("silent")
        elif line is not self._line:
            return
        elif self._second is not None:
            self._dismiss()
        self._told_at = time.monotonic()
        self._loud, self._wait, self._deaf_since = 0, AGAIN_S, None
        await self._tell(told)

    async def _tell(self, told: Hearing) -> None:
        match told:
            case Began(text, since):
                if not self._turn:
                    self._turn = True
                    await self.push_frame(ProposedUserStartedSpeakingFrame())
                if text:
                    await self.push_frame(InterimTranscriptionFrame(text, "", time_now_iso8601(), result=_timed(since)))
            case Heard(text, since):
                self._turn = self._turn or bool(text)
                if text:
                    await self.push_frame(InterimTranscriptionFrame(text, "", time_now_iso8601(), result=_timed(since)))
            case Probably(text, since):
                self._turn = self._eager = True
                await self.push_frame(EagerTranscriptionFrame(text, "", time_now_iso8601(), result=_timed(since)))
            case Resumed():
                await self._withdraw()
            case Ended(text, since):
                self._turn = self._eager = False
                self._forget()
                self._switches.breakers.succeeded(self._profile.provider)
                await self.push_frame(
                    TranscriptionFrame(text, "", time_now_iso8601(), result=_timed(since), finalized=True)
                )
                await self.push_frame(ProposedUserStoppedSpeakingFrame())

    async def _withdraw(self) -> None:
        if self._eager:
            self._eager = False
            await self.push_frame(EagerEndOfTurnCancelFrame())

    def _forget(self) -> None:
        """A turn that was told is heard by nobody again."""
        while len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft())

    async def _promote(self, why: str) -> None:
        """The second recogniser is the one that listens from now on."""
        before, self._line, self._second = self._line, self._second, None
        failed, self._profile = self._profile, self._candidate or self._profile
        self._switches.breakers.failed(failed.provider)
        self._switches.switched("stt", failed.provider, self._profile.provider, why)
        await self._withdraw()
        if before is not None:
            _ = self.create_task(before.close(), "ears-close")

    def _dismiss(self) -> None:
        second, self._second = self._second, None
        if second is not None:
            _ = self.create_task(second.close(), "ears-close")

    async def _failed(self, line: Line, why: str) -> None:
        if line is self._second:
            self._second = None
            if self._candidate is not None:
                self._switches.breakers.failed(self._candidate.provider)
            return
        if line is not self._line or self._over:
            return
        if self._second is not None:
            self._line = None
            await self._promote(why)
            return
        failed = self._profile
        self._deaf_since = time.monotonic() if self._deaf_since is None else self._deaf_since
        self._switches.breakers.failed(failed.provider)
        other = self._other()
        self._profile = other or failed
        allowed = other is not None and self._switches.breakers.allows(other.provider)
        self._switches.switched("stt", failed.provider, self._profile.provider, why if allowed else "nothing_left")
        await self._withdraw()
        self._line = None
        if allowed:
            await self._take_over()
        else:
            loop = asyncio.get_running_loop()
            wait, self._wait = self._wait, min(LONGEST_AGAIN_S, self._wait * 2)
            self._again = loop.call_later(wait, lambda: self.create_task(self._take_over(), "ears-again"))

    async def _take_over(self) -> None:
        if self._over or self._line is not None:
            return
        self._told_at = time.monotonic()
        self._line = self._opened(self._profile)
        await self._replay(self._line)

    async def _close(self) -> None:
        self._over = True
        if self._again is not None:
            self._again.cancel()
        line, self._line = self._line, None
        second, self._second = self._second, None
        for each in (line, second):
            if each is not None:
                await each.close()


def address(profile: SttProfile, rate: int) -> Address:
    """Where a profile's recogniser listens."""
    return flux.address(profile, rate) if profile.flux else nova.address(profile, rate)


def _first(chain: Sequence[SttProfile], switches: Switches) -> SttProfile:
    return next((each for each in chain if switches.breakers.allows(each.provider)), chain[0])


def _timed(since_word_ms: int | None) -> dict[str, int] | None:
    """What the engine wants to know of a transcript beside its words."""
    return None if since_word_ms is None else {"since_word_ms": since_word_ms}
