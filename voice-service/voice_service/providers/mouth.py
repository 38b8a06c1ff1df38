"""The mouth of a call: one voice speaks; where it fails or falls silent, the next one speaks what has not been heard."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import structlog
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    StartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService

from voice_service.prepared import SAFE, Clip, Sounds
from voice_service.providers import cartesia, elevenlabs
from voice_service.providers.cartesia import CartesiaLine
from voice_service.providers.elevenlabs import ElevenLabsLine
from voice_service.providers.profiles import CARTESIA, TtsProfile
from voice_service.providers.sockets import Address, Warm
from voice_service.providers.speaking import Done, Sound, Speaking, VoiceLine, Word, Words
from voice_service.providers.speech import Speech
from voice_service.providers.switches import Switches

log = structlog.get_logger(__name__)

FIRST_BYTE_S = 0.8
"""From a text to its first sound, before another voice is asked: a contact hears something within two seconds."""
UNHEARD_S = 1.2
"""From a text to a prepared sentence, whoever is being asked: the second voice may need as long as the first."""
STALL_S = 0.5
"""Without a word after what was received has been played."""
BREATH_S = 0.2
IDLE_S = 60.0
"""A socket that closes after so long while nothing is being said has not failed: providers close idle ones."""
ROUNDS = 3
"""How often all voices are asked before a speech is given up."""
AGAIN_S = 0.3
QUIET_S = 15.0
"""A speech without sound for so long is over."""


class Mouth(TTSService):
    """A speech keeps its context whoever speaks it. What is prepared plays at once and costs nothing.

    After a switch the second voice stays for the rest of the call: a person does not change their voice twice.
    """

    def __init__(self, chain: Sequence[TtsProfile], rate: int, warm: Warm, switches: Switches, sounds: Sounds) -> None:
        first = next((each for each in chain if switches.breakers.allows(each.provider)), chain[0])
        super().__init__(
            text_aggregation_mode=TextAggregationMode.TOKEN,
            push_text_frames=False,
            push_start_frame=True,
            stop_frame_timeout_s=QUIET_S,
            max_consecutive_zero_audio_contexts=0,
            sample_rate=rate,
            settings=TTSSettings(model=first.model, voice=first.voice_id, language=first.language),
        )
        self._chain = chain
        self._rate = rate
        self._warm = warm
        self._switches = switches
        self._sounds = sounds
        self._profile = first
        self._line: VoiceLine | None = None
        self._speeches: dict[str, Speech] = {}
        self._tried: set[str] = set()
        self._rounds = 0
        self._handed = 0
        self._whole = False
        self._opened_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def start(self, frame: StartFrame) -> None:
        """Open the first voice's socket, or take the one that is warm."""
        await super().start(frame)
        self._open()

    async def stop(self, frame: EndFrame) -> None:
        """When all has been spoken."""
        await super().stop(frame)
        await self._close()

    async def cancel(self, frame: CancelFrame) -> None:
        """At once."""
        await super().cancel(frame)
        await self._close()

    async def cleanup(self) -> None:
        """Close the socket."""
        await super().cleanup()
        await self._close()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Have more of a speech spoken; its sound comes by itself."""
        speech = self._speeches.get(context_id)
        if speech is None:
            clip = self._sounds.clip(text) if self._whole else None
            if clip is not None:
                await self._play(context_id, clip)
                yield None
                return
            speech = self._speeches[context_id] = Speech(context_id, context_id)
        speech.text += text
        await self._pump(speech)
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        """No more text of a speech comes."""
        if (speech := self._speeches.get(context_id or "")) is not None:
            speech.finished = True
            await self._pump(speech)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Nobody wants to hear the rest."""
        speech = self._speeches.pop(context_id, None)
        if speech is not None and self._line is not None:
            await self._line.cancel(speech.remote)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """It has been played, or was quiet for too long."""
        self._speeches.pop(context_id, None)

    async def _handle_tts_speak(self, frame: TTSSpeakFrame) -> None:
        """A line of ours comes whole, and may be prepared."""
        self._whole = True
        try:
            await super()._handle_tts_speak(frame)
        finally:
            self._whole = False

    async def _play(self, context: str, clip: Clip) -> None:
        await self._sound(context, clip.pcm)
        await self.add_word_timestamps([(word, start) for word, start, _ in clip.words], context)
        await self._end(context)

    async def _sound(self, context: str, pcm: bytes) -> None:
        await self.append_to_audio_context(context, TTSAudioRawFrame(pcm, self._rate, 1, context_id=context))

    async def _end(self, context: str) -> None:
        self._speeches.pop(context, None)
        if self.audio_context_available(context):
            await self.append_to_audio_context(context, TTSStoppedFrame(context_id=context))
            await self.remove_audio_context(context)

    async def _pump(self, speech: Speech) -> None:
        """Tell the voice what it does not know yet."""
        line = self._line
        if line is None:
            return
        if text := speech.text[speech.sent :]:
            if text.strip() and (speech.asked_at is None or speech.left <= 0):
                speech.asked_at = time.monotonic()
                speech.began_at = speech.began_at or speech.asked_at
            speech.sent = len(speech.text)
            await line.speak(speech.remote, text)
        if speech.finished and not speech.told_finish:
            if not speech.text.strip() and speech.received == 0:
                await self._end(speech.context)
                return
            speech.told_finish = True
            await line.finish(speech.remote)
        self._watch()

    async def _happened(self, line: VoiceLine, told: Speaking) -> None:
        if line is not self._line:
            return
        speech = next((each for each in self._speeches.values() if each.remote == told.context), None)
        if speech is None:
            return
        match told:
            case Sound(_, pcm):
                self._tried.clear()
                self._rounds = 0
                words = speech.sounded(len(pcm) / 2 / self._rate, time.monotonic())
                await self._sound(speech.context, pcm)
                await self._told(speech, words)
            case Words(_, words):
                speech.waiting += words
                await self._told(speech, speech.sounded(0.0, time.monotonic()) if speech.received else [])
            case Done():
                await self._told(speech, speech.done())
                self._switches.breakers.succeeded(self._profile.provider)
                await self._end(speech.context)

    async def _told(self, speech: Speech, words: Sequence[Word]) -> None:
        if words:
            await self.add_word_timestamps([(word, start) for word, start, _ in words], speech.context)

    def _watch(self) -> None:
        """Look again when the first speech is due."""
        due = [each for speech in self._speeches.values() for each in self._dates(speech)]
        if self._timer is not None:
            if due and self._timer.when() - asyncio.get_running_loop().time() <= min(due) - time.monotonic():
                return  # it looks soon enough by itself
            self._timer.cancel()
            self._timer = None
        if due and not self._over:
            wait = max(0.01, min(due) - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._looked)

    def _dates(self, speech: Speech) -> list[float]:
        """When to look at a speech again."""
        dates = (speech.due(FIRST_BYTE_S, STALL_S), speech.unheard_at(UNHEARD_S))
        return [each for each in dates if each is not None]

    def _looked(self) -> None:
        self._timer = None
        if not self._over:
            _ = self.create_task(self._look(), "mouth-watchdog")

    async def _look(self) -> None:
        now = time.monotonic()
        for speech in list(self._speeches.values()):
            unheard = speech.unheard_at(UNHEARD_S)
            if unheard is not None and unheard <= now:
                await self._reassure(speech)
            due = speech.due(FIRST_BYTE_S, STALL_S)
            if due is None or due > now:
                continue
            if speech.left <= 0:
                await self._end(speech.context)
            elif (line := self._line) is not None:
                _ = self.create_task(line.close(), "mouth-close")
                await self._failed(line, "silent")
                return
        self._watch()

    def _open(self) -> None:
        self._opened_at = time.monotonic()
        self._switches.breakers.asked(self._profile.provider)
        kind = CartesiaLine if self._profile.vendor == CARTESIA else ElevenLabsLine
        self._line = kind(self._profile, self._rate, self._warm, self._happened, self._failed)
        self._line.start()

    async def _failed(self, line: VoiceLine, why: str) -> None:
        """Another voice goes on; where none is left a prepared sentence is heard, and the first is asked again."""
        if line is not self._line or self._over:
            return
        self._line = None
        if why == "connection_lost" and not self._speeches and time.monotonic() - self._opened_at > IDLE_S:
            self._open()
            return
        failed = self._profile
        self._switches.breakers.failed(failed.provider)
        self._tried.add(failed.provider)
        left = [each for each in self._chain if each.provider not in self._tried]
        allowed = [each for each in left if self._switches.breakers.allows(each.provider)] or left
        self._profile = allowed[0] if allowed else self._chain[0]
        self._switches.switched("tts", failed.provider, self._profile.provider, why if allowed else "nothing_left")
        if allowed:
            await self._take_over()
        else:
            await self._nobody()

    async def _take_over(self) -> None:
        if self._over:
            return
        self._open()
        for speech in list(self._speeches.values()):
            if speech.received and speech.left > 0:  # a breath between two voices, as a word may be cut
                await self._sound(speech.context, bytes(2 * int(self._rate * BREATH_S)))
                speech.received += BREATH_S
            self._handed += 1
            speech.hand_over(f"{speech.context}-{self._handed}", time.monotonic())
            await self._pump(speech)

    async def _nobody(self) -> None:
        """All have failed, one after the other."""
        self._tried.clear()
        self._rounds += 1
        waiting = list(self._speeches.values())
        for speech in waiting[:1]:
            await self._reassure(speech)
        if self._rounds > ROUNDS:
            for speech in waiting:
                await self._end(speech.context)
            self._rounds = 0
        await asyncio.sleep(AGAIN_S * 2**self._rounds)
        await self._take_over()

    async def _reassure(self, speech: Speech) -> None:
        """A prepared sentence, once in a speech."""
        clip = self._sounds.clip(SAFE)
        if clip is not None and not speech.reassured:
            await self._sound(speech.context, clip.pcm)
            speech.before += clip.seconds
        speech.reassured = True

    async def _close(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        line, self._line = self._line, None
        if line is not None:
            await line.close()


def address(profile: TtsProfile, rate: int) -> Address:
    """Where a profile's voice speaks."""
    return cartesia.address(profile) if profile.vendor == CARTESIA else elevenlabs.address(profile, rate)
