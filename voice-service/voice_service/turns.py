"""The pure turn-taking engine in Pipecat's pipeline: what is heard goes in, what it decides is done."""

import asyncio

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    MetricsFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from libs.domain.endpointing import expects
from libs.domain.floor import (
    Action,
    AgentBegan,
    AgentEnded,
    AgentSpoke,
    BreakSilence,
    EndOfTurn,
    Happening,
    Heard,
    HoldOn,
    Manners,
    Resume,
    StopSpeaking,
    Tick,
    TurnClosed,
    Withdraw,
)
from libs.domain.turntaking import Floor, step, wake_at
from voice_service.calls import Call
from voice_service.latency import Turn
from voice_service.lines import HOLD_ON, LINES


class TurnTaking(FrameProcessor):
    """Stands between the ears and Claude. It alone decides when a turn is over and when we fall silent."""

    def __init__(self, call: Call, context: LLMContext, manners: Manners, opening: str) -> None:
        super().__init__()
        self._call = call
        self._context = context
        self._manners = manners
        self._opening = opening
        self._floor = Floor()
        self._said: tuple[str, bool] = ("", False)
        """A line of ours that no answer of Claude's is: its text, and whether it breaks a silence."""
        self._changed = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._last_word: int | None = None
        self._end_of_speech: int | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """What the engine wants to know goes to it; the ears' own idea of turns goes no further."""
        await super().process_frame(frame, direction)
        now = self._call.now_ms()
        match frame:
            case StartFrame():
                await self.push_frame(frame, direction)
                self._ticking = self.create_task(self._tick(), "turn-taking")
                await self._say(self._opening)
            case EndFrame() | CancelFrame():
                await self._stop()
                await self.push_frame(frame, direction)
            case InterimTranscriptionFrame():
                await self._happens(Heard(now, frame.text))
            case TranscriptionFrame():
                await self._happens(Heard(now, frame.text, final=True))
            case ProposedUserStoppedSpeakingFrame():
                if direction is FrameDirection.DOWNSTREAM:
                    self._end_of_speech = now
                    await self._happens(EndOfTurn(now))
            case ProposedUserStartedSpeakingFrame():
                pass
            case BotStartedSpeakingFrame():
                await self._happens(self._began(now))
            case BotStoppedSpeakingFrame():
                if self._floor.agent is not None:
                    await self._happens(self._began(now))  # now that all of it is known
                await self._happens(AgentEnded(now))
                self._said = ("", False)
            case _:
                await self.push_frame(frame, direction)

    async def heard(self) -> None:
        """More of our words have been played."""
        if self._floor.agent is not None:
            await self._happens(AgentSpoke(self._call.now_ms(), self._call.exchange.heard.strip()))

    def _began(self, now: int) -> AgentBegan:
        text, prompt = self._said
        exchange = self._call.exchange
        words = text or exchange.planned
        turn = 0 if text else exchange.turn
        return AgentBegan(now, words, turn=turn, expects=expects(words), prompt=prompt)

    async def _tick(self) -> None:
        """Tell the engine that time has passed whenever it wants to know."""
        while True:
            due = wake_at(self._floor, self._manners)
            self._changed.clear()
            wait = None if due is None else max(0, due - self._call.now_ms()) / 1000
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                await self._happens(Tick(self._call.now_ms()))

    async def _happens(self, happened: Happening) -> None:
        self._last_word = self._floor.last_word_at or self._last_word
        self._floor, actions = step(self._floor, happened, self._manners)
        self._changed.set()
        for action in actions:
            await self._do(action)

    async def _do(self, action: Action) -> None:
        match action:
            case TurnClosed():
                moments = Turn(last_word=self._last_word, end_of_speech=self._end_of_speech, closed=self._call.now_ms())
                self._call.closed(action.turn, action.text, action.situation, moments)
                self._context.add_message({"role": "user", "content": action.text})
                await self.push_frame(LLMContextFrame(self._context))
            case StopSpeaking():
                self._call.exchange.interrupted = action.why == "barge_in"
                await self.broadcast_interruption()
            case Withdraw():
                await self.broadcast_interruption()
            case Resume():
                await self._say(action.rest)
            case HoldOn():
                await self.push_frame(TTSSpeakFrame(HOLD_ON, append_to_context=False))
            case BreakSilence():
                await self._say(LINES[action.level], prompt=True)
                if action.level == "goodbye":
                    self._call.reason = "silence"
                    await self.push_frame(EndFrame())
            case _:  # nods need sound that is ready, and speculation a second line to Claude
                pass

    async def _say(self, text: str, *, prompt: bool = False) -> None:
        self._said = (text, prompt)
        self._call.characters += len(text)
        await self.push_frame(TTSSpeakFrame(text))

    async def _stop(self) -> None:
        if self._ticking is not None:
            ticking, self._ticking = self._ticking, None
            await self.cancel_task(ticking)

    async def cleanup(self) -> None:
        """Stop the clock."""
        await super().cleanup()
        await self._stop()


class Planned(FrameProcessor):
    """Behind Claude: what is going to be said, and what it took."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note words and tokens, and pass on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            exchange = self._call.exchange
            exchange.planned += frame.text
            self._call.characters += len(frame.text)
            if exchange.moments.first_token is None:
                exchange.moments.first_token = self._call.now_ms()
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._call.exchange.planned = self._call.exchange.planned.rstrip() + " "
        elif isinstance(frame, MetricsFrame):
            for data in frame.data:
                if isinstance(data, LLMUsageMetricsData):
                    self._count(data)
        await self.push_frame(frame, direction)

    def _count(self, data: LLMUsageMetricsData) -> None:
        model, used = data.model or "", data.value
        counted = {
            ("token_in", model): used.prompt_tokens,
            ("token_out", model): used.completion_tokens,
            ("token_in", f"{model}:cache_read"): used.cache_read_input_tokens or 0,
            ("token_in", f"{model}:cache_write"): used.cache_creation_input_tokens or 0,
        }
        for what, count in counted.items():
            self._call.tokens[what] = self._call.tokens.get(what, 0) + count


class Spoken(FrameProcessor):
    """Behind the voice: when its first sound comes."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the moment, and pass on."""
        await super().process_frame(frame, direction)
        moments = self._call.exchange.moments
        if isinstance(frame, TTSAudioRawFrame) and moments.first_sound is None:
            moments.first_sound = self._call.now_ms()
        await self.push_frame(frame, direction)


class Listened(FrameProcessor):
    """Behind the transport: the words that were really played, as they were."""

    def __init__(self, call: Call, turns: TurnTaking) -> None:
        super().__init__()
        self._call = call
        self._turns = turns

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the words, and pass on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            self._call.exchange.heard = f"{self._call.exchange.heard} {frame.text}".strip()
            await self._turns.heard()
        await self.push_frame(frame, direction)
