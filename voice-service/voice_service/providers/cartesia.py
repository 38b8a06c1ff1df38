"""Cartesia's WebSocket: a context for each speech, words with their times, raw sound.

Source: docs.cartesia.ai, API version 2026-03-01. `continue` must be said; a finished context is never used again.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from voice_service.providers.line import Line
from voice_service.providers.profiles import TtsProfile
from voice_service.providers.sockets import Address, Refused, Warm, reason
from voice_service.providers.speaking import Done, Failed, Happened, Sound, VoiceLine, Words

VERSION = "2026-03-01"
BUFFER_MS = 200
"""How long it may wait for more text; its own default of three seconds is dead air on a phone."""


def address(voice: TtsProfile) -> Address:
    """Where it speaks."""
    return Address(f"{voice.url}/tts/websocket", (("X-API-Key", voice.key), ("Cartesia-Version", VERSION)))


class CartesiaLine(Line):
    """One call's voice."""

    def __init__(
        self,
        voice: TtsProfile,
        rate: int,
        warm: Warm,
        happened: Happened,
        failed: Callable[[VoiceLine, str], Awaitable[None]],
    ) -> None:
        super().__init__(address(voice), warm, failed)  # type: ignore[arg-type] # itself is one
        self.provider = voice.provider
        self._happened = happened
        self._common: dict[str, Any] = {
            "model_id": voice.model,
            "voice": {"mode": "id", "id": voice.voice_id},
            "language": voice.language,
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": rate},
            "add_timestamps": True,
            "use_normalized_timestamps": False,
            "max_buffer_delay_ms": BUFFER_MS,
        }
        if voice.speed is not None:
            self._common["generation_config"] = {"speed": voice.speed}

    async def speak(self, context: str, text: str) -> int:
        """More text of a context; nothing waits here."""
        await self.say({**self._common, "context_id": context, "transcript": text, "continue": True})
        return 0

    async def finish(self, context: str) -> None:
        """No more text of it comes."""
        await self.say({**self._common, "context_id": context, "transcript": "", "continue": False})

    async def cancel(self, context: str) -> None:
        """Nobody wants to hear it any more."""
        await self.say({"context_id": context, "cancel": True})

    async def heard(self, message: dict[str, Any]) -> None:
        """Sound, words, ends and failures of a context as what has happened; an error of none is one of the line."""
        match message:
            case {"type": "chunk", "context_id": context, "data": data}:
                await self._happened(self, Sound(context, base64.b64decode(data)))
            case {"type": "timestamps", "context_id": context, "word_timestamps": times}:
                words = zip(times["words"], times["start"], times["end"], strict=True)
                await self._happened(self, Words(context, list(words)))
            case {"type": "done", "context_id": context}:
                await self._happened(self, Done(context))
            case {"type": "error", "context_id": str(context)} if context:
                await self._happened(self, Failed(context, reason(int(message.get("status_code") or 500))))
            case {"type": "error"}:
                raise Refused(reason(int(message.get("status_code") or 500)), str(message.get("error_code")))
