"""The mouth of a call: one voice speaks; where it fails the next one speaks what is left, where it is late one beside it."""

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
from voice_service.providers.profiles import CARTESIA, TtsProfile
from voice_service.providers.sockets import Address, Warm
from voice_service.providers.speaking import Done, Failed, Sound, Speaking, VoiceLine, Words
from voice_service.providers.speech import Part, Speech
from voice_service.providers.switches import Switches
from voice_service.providers.voices import Voices

log = structlog.get_logger(__name__)

FIRST_BYTE_S = 0.8
"""From a text to its first sound, before another voice is asked: a contact hears something within two seconds."""
UNHEARD_S = 1.2
"""From a text to a prepared sentence, whoever is being asked: the second voice may need as long as the first."""
STALL_S = 0.5
"""Between two words of a voice, where what is left to be played is no longer than another one's first sound takes."""
BREATH_S = 0.2
PATIENCE = 2.0
"""How much longer the last one left may take."""
ROUNDS = 3
"""How often all voices are asked before a speech is given up."""
AGAIN_S = 0.3
QUIET_S = 15.0
"""A speech without sound for so long is over."""


class Mouth(TTSService):
    """A speech keeps its context whoever speaks it. What is prepared plays at once and costs nothing.

    After a switch the second voice stays for the rest of the call: a person does not change their voice twice. `chunk` are the
    bytes that the line sends at once.
    """

    def __init__(
        self, chain: Sequence[TtsProfile], rate: int, warm: Warm, switches: Switches, sounds: Sounds, chunk: int
    ) -> None:
        voices = Voices(chain, rate, warm, switches.breakers, self._happened, self._failed)
        first = voices.first
        super().__init__(
            text_aggregation_mode=TextAggregationMode.TOKEN,
            push_text_frames=False,
            push_start_frame=True,
            stop_frame_timeout_s=QUIET_S,
            max_consecutive_zero_audio_contexts=0,
            sample_rate=rate,
            settings=TTSSettings(model=first.model, voice=first.voice_id, language=first.language),
        )
        self._voices = voices
        self._rate = rate
        self._block = chunk / 2 / rate
        self._switches = switches
        self._sounds = sounds
        self._line: VoiceLine | None = None
        """Who begins the next speech; None while nobody is asked."""
        self._speeches: dict[str, Speech] = {}
        self._rounds = 0
        self._whole = False
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def start(self, frame: StartFrame) -> None:
        """Open the first voice's socket, or take the one that is warm."""
        await super().start(frame)
        self._line = self._voices.open(self._voices.first)

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
            speech = self._speeches[context_id] = Speech(context_id, self._rate, block=self._block)
        speech.text += text
        await self._ask(speech)
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        """No more text of a speech comes."""
        if (speech := self._speeches.get(context_id or "")) is not None:
            speech.finished = True
            await self._ask(speech)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Nobody wants to hear the rest."""
        speech = self._speeches.pop(context_id, None)
        for part in speech.parts if speech is not None else ():
            await part.line.cancel(part.remote)
        self._tidy()

    async def on_audio_context_completed(self, context_id: str) -> None:
        """It has been played, or was quiet for too long."""
        self._speeches.pop(context_id, None)
        self._tidy()

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

    async def _ask(self, speech: Speech) -> None:
        """Tell whoever speaks it what they do not know yet."""
        if not speech.parts and self._line is not None:
            speech.ask(self._line, time.monotonic())
        for part in list(speech.parts):
            await self._pump(speech, part)

    async def _pump(self, speech: Speech, part: Part) -> None:
        if text := speech.text[part.sent :]:
            now = time.monotonic()
            if text.strip() and (part.asked_at is None or speech.left(part) <= 0):
                part.asked_at = now
                speech.began_at = speech.began_at or now
            part.sent = len(speech.text)
            part.unsaid = await part.line.speak(part.remote, text)
        if speech.finished and not part.told_finish:
            if not speech.text[part.start :].strip():
                await self._end(speech.context)
                return
            part.told_finish, part.unsaid = True, 0
            await part.line.finish(part.remote)
        self._watch()

    async def _happened(self, line: VoiceLine, told: Speaking) -> None:
        parts = ((speech, part) for speech in self._speeches.values() for part in speech.parts if part.line is line)
        found = next((each for each in parts if each[1].remote == told.context), None)
        if found is None:
            return
        speech, part = found
        now = time.monotonic()
        match told:
            case Sound(_, pcm):
                self._voices.tried.clear()
                self._rounds = 0
                part.told(now, pcm=pcm, seconds=len(pcm) / 2 / self._rate)
            case Words(_, words):
                part.told(now, words=words)
            case Done():
                part.told(now)
                part.whole = True
                self._switches.breakers.succeeded(self._voices.of(line).provider)
            case Failed(_, why):
                await self._replace(line, self._voices.of(line), why, [speech])
                return
        await self._go_on(speech)

    async def _go_on(self, speech: Speech) -> None:
        """What is ready to be heard goes on, of whoever is to be heard."""
        if (better := speech.better(time.monotonic())) is not None:
            await self._prefer(speech, better)
        elif speech.resumed:
            for other in speech.parts[1:]:
                speech.drop(other)
                await other.line.cancel(other.remote)
        if not speech.parts or speech.context not in self._speeches:
            return
        pcm, words = speech.released(time.monotonic())
        over = speech.parts[0].whole
        if pcm:
            await self._sound(speech.context, pcm)
        if words:
            await self.add_word_timestamps([(word, start) for word, start, _ in words], speech.context)
        if over:
            await self._end(speech.context)
        self._tidy()
        self._watch()

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
        dates = (speech.late_at(FIRST_BYTE_S, STALL_S), speech.unheard_at(UNHEARD_S), speech.needed_at())
        return [each for each in dates if each is not None]

    def _looked(self) -> None:
        self._timer = None
        if not self._over:
            _ = self.create_task(self._look(), "mouth-watchdog")

    async def _look(self) -> None:
        for speech in list(self._speeches.values()):
            now = time.monotonic()
            unheard, late = speech.unheard_at(UNHEARD_S), speech.late_at(FIRST_BYTE_S, STALL_S)
            if unheard is not None and unheard <= now:
                await self._reassure(speech)
            if late is not None and late <= now:
                await self._late(speech)
            else:
                await self._go_on(speech)
        self._watch()

    async def _late(self, speech: Speech) -> None:
        """A voice says no more: nothing may be missing; else another is asked beside it, and where none is left in the end all anew."""
        if not speech.parts or speech.context not in self._speeches:
            return
        last = speech.parts[-1]
        if len(speech.parts) == 1 and speech.left(last) <= 0:
            last.whole = True
            await self._go_on(speech)
        elif (other := self._voices.after([self._voices.of(part.line).provider for part in speech.parts])) is not None:
            speech.ask(self._voices.open(other), time.monotonic())
            await self._ask(speech)
        elif last.patience < PATIENCE:  # all may be slow at the same time: asked anew they would only be slower
            last.patience = PATIENCE
            await self._reassure(speech)
        else:
            lines = [part.line for part in speech.parts]
            for line in lines:
                self._voices.broke(self._voices.of(line))
            failed = self._voices.of(lines[0])
            self._switches.switched("tts", failed.provider, self._voices.chain[0].provider, "nothing_left")
            await self._nobody(lines)

    async def _prefer(self, speech: Speech, better: Part) -> None:
        """Another voice is heard from here on, also in what waits behind it."""
        leading = speech.parts[0]
        failed, after = self._voices.of(leading.line), better.line
        self._voices.broke(failed)
        if leading.line is self._line:
            self._line = after
            self._switches.switched("tts", failed.provider, self._voices.of(after).provider, "silent")
        while speech.parts[0] is not better:
            await self._leave(speech, speech.parts[0])
        await self._move_what_waits(leading.line)

    async def _move_what_waits(self, line: VoiceLine) -> None:
        """What has no sound yet of a voice that failed is spoken by the one that took over."""
        for speech in list(self._speeches.values()):
            if speech.parts and speech.parts[0].line is line and speech.parts[0].silent and line is not self._line:
                await self._leave(speech, speech.parts[0])
            await self._ask(speech)

    async def _leave(self, speech: Speech, part: Part) -> None:
        """A voice is heard no more; a breath where it broke off within a word, which the next one begins anew."""
        again = speech.drop(part)
        if part.line in self._voices:
            await part.line.cancel(part.remote)
        if again:
            speech.plays(BREATH_S, time.monotonic())
            await self._sound(speech.context, bytes(2 * int(self._rate * BREATH_S)))

    def _tidy(self) -> None:
        """Close what nobody speaks on any more."""
        used = [part.line for speech in self._speeches.values() for part in speech.parts]
        self._shut(self._voices.unused([self._line, *used]))

    def _shut(self, lines: Sequence[VoiceLine]) -> None:
        for line in lines:
            if self._voices.drop(line) is not None:
                _ = self.create_task(line.close(), "mouth-close")

    async def _failed(self, line: VoiceLine, why: str) -> None:
        """A line is gone: another voice says what is left of all that it spoke."""
        profile = self._voices.drop(line)
        if profile is None or self._over:
            return
        idle = not self._speeches and self._voices.idle(line)
        if line is self._line and idle and why == "connection_lost":
            self._line = self._voices.open(profile)
            return
        hurt = [speech for speech in self._speeches.values() if any(part.line is line for part in speech.parts)]
        await self._replace(line, profile, why, hurt)

    async def _replace(self, line: VoiceLine, failed: TtsProfile, why: str, hurt: Sequence[Speech]) -> None:
        """Another voice goes on; where none is left a prepared sentence is heard, and the first is asked again."""
        self._voices.broke(failed)
        for speech in hurt:
            for part in [each for each in speech.parts if each.line is line]:
                await self._leave(speech, part)
        if line is self._line:
            beside = next((speech.parts[0].line for speech in hurt if speech.parts), None)
            other = self._voices.of(beside) if beside is not None else self._voices.after()
            to = other or self._voices.chain[0]
            reason = why if other is not None else "nothing_left"
            self._switches.switched("tts", failed.provider, to.provider, reason)
            if other is None:
                await self._nobody([line])
                return
            self._line = self._voices.open(other)
        await self._move_what_waits(line)
        self._tidy()

    async def _nobody(self, lines: Sequence[VoiceLine]) -> None:
        """All have failed, one after the other."""
        self._line = None
        self._voices.tried.clear()
        self._rounds += 1
        waiting = list(self._speeches.values())
        for speech in waiting:
            for part in [each for each in speech.parts if each.line in lines]:
                await self._leave(speech, part)
        self._shut(lines)
        for speech in waiting[:1]:
            await self._reassure(speech)
        if self._rounds > ROUNDS:
            for speech in waiting:
                await self._end(speech.context)
            self._rounds = 0
        await asyncio.sleep(AGAIN_S * 2**self._rounds)
        if self._line is None and not self._over:
            self._line = self._voices.open(self._voices.chain[0])
            for speech in list(self._speeches.values()):
                await self._ask(speech)

    async def _reassure(self, speech: Speech) -> None:
        """A prepared sentence, once in a speech."""
        clip = self._sounds.clip(SAFE)
        if clip is not None and not speech.reassured:
            speech.plays(clip.seconds, time.monotonic())
            await self._sound(speech.context, clip.pcm)
        speech.reassured = True

    async def _close(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._line = None
        for line in self._voices.unused([]):
            self._voices.drop(line)
            await line.close()


def address(profile: TtsProfile, rate: int) -> Address:
    """Where a profile's voice speaks."""
    return cartesia.address(profile) if profile.vendor == CARTESIA else elevenlabs.address(profile, rate)
