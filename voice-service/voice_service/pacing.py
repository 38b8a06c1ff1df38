"""Before Claude is asked: which model, and how many words, by the pace of the tenant's calls."""

from pipecat.frames.frames import Frame, LLMContextFrame, LLMUpdateSettingsFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.anthropic.llm import AnthropicLLMService

from voice_service.pace import Pace
from voice_service.saying import Speech


class Paced(FrameProcessor):
    """Stands before Claude. The prompt stays as it is, and with it what is cached of it."""

    def __init__(self, pace: Pace, speech: Speech, model: str) -> None:
        super().__init__()
        self._pace = pace
        self._speech = speech
        self._usual = (model, speech.most_words)
        self._degraded = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Change what has to be changed before the next answer, and pass on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and self._degraded is not self._pace.degraded:
            self._degraded = self._pace.degraded
            model, words = self._usual
            self._speech.most_words = self._pace.words(words)
            settings = AnthropicLLMService.Settings(model=self._pace.model(model))
            await self.push_frame(LLMUpdateSettingsFrame(delta=settings))
        await self.push_frame(frame, direction)
