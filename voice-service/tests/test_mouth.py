"""What a contact hears of a speech whose voice fails in the middle: each word once and whole, whoever speaks it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner
from voice_house import sandbox_urls

from events.call import ProviderSwitched
from libs.channels.exotel_media import SMALLEST
from voice_service.prepared import Sounds
from voice_service.providers import mouth as mouth_of_all
from voice_service.providers.breaker import Breakers
from voice_service.providers.mouth import BREATH_S, Mouth
from voice_service.providers.profiles import Chains, chains
from voice_service.providers.sockets import Warm
from voice_service.providers.switches import Switches

RATE = 8000
FIRST = "Namaste Priya ji, aapka payment abhi tak nahi aaya hai."
SECOND = "Kripya aaj shaam tak bata dijiye ki kab tak kar denge, dhanyavaad."
WORD_S = 0.45
"""A short word of them; and how much longer the emulated voice speaks what begins within a phrase."""
QUIET = 300


@dataclass
class Ear(FrameProcessor):
    """Hears what the mouth says, and when."""

    spoken: int = 2
    words: list[str] = field(default_factory=list)
    sound: bytearray = field(default_factory=bytearray)
    gap: float = 0.0
    """The longest time in which there was nothing to be played, after the first sound."""

    def __post_init__(self) -> None:
        super().__init__()
        self.done = asyncio.Event()
        self._until: float | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            self.words.append(frame.text)
        elif isinstance(frame, TTSAudioRawFrame):
            now = asyncio.get_running_loop().time()
            if self._until is not None:
                self.gap = max(self.gap, now - self._until)
            self._until = max(now, self._until or now) + len(frame.audio) / 2 / RATE
            self.sound += frame.audio
        elif isinstance(frame, TTSStoppedFrame):
            self.spoken -= 1
            if self.spoken == 0:
                self.done.set()
        await self.push_frame(frame, direction)

    __hash__ = object.__hash__

    @property
    def voiced(self) -> float:
        """Seconds in which somebody spoke: pauses are each voice's own."""
        frames = np.frombuffer(self.sound[: len(self.sound) // 320 * 320], dtype="<i2").reshape(-1, 160)
        return float(np.count_nonzero(np.abs(frames.astype(np.int32)).max(axis=1) > QUIET)) * 0.02


@dataclass
class Said:
    """What was heard, and who took over why."""

    ear: Ear
    switches: list[ProviderSwitched]


def voices(sandbox: str) -> Chains:
    """Cartesia, and ElevenLabs behind it."""
    urls = {name: url.replace("http", "ws", 1) for name, url in sandbox_urls(sandbox).items()}
    keys = dict.fromkeys(urls, "key")
    return chains({}, urls, keys, model="m", fallback_model=None, language="hi")


async def say(sandbox: str, *faults: tuple[str, dict[str, Any]], hurried: bool = False, **pace: float) -> Said:
    """An answer of two sentences, word by word, and a line of ours behind it, with these faults of the voices.

    `pace` is of the first voice: how much comes at once, and how fast the rest. Unless somebody is `hurried`, nobody is late,
    however slow the machine is.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in () if hurried else ("FIRST_BYTE_S", "UNHEARD_S", "STALL_S"):
            patch.setattr(mouth_of_all, name, 20.0)
        return await _said(sandbox, *faults, **pace)


async def _said(sandbox: str, *faults: tuple[str, dict[str, Any]], **pace: float) -> Said:
    async with httpx.AsyncClient(base_url=sandbox) as client:
        (await client.post("/_sandbox/reset")).raise_for_status()
        (await client.put("/_sandbox/cartesia/pace", json=pace)).raise_for_status()
        for who, fault in faults:
            (await client.post(f"/_sandbox/{who}/faults", json=fault)).raise_for_status()
    told: list[ProviderSwitched] = []
    switches = Switches("1", Breakers(asyncio.get_running_loop().time), lambda _, fact: told.append(fact))
    warm, ear = Warm(), Ear()
    mouth = Mouth(voices(sandbox).mouths, RATE, warm, switches, Sounds(), SMALLEST)
    worker = PipelineWorker(
        Pipeline([mouth, ear]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await worker.queue_frame(LLMFullResponseStartFrame())
    for word in f"{FIRST} {SECOND}".split():
        await worker.queue_frame(LLMTextFrame(f"{word} "))
    await worker.queue_frame(LLMFullResponseEndFrame())
    await worker.queue_frame(TTSSpeakFrame("Namaste."))
    async with asyncio.timeout(30):
        await ear.done.wait()
    await worker.queue_frame(EndFrame())
    await running
    await warm.close()
    return Said(ear, told)


WORDS = f"{FIRST} {SECOND} Namaste.".split()
SPEAKING: dict[str, Any] = {"when": "Namaste", "sound_ms": 1200}
"""In the middle of the first sentence, however slow the machine is."""


async def test_who_does_not_fail_says_it_all(sandbox: str):
    said = await say(sandbox)
    assert (said.ear.words, said.switches) == (WORDS, [])


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ([("cartesia", SPEAKING | {"drops": True})], ["connection_lost"]),
        ([("cartesia", SPEAKING | {"closes": 1011})], ["server_error"]),
        ([("cartesia", SPEAKING | {"mute": True})], ["silent"]),
        ([("cartesia", SPEAKING | {"slow_ms": 6000})], ["silent"]),
        ([("cartesia", {"when": "Namaste\\.", "fails": 429})], ["rate_limited"]),
        ([("cartesia", {"when": "Priya", "fails": 402})], ["quota"]),
        ([("cartesia", {"when": "Priya", "mute": True})], ["silent"]),
        ([("cartesia", {"refuse": 503})], ["server_error"]),
        (
            [
                ("cartesia", SPEAKING | {"drops": True}),
                ("elevenlabs", {"when": "nahi", "sound_ms": 1000, "drops": True}),
            ],
            ["connection_lost", "connection_lost"],
        ),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) and isinstance(value[0], str) else None,
)
async def test_each_word_is_heard_once_and_whole(sandbox: str, faults: list[Any], why: list[str]):
    clean = (await say(sandbox)).ear.voiced
    said = await say(sandbox, *faults, hurried="silent" in why)
    assert said.ear.words == WORDS
    assert [each.reason for each in said.switches] == why
    assert abs(said.ear.voiced - clean) < WORD_S * len(why), "no sound is missing, and none is heard twice"
    assert said.ear.gap < 4


@pytest.mark.parametrize("began_ms", [100, 300])
async def test_a_word_that_was_heard_by_half_is_begun_anew_after_a_breath_and_what_nobody_heard_leaves_no_trace(
    sandbox: str, began_ms: int
):
    other = bytes((await say(sandbox, ("cartesia", {"refuse": 503}))).ear.sound)
    usual = bytes((await say(sandbox)).ear.sound)
    said = await say(sandbox, hurried=True, chunk_ms=began_ms, real_time_factor=0.01)
    heard = usual[: 2 * RATE * began_ms // 1000] + bytes(2 * int(RATE * BREATH_S)) if began_ms >= 200 else b""
    assert (said.ear.words, [each.reason for each in said.switches]) == (WORDS, ["silent"])
    assert said.ear.sound[: len(heard) + 2 * RATE] == heard + other[: 2 * RATE], "then all of the next voice"


async def test_who_is_late_and_sounds_before_the_other_is_heard_to_the_end(sandbox: str):
    said = await say(
        sandbox,
        ("cartesia", {"when": "Priya", "slow_ms": 1000}),
        ("elevenlabs", {"when": "Priya", "mute": True}),
        hurried=True,
    )
    assert (said.ear.words, said.switches) == (WORDS, []), "nobody was dropped who was about to speak"


async def test_where_all_are_slow_they_are_waited_for_and_not_asked_again_and_again(sandbox: str):
    slow = {"when": "Priya", "slow_ms": 1800}
    said = await say(sandbox, ("cartesia", slow), ("elevenlabs", slow), hurried=True)
    assert (said.ear.words, said.switches) == (WORDS, [])


async def test_who_pauses_and_goes_on_while_its_sound_is_played_is_not_replaced(sandbox: str):
    pauses_s = 0.9
    pauses = SPEAKING | {"slow_ms": pauses_s * 1000}
    said = await say(sandbox, ("cartesia", pauses), ("elevenlabs", {"mute": True}), hurried=True)
    assert (said.ear.words, said.switches) == (WORDS, [])
    assert said.ear.gap < pauses_s, "what had come before was heard meanwhile"
