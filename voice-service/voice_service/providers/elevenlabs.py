"""ElevenLabs' multi-context WebSocket: text goes out sentence by sentence, characters come back with their times.

Source: elevenlabs.io/docs, November 2026. What is sent says `context_id`, what comes `contextId`; times count within their message.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from voice_service.providers.line import Line
from voice_service.providers.profiles import TtsProfile
from voice_service.providers.sockets import Address, Refused, Warm, reason
from voice_service.providers.speaking import Done, Happened, Sound, VoiceLine, Word, Words

INACTIVITY_S = 180
"""The longest that it keeps a socket without a word."""
_SENTENCE = re.compile(r".*[.!?।…](?=\s)", re.DOTALL)
_STATUS = {"quota_exceeded": 402, "rate_limit_exceeded": 429, "invalid_api_key": 401, "max_active_conversations": 429}


def address(voice: TtsProfile, rate: int) -> Address:
    """Where it speaks."""
    query = {
        "model_id": voice.model,
        "output_format": f"pcm_{rate}",
        "language_code": voice.language,
        "inactivity_timeout": INACTIVITY_S,
        "auto_mode": "true",
    }
    url = f"{voice.url}/v1/text-to-speech/{voice.voice_id}/multi-stream-input?{urlencode(query)}"
    return Address(url, (("xi-api-key", voice.key),))


@dataclass(slots=True)
class _Context:
    waiting: str = ""
    began: bool = False
    seconds: float = 0.0
    partial: Word | None = None


class ElevenLabsLine(Line):
    """One call's voice."""

    def __init__(
        self,
        voice: TtsProfile,
        rate: int,
        warm: Warm,
        happened: Happened,
        failed: Callable[[VoiceLine, str], Awaitable[None]],
    ) -> None:
        super().__init__(address(voice, rate), warm, failed)  # type: ignore[arg-type] # itself is one
        self.provider = voice.provider
        self._rate = rate
        self._speed = voice.speed
        self._happened = happened
        self._contexts: dict[str, _Context] = {}

    async def speak(self, context: str, text: str) -> int:
        """More text of a context: whole sentences go at once, the rest waits; how many letters that are."""
        known = self._contexts.setdefault(context, _Context())
        known.waiting += text
        if (whole := _SENTENCE.match(known.waiting)) is not None:
            known.waiting = known.waiting[whole.end() :]
            await self._text(context, known, whole.group())
        return len("".join(known.waiting.split()))

    async def finish(self, context: str) -> None:
        """No more text of it comes."""
        known = self._contexts.setdefault(context, _Context())
        rest, known.waiting = known.waiting, ""
        if rest.strip():
            await self._text(context, known, rest)
        await self.say({"context_id": context, "close_context": True})

    async def cancel(self, context: str) -> None:
        """Nobody wants to hear it any more."""
        if (known := self._contexts.pop(context, None)) is not None and known.began:
            await self.say({"context_id": context, "close_context": True})

    async def heard(self, message: dict[str, Any]) -> None:
        """Sound, words and ends as what has happened; an error ends the socket."""
        if error := message.get("error"):
            raise Refused(reason(_STATUS.get(error, 500)), str(error))
        context = message.get("contextId", "")
        known = self._contexts.get(context)
        if known is None:
            return
        if alignment := message.get("alignment") or message.get("normalizedAlignment"):
            words = _words(alignment, known)
            if words:
                await self._happened(self, Words(context, words))
        if audio := message.get("audio"):
            pcm = base64.b64decode(audio)
            known.seconds += len(pcm) / 2 / self._rate
            await self._happened(self, Sound(context, pcm))
        if message.get("isFinal"):
            self._contexts.pop(context, None)
            if known.partial is not None:
                await self._happened(self, Words(context, [known.partial]))
            await self._happened(self, Done(context))

    async def _text(self, context: str, known: _Context, text: str) -> None:
        if not known.began:
            known.began = True
            voice = {} if self._speed is None else {"voice_settings": {"speed": self._speed}}
            await self.say({"text": " ", "context_id": context, **voice})
        await self.say({"text": text.strip() + " ", "context_id": context, "flush": True})


def _words(alignment: Mapping[str, Any], known: _Context) -> list[Word]:
    """The words that are whole; one that goes on in the next message waits for it."""
    found: list[Word] = []
    word, known.partial = known.partial, None
    times = zip(alignment["chars"], alignment["charStartTimesMs"], alignment["charDurationsMs"], strict=True)
    for char, start_ms, lasts_ms in times:
        start = known.seconds + start_ms / 1000
        end = start + lasts_ms / 1000
        if char.isspace():
            found += [word] if word is not None else []
            word = None
        else:
            word = (char, start, end) if word is None else (word[0] + char, word[1], end)
    known.partial = word
    return found
