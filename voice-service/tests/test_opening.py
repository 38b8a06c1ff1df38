"""The first moments of a call, whatever comes first: the answer, a hello, our first words, a machine. All orders, as a table.

The engine and what plans our words are the real ones; the line behind them sounds and falls silent when a row says so.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import AggregationType
from pipecat.workers.runner import WorkerRunner
from voice_world import a_call

from libs.domain.endpointing import Endpointing
from libs.domain.floor import INDIAN
from voice_service.prepared import Sounds
from voice_service.recorder import Recorder
from voice_service.saying import Listened, OwnLine, Planned, Speech
from voice_service.turns import TurnTaking

OPENING = "Namaste Priya ji, main Asha bol rahi hoon."
ANNOUNCED = "Yeh call record ho rahi hai."
HELLO, ASKS, TURN = "Hello?", "Kaun bol raha hai bhai", "Main kal kar dunga"
MAILBOX = "Please leave a message after the tone"
WAITS = ("base_ms", "question_ms", "after_filler_ms", "number_dictation_ms", "mid_sentence_ms", "emotional_ms")
QUICK = replace(INDIAN, endpointing=Endpointing(**dict.fromkeys(WAITS, 20)), stalled_ms=60_000)
"""A turn whose end was not heard is closed after a minute: no row waits for that."""


@dataclass
class Mark(DataFrame):
    """Comes out behind the lines when all before it has."""


class Way(FrameProcessor):
    """What is between the engine and the planning, where an interruption overtakes a line: holds lines until it is opened."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.shut = True
        self.asks = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._held: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, OwnLine) and self.shut:
            self._held.append(frame)
            return
        if isinstance(frame, LLMContextFrame):
            self.asks.set()
            await self.goes_on.wait()
        await self.push_frame(frame, direction)

    async def opens(self) -> None:
        self.shut = False
        held, self._held = self._held, []
        for frame in held:
            await self.push_frame(frame)


class Line(FrameProcessor):
    """What the contact hears, when a row says so; and what Claude is asked."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.heard: list[str] = []
        self.asked: list[str] = []
        self.order: list[str] = []
        self.hung_up = False
        self.changed = asyncio.Condition()
        self._waiting: list[str] = []
        self._playing: str | None = None
        self._marks = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSSpeakFrame():
                self._waiting.append(frame.text)
            case InterruptionFrame():
                self.order.append("interrupted")
                self._waiting.clear()
                await self._falls_silent()
            case LLMContextFrame() if not frame.speculation:
                self.order.append("asked")
                self.asked.append(str(frame.context.messages[-1]["content"]))  # type: ignore[index]
            case EndWorkerFrame():
                self.hung_up = True
                return
            case Mark():
                self._marks += 1
        async with self.changed:
            self.changed.notify_all()
        await self.push_frame(frame, direction)

    async def sounds(self) -> None:
        """The next line begins to be heard, if there is one."""
        if self._waiting:
            text = self._waiting.pop(0)
            self.heard.append(text)
            await self.push_frame(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
            first, _, self._playing = text.partition(" ")
            await self.push_frame(TTSTextFrame(first, aggregated_by=AggregationType.WORD))

    async def ends(self) -> None:
        """What is heard has been heard to its end."""
        if self._playing is not None:
            await self.push_frame(TTSTextFrame(self._playing, aggregated_by=AggregationType.WORD))
            await self.push_frame(TTSStoppedFrame())
            await self._falls_silent()

    async def has(self, number: int) -> None:
        """So many marks have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: self._marks >= number)

    async def is_asked(self) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.asked)

    async def _falls_silent(self) -> None:
        if self._playing is not None:
            self._playing = None
            await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)


async def kept(_number: int, _sound: bytes) -> None:
    """A part of the recording."""


class Stage:
    """One call, whose events come when they are told to."""

    def __init__(self, recorded: bool) -> None:
        self.call = a_call(OPENING)
        if recorded:
            self.call.recorder = Recorder(ANNOUNCED, kept, self.call.now_ms)
        speech = Speech(self.call, "hi-Latn", 80, Sounds())
        planned = Planned(self.call, speech)
        self.way, self.line = Way(), Line()
        self.turns = TurnTaking(self.call, LLMContext([]), QUICK, OPENING, speech, planned, 3200)
        self._marks = 0
        self.worker = PipelineWorker(
            Pipeline([self.turns, self.way, planned, self.line, Listened(speech)]),
            params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )

    async def plays(self, row: str) -> None:
        """The events of a row, each looked at by everybody before the next."""
        async with self.on():
            for event in row.split():
                await self.happens(event)
                await self.settles()
            if not self.line.hung_up:
                await self.line.is_asked()
                await self.settles()

    @asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """While the call is."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        await self.worker.queue_frame(Mark())
        self._marks = 1
        try:
            async with asyncio.timeout(20):
                await self.line.has(1)
                yield
                await self.worker.queue_frame(EndFrame())
                await running
        finally:
            if not running.done():
                await self.worker.cancel()
                await running

    async def settles(self) -> None:
        self._marks += 1
        await self.turns.process_frame(Mark(), FrameDirection.DOWNSTREAM)
        await self.line.has(self._marks)

    async def happens(self, event: str) -> None:
        match event:
            case "ready":
                await self.way.opens()
            case "sounds":
                await self.line.sounds()
            case "ends":
                await self.line.ends()
            case "mute":
                self.turns._is_mute()
                await asyncio.sleep(0)
            case "key":
                self.call.pressed("#")
                await asyncio.sleep(0)
            case "asked":
                await self.line.is_asked()
            case _:
                text = {"hello": HELLO, "asks": ASKS, "turn": TURN, "mailbox": MAILBOX}[event]
                for frame in (
                    InterimTranscriptionFrame(text, "", ""),
                    TranscriptionFrame(text, "", "", finalized=True),
                    ProposedUserStoppedSpeakingFrame(),
                ):
                    await self.turns.process_frame(frame, FrameDirection.DOWNSTREAM)


OURS = ("ready", "sounds", "ends")


def inserted(event: str) -> Iterator[tuple[str, int]]:
    """What we do, and the event at each place of it."""
    for place in range(len(OURS) + 1):
        yield " ".join((*OURS[:place], event, *OURS[place:])), place


@pytest.mark.parametrize("row", [f"{row} turn" for row, place in inserted("hello") if place < 3])
async def test_a_hello_before_our_last_word_changes_nothing(row: str):
    stage = Stage(recorded=False)
    await stage.plays(row)
    assert (stage.line.heard, len(stage.line.asked)) == ([OPENING], 1)
    assert HELLO not in stage.line.asked[0]


@pytest.mark.parametrize(
    ("row", "place"),
    [*inserted("asks"), *inserted("key"), *((row, place) for row, place in inserted("hello") if place == 3)],
)
async def test_who_interrupts_is_answered_once_and_not_greeted_after_that(row: str, place: int):
    stage = Stage(recorded=False)
    await stage.plays(f"{row} asked sounds ends")
    assert stage.line.heard == ([] if place < 2 else [OPENING])
    assert len(stage.line.asked) == 1


@pytest.mark.parametrize(("row", "place"), list(inserted("asks")))
async def test_that_the_call_is_recorded_is_heard_before_the_answer_also_by_who_interrupts_it(row: str, place: int):
    stage = Stage(recorded=True)
    await stage.plays(f"{row} asked ready sounds ends sounds ends")
    assert stage.line.heard == {0: [ANNOUNCED], 1: [ANNOUNCED], 2: [ANNOUNCED, ANNOUNCED]}.get(place, [ANNOUNCED])
    assert len(stage.line.asked) == 1


@pytest.mark.parametrize(("row", "place"), list(inserted("mailbox")))
async def test_a_mailbox_hears_no_more_of_us(row: str, place: int):
    stage = Stage(recorded=False)
    await stage.plays(row)
    assert stage.line.heard == ([] if place < 2 else [OPENING])
    assert (stage.line.hung_up, stage.call.reason, stage.line.asked) == (True, "voicemail", [])


@pytest.mark.parametrize(
    ("row", "heard"),
    [
        ("mute ready sounds ends turn", [OPENING]),
        ("ready mute sounds ends turn", [OPENING]),
        ("mute hello asked ready sounds ends", []),
        ("mute ready hello asked sounds ends", []),
        ("mute asks asked ready sounds ends", []),
        ("hello mute ready sounds ends turn", [OPENING]),
        ("ready hello mute sounds ends turn", [OPENING]),
    ],
)
async def test_an_opening_that_comes_late_greets_only_who_has_not_been_answered(row: str, heard: list[str]):
    stage = Stage(recorded=False)
    await stage.plays(row)
    assert (stage.line.heard, len(stage.line.asked)) == (heard, 1)


async def test_what_the_ears_have_told_already_is_not_lost_when_we_fall_silent():
    stage = Stage(recorded=False)
    stage.way.shut = False
    async with stage.on():
        for frame in (
            InterimTranscriptionFrame("Kaun", "", ""),
            TranscriptionFrame(ASKS, "", "", finalized=True),
            ProposedUserStoppedSpeakingFrame(),
        ):
            await stage.turns.queue_frame(frame)
        await stage.line.is_asked()
        assert ASKS in stage.line.asked[0]


async def test_who_goes_on_while_claude_is_being_asked_is_not_answered_before_they_have_finished():
    stage = Stage(recorded=False)
    async with stage.on():
        for event in ("ready", "sounds", "ends"):
            await stage.happens(event)
            await stage.settles()
        stage.way.goes_on.clear()
        await stage.happens("turn")
        await stage.way.asks.wait()
        more = InterimTranscriptionFrame("Aur ek baat suniye", "", "")
        going_on = asyncio.create_task(stage.turns.process_frame(more, FrameDirection.DOWNSTREAM))
        for _ in range(50):
            await asyncio.sleep(0)  # it may try to come before
        stage.way.goes_on.set()
        await going_on
        await stage.settles()
        assert stage.line.order[-2:] == ["asked", "interrupted"]
