"""What the agent says in a call: from Claude's tokens to speakable words, their sound, and what was really heard of them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipecat.frames.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from libs.domain.call_lines import Language
from libs.domain.speaking import Utterance, Writing, letters
from libs.domain.spoken import Piece, language_in, pieces
from voice_service import costs
from voice_service.calls import Call
from voice_service.prepared import Sounds

Kind = Literal["answer", "opening", "prompt", "filler", "line"]


@dataclass
class OwnLine(TTSSpeakFrame):
    """A line of ours, and what it is for. `planned`: it is known already that it will be said. One from before the last `cut` is not."""

    kind: Kind = "line"
    planned: bool = False
    cuts: int = 0


class Speech:
    """What is being said and has been heard since the contact's last turn; all that speaks and listens shares it."""

    def __init__(self, call: Call, language: Language, most_words: int, sounds: Sounds) -> None:
        self.language = language
        self.most_words = most_words
        """Of one answer; may be changed during the call."""
        self.sounds = sounds
        self.utterance = Utterance()
        self.writing = Writing(language)
        self._call = call
        self._waiting: deque[tuple[Kind, int]] = deque()
        """What is being played and what will be, each with the turn that it answers."""
        self._answering = False
        self._cuts = 0

    @property
    def playing(self) -> tuple[Kind, int]:
        """What is heard now, and the turn that it answers."""
        return self._waiting[0] if self._waiting else ("answer", self._call.exchange.turn)

    def begin(self) -> None:
        """The contact's turn is over: what comes now belongs to a new exchange."""
        self.utterance = Utterance()

    def cut(self) -> None:
        """Nothing of what was planned will be heard any more."""
        self._cuts += 1
        self.utterance.cut()
        self._waiting.clear()
        self._answering = False
        self._note()

    def line(self, text: str, kind: Kind = "line", *, remember: bool = True) -> OwnLine:
        """A line that will be said unless everything is cut before it is."""
        return OwnLine(text, append_to_context=remember, kind=kind, cuts=self._cuts)

    def opening(self, text: str) -> OwnLine:
        """What is said first: planned at once, so that no hello can come before it is known that we speak."""
        frame = self.line(text, "opening")
        self.arrange(frame)
        return frame

    def arrange(self, line: TTSSpeakFrame) -> bool:
        """Plan a line, once, as it is spoken; False where everything has been cut since it was written."""
        if isinstance(line, OwnLine) and line.cuts != self._cuts:
            return False
        if isinstance(line, OwnLine) and line.planned:
            return True
        patience = not (line.append_to_context or line.text.endswith("?"))
        kind: Kind = line.kind if isinstance(line, OwnLine) else "filler" if patience else "line"
        line.text = self.plan(pieces(line.text, language_in(line.text) or self.language), kind)
        if isinstance(line, OwnLine):
            line.planned = True
        return True

    def write(self) -> None:
        """Claude begins an answer."""
        self.writing = Writing(self.language, self.most_words)
        self._answering = False

    def plan(self, found: Iterable[Piece], kind: Kind = "answer") -> str:
        """These words are going to be said; as they are spoken."""
        found = list(found)
        said = "".join(piece.said for piece in found)
        if letters(said) and not (kind == "answer" and self._answering):
            if self.utterance.pieces:
                self.utterance.add(Piece(" ", " "))
            self._waiting.append((kind, self._call.exchange.turn))
            self._answering = kind == "answer"
        for piece in found:
            self.utterance.add(piece)
        if kind == "answer" or self.sounds.clip(said) is None:
            self._call.characters += len(said)
        self._note()
        return said

    def hear(self, text: str) -> str:
        """This was played; what is understood by it, as it was written. Nothing, where nobody is there any more."""
        if self._call.hung_up:
            return ""
        before = len(self.utterance.understood)
        self.utterance.hear(text)
        self._note()
        return self.utterance.understood[before:].strip()

    def played(self) -> None:
        """What was being played has been heard to its end."""
        if self._waiting:
            self._waiting.popleft()

    def mirror(self, text: str) -> None:
        """Speak as the contact does, as soon as they have said enough to tell."""
        told = language_in(text)
        if told is not None and len(text.split()) > 2:
            self.language = told

    def _note(self) -> None:
        exchange = self._call.exchange
        exchange.planned, exchange.heard = self.utterance.written, self.utterance.heard


class Planned(FrameProcessor):
    """Behind Claude: words become speakable, and it is noted what is going to be said and what it took."""

    def __init__(self, call: Call, speech: Speech) -> None:
        super().__init__(enable_direct_mode=True)
        self._call = call
        self._speech = speech

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Rewrite what is said, count what it took, and pass on."""
        await super().process_frame(frame, direction)
        match frame:
            case LLMFullResponseStartFrame():
                self._speech.write()
            case LLMTextFrame():
                moments = self._call.exchange.moments
                if moments.first_token is None:
                    moments.first_token = self._call.now_ms()
                await self._say(self._speech.writing.add(frame.text))
                return
            case LLMFullResponseEndFrame():
                await self._say(self._speech.writing.end())
            case TTSSpeakFrame():
                if not self._speech.arrange(frame):
                    return
            case MetricsFrame():
                for data in frame.data:
                    if isinstance(data, LLMUsageMetricsData):
                        self._count(data)
        await self.push_frame(frame, direction)

    async def _say(self, found: list[Piece]) -> None:
        if said := self._speech.plan(found):
            await self.push_frame(LLMTextFrame(said))

    def _count(self, data: LLMUsageMetricsData) -> None:
        used = data.value
        costs.count_tokens(
            self._call.tokens,
            data.model or "",
            taken=used.prompt_tokens,
            given=used.completion_tokens,
            read=used.cache_read_input_tokens,
            written=used.cache_creation_input_tokens,
        )


class Spoken(FrameProcessor):
    """Behind the voice: when its first sound comes."""

    def __init__(self, call: Call) -> None:
        super().__init__(enable_direct_mode=True)
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the moment, and pass on."""
        await super().process_frame(frame, direction)
        moments = self._call.exchange.moments
        if isinstance(frame, TTSAudioRawFrame) and moments.first_sound is None:
            moments.first_sound = self._call.now_ms()
        await self.push_frame(frame, direction)


class Listened(FrameProcessor):
    """Behind the transport: the words that were really played; Claude remembers them as it wrote them."""

    def __init__(self, speech: Speech) -> None:
        super().__init__(enable_direct_mode=True)
        self._speech = speech

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the words, and pass on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            frame.text = self._speech.hear(frame.text)
            if not frame.text:
                return
        elif isinstance(frame, TTSStoppedFrame):
            self._speech.played()
        await self.push_frame(frame, direction)
