"""The pure turn-taking engine in Pipecat's pipeline: what is heard goes in, what it decides is done."""

import asyncio
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from libs.channels.exotel_media import RATE
from libs.domain.endpointing import expects, names_amount_or_date
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
    Nod,
    Pressed,
    Resume,
    Speculate,
    StopSpeaking,
    ThinkAgain,
    Tick,
    TurnClosed,
    TurnResumed,
    Withdraw,
)
from libs.domain.turntaking import Floor, step, wake_at
from libs.llm import calls as prompts
from voice_service import decide, lines
from voice_service.answerer import Answerer
from voice_service.calls import Call
from voice_service.latency import Turn
from voice_service.saying import Kind, Planned, Speech

OPENING_S = 5.0
"""The floor is ours from the answer on: a hello before our first sound is no turn, unless there is no sound for so long."""


class TurnTaking(FrameProcessor):
    """Stands between the ears and Claude. It alone decides when a turn is over and when we fall silent."""

    def __init__(
        self,
        call: Call,
        context: LLMContext,
        manners: Manners,
        opening: str,
        speech: Speech,
        planned: Planned,
        chunk: int,
    ) -> None:
        super().__init__()
        self._call = call
        self._context = context
        self._manners = manners
        self._speech = speech
        self._planned = planned
        self._chunk = chunk
        self._voice = call.bundle.settings.voice
        self._answerer = Answerer(self._voice)
        self._announcement = call.recorder.announcement if call.recorder is not None else ""
        self._owes_announcement = False
        self._first = [speech.opening(text) for text in (self._announcement, opening) if text]
        self._floor, _ = step(Floor(), self._began(call.now_ms()), manners)
        self._acting = asyncio.Lock()
        self._over = False
        self._speculated: int | None = None
        """The turn whose answer Claude thinks of before it is over, or has thought of."""
        self._nods = 0
        self._changed = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._mute: asyncio.TimerHandle | None = None
        self._opening_late = False
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
                self._call.on_key = self._key
                for line in self._first:
                    await self.push_frame(line)
                self._mute = asyncio.get_running_loop().call_later(OPENING_S, self._is_mute)
            case EndFrame() | CancelFrame():
                await self._stop()
                await self.push_frame(frame, direction)
            case InterimTranscriptionFrame() | TranscriptionFrame() | EagerTranscriptionFrame():
                await self._heard(frame, now)
            case EagerEndOfTurnCancelFrame():
                if direction is FrameDirection.DOWNSTREAM:
                    await self._happens(TurnResumed(now))
                else:
                    await self._answer_again()
            case ProposedUserStoppedSpeakingFrame():
                if direction is FrameDirection.DOWNSTREAM:
                    self._end_of_speech = now
                    await self._happens(EndOfTurn(now))
            case ProposedUserStartedSpeakingFrame():
                pass
            case BotStartedSpeakingFrame() if self._opening_late and self._floor.begun:
                await self._let_go_of_a_late_opening()
            case BotStartedSpeakingFrame():
                self._sounds()
                await self._happens(self._began(now))
            case BotStoppedSpeakingFrame():
                if self._floor.agent is not None:
                    await self._happens(self._began(now))  # now that all of it is known
                await self._happens(AgentEnded(now))
                self._notes_announcement()
            case _:
                await self.push_frame(frame, direction)

    async def _heard(self, frame: Any, now: int) -> None:
        told = frame.result if isinstance(frame.result, dict) else {}
        since = told.get("since_word_ms")
        heard = Heard(
            now,
            frame.text,
            final=isinstance(frame, TranscriptionFrame),
            ended=None if since is None else now - since,
        )
        if not self._over and self._answerer.watches(now) and self._answerer.hears(heard):
            await self._is_a_machine()
        await self._takes_floor(heard)
        if isinstance(frame, EagerTranscriptionFrame):
            await self._happens(EndOfTurn(now, eager=True))

    def _is_mute(self) -> None:
        """Not even the opening is heard: the silence is noticed, and broken."""
        if self._over:
            return
        self._opening_late = True
        self.create_task(self._happens(AgentEnded(self._call.now_ms())), "mute")

    def _sounds(self) -> None:
        self._opening_late = False
        if self._mute is not None:
            self._mute.cancel()
            self._mute = None

    def _key(self, digit: str) -> None:
        self.create_task(self._takes_floor(Pressed(self._call.now_ms(), digit)), "key")

    async def _takes_floor(self, happened: Heard | Pressed) -> None:
        """The contact may interrupt: what was planned and heard by now decides what is cut off."""
        if self._floor.agent is not None:
            await self._happens(self._began(happened.at))
            await self._happens(AgentSpoke(happened.at, self._speech.utterance.understood))
        await self._happens(happened)

    def _began(self, now: int) -> AgentBegan:
        kind, turn = self._speech.playing
        words = self._speech.utterance.written
        return AgentBegan(
            now,
            words,
            turn=turn if kind in ("answer", "filler") else 0,
            expects=expects(words),
            opening=kind == "opening",
            prompt=kind == "prompt",
            filler=kind == "filler",
        )

    async def _tick(self) -> None:
        """Tell the engine that time has passed whenever it wants to know."""
        while True:
            due = wake_at(self._floor, self._call.pace.manners(self._manners))
            self._changed.clear()
            wait = None if due is None else max(0, due - self._call.now_ms()) / 1000
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                await self._happens(Tick(self._call.now_ms()))

    async def _happens(self, happened: Happening) -> None:
        if self._over or self._answerer.machine:
            return
        async with self._acting:  # what came first is done first, whoever told it: frames, the clock, a key
            self._floor, actions = step(self._floor, happened, self._call.pace.manners(self._manners))
            self._last_word = self._floor.last_word_at or self._last_word
            self._changed.set()
            for action in actions:
                await self._do(action)

    async def _do(self, action: Action) -> None:
        match action:
            case Speculate() if decide.says_stop(action.text, self._call.bundle):
                pass  # not for Claude, if the turn ends with it
            case Speculate():
                await self._let_go_of_a_late_opening()
                await self._announce()
                self._speculated = action.turn
                await self.push_frame(UserStartedSpeakingFrame())
                await self.push_frame(LLMContextFrame(self._provisional(action.text), speculation=True))
            case TurnClosed():
                await self._close(action)
            case StopSpeaking():
                self._call.exchange.interrupted = action.why == "barge_in"
                await self._interrupt()
            case Withdraw() if action.turn == self._speculated:
                self._speculated = None
                await self.push_frame(EagerEndOfTurnCancelFrame())
            case Withdraw():
                await self._interrupt()
            case ThinkAgain():
                await self.push_frame(LLMContextFrame(self._context))
            case Resume():
                self._call.exchange.interrupted = False
                await self._say(action.rest)
            case HoldOn():
                await self._line("hold_on" if action.times == 1 else "hold_on_again", "filler")
            case BreakSilence():
                await self._line(action.level, "prompt")
                if action.level == "goodbye":
                    await self._hang_up("silence")
            case Nod():
                await self._nod()

    async def _close(self, closed: TurnClosed) -> None:
        """The contact has finished: let out the answer that was thought of for these words, or ask for one."""
        moments = Turn(last_word=self._last_word, end_of_speech=self._end_of_speech, closed=self._call.now_ms())
        self._call.closed(closed.turn, closed.text, closed.situation, moments)
        self._notes_announcement()
        self._speech.begin()
        await self._let_go_of_a_late_opening()
        await self._announce()
        self._speech.mirror(closed.text)
        ready = closed.speculated and self._speculated == closed.turn
        if self._speculated is not None and not ready:
            await self.push_frame(EagerEndOfTurnCancelFrame())
        self._speculated = closed.turn if ready else None
        if decide.says_stop(closed.text, self._call.bundle):
            await self.close(lines.said("stopped", self._speech.language, self._voice), "completed")
            return
        self._context.add_message(prompts.said(closed.text, read_back=closed.read_back))  # type: ignore[arg-type] # as the wire has it
        await self.push_frame(UserStoppedSpeakingFrame())
        if not ready:
            await self.push_frame(LLMContextFrame(self._context))

    def _provisional(self, text: str) -> LLMContext:
        """The conversation as it will be if the turn ends with these words."""
        message: Any = prompts.said(text, read_back=names_amount_or_date(text))
        return LLMContext([*self._context.messages, message], tools=self._context.tools)

    async def _answer_again(self) -> None:
        """Claude's early answer wants a tool, which nobody may use before the turn is over: it is asked again then."""
        if self._speculated is None:
            return
        late = self._speculated < self._floor.turn
        self._speculated = None
        if late:
            await self.push_frame(LLMContextFrame(self._context))

    async def _let_go_of_a_late_opening(self) -> None:
        """Who has spoken into our silence is answered: an opening that comes after all would greet them a second time."""
        if self._opening_late:
            await self._interrupt()
            await self._announce()

    def _notes_announcement(self) -> None:
        """Whether it has been heard to its end that the call is recorded."""
        if self._announcement and self._speech.utterance.understood.strip().startswith(self._announcement):
            self._announcement = ""

    async def _announce(self) -> None:
        """That the call is recorded they hear all the same, and before anything else, also where they spoke into it."""
        recorder, owes = self._call.recorder, self._owes_announcement
        self._owes_announcement = False
        if owes and self._announcement and not self._over and recorder is not None and not recorder.refusal:
            await self._say(self._announcement, "opening")

    async def _interrupt(self) -> None:
        """Nothing of ours is heard any more. What the ears have told and nobody has looked at yet stays."""
        self._sounds()
        self._notes_announcement()
        self._owes_announcement = True
        self._speech.cut()
        self._speculated = None
        await self.stop_all_metrics()
        await self.broadcast_frame(InterruptionFrame)

    async def _say(self, text: str, kind: Kind = "line", *, remember: bool = True) -> None:
        await self._beside(self._speech.line(text, kind, remember=remember))

    async def _beside(self, frame: Frame) -> None:
        """Past Claude, who may be thinking: what is queued behind a thought is heard after it."""
        await self._planned.queue_frame(frame)

    async def _line(self, name: Any, kind: Kind) -> None:
        text = lines.said(name, self._speech.language, self._voice)
        await self._say(text, kind, remember=kind != "filler")

    async def _nod(self) -> None:
        """Sound that was made before, below what the contact says; without one we only listen."""
        name: Any = "nod" if self._nods % 2 == 0 else "nod_again"
        pcm = self._speech.sounds.audio(lines.said(name, self._speech.language, self._voice))
        if pcm is not None:
            self._nods += 1
            await self._beside(OutputAudioRawFrame(pcm + bytes(-len(pcm) % self._chunk), RATE, 1))

    async def _is_a_machine(self) -> None:
        """Nobody is there: leave a message where there is a mailbox and the tenant wants it, and hang up."""
        self._call.reason = "voicemail"
        await self._interrupt()
        if self._answerer.leaves_message:
            self._leaving = self.create_task(self._leave(), "voicemail")
        else:
            await self._hang_up("voicemail")

    async def _leave(self) -> None:
        while (wait := self._answerer.greeting_over_in(self._call.now_ms())) > 0:  # noqa: ASYNC110 - by the clock
            await asyncio.sleep(wait / 1000)
        if (message := self._answerer.message(self._speech.language)) is not None:
            await self._say(message)
        await self._hang_up("voicemail")

    async def close(self, line: str, reason: Any) -> None:
        """Say a last line, and hang up."""
        await self._say(line)
        await self._hang_up(reason)

    async def _hang_up(self, reason: Any) -> None:
        """When all that is being said has been heard."""
        self._call.reason = reason
        self._over = True
        await self.push_frame(EndWorkerFrame())

    async def _stop(self) -> None:
        self._sounds()
        for name in ("_ticking", "_leaving"):
            task: asyncio.Task[None] | None = getattr(self, name)
            setattr(self, name, None)
            if task is not None:
                await self.cancel_task(task)

    async def cleanup(self) -> None:
        """Stop the clock."""
        await super().cleanup()
        await self._stop()
