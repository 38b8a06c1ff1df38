"""Deepgram nova, `/v1/listen`: finals pile up until `speech_final` or UtteranceEnd, whichever comes first, ends the turn.

Source: developers.deepgram.com, November 2026. Without audio it needs a KeepAlive every few seconds.
"""

from typing import Any
from urllib.parse import urlencode

from voice_service.providers.hearing import Began, EarLine, Ended, Heard
from voice_service.providers.profiles import LANGUAGES, SttProfile
from voice_service.providers.sockets import Address, Refused

UTTERANCE_END_MS = 1000
"""The least that it takes: a turn in a noisy line ends so."""
STAY = '{"type":"KeepAlive"}'
_CLOSE = '{"type":"CloseStream"}'


def address(ears: SttProfile, rate: int) -> Address:
    """Where it listens, for this profile."""
    query: list[tuple[str, Any]] = [
        ("model", ears.model),
        ("language", "multi"),
        ("encoding", "linear16"),
        ("sample_rate", rate),
        ("endpointing", ears.endpointing_ms),
        ("interim_results", _flag(ears.interim_results)),
        ("smart_format", _flag(ears.smart_format)),
        ("vad_events", "true"),
    ]
    query += [("utterance_end_ms", UTTERANCE_END_MS)] if ears.interim_results else []
    query += [("filler_words", "true")] if ears.filler_words else []
    if ears.model.startswith("nova-3"):
        query += [("keyterm", term) for term in ears.keywords] + [("language_hint", hint) for hint in LANGUAGES]
    else:
        boost = "" if ears.keyword_boost is None else f":{ears.keyword_boost}"
        query += [("keywords", f"{word}{boost}") for word in ears.keywords]
    return Address(f"{ears.url}/v1/listen?{urlencode(query)}", (("Authorization", f"Token {ears.key}"),), stay=STAY)


class NovaLine(EarLine):
    """One call's ears."""

    patience_s = 1.6
    """An interim result comes about once a second."""

    def __init__(self, *of_a_line: Any) -> None:
        super().__init__(*of_a_line)
        self._finals: list[str] = []
        self._began = False

    async def heard(self, message: dict[str, Any]) -> None:
        """Results as what has happened; a strange message of ours is no reason to end."""
        match message:
            case {"type": "SpeechStarted"}:
                await self._begin_turn("")
            case {"type": "UtteranceEnd"}:
                await self._end_turn()
            case {"type": "Results", "channel": {"alternatives": [{"transcript": str(text)}, *_]}}:
                await self._results(text, final=bool(message.get("is_final")), last=bool(message.get("speech_final")))
            case {"type": "Error", "variant": variant} if variant != "SchemaError":
                raise Refused("server_error", str(variant))

    async def _results(self, text: str, *, final: bool, last: bool) -> None:
        said = " ".join([*self._finals, text]).strip()
        if final and text:
            self._finals.append(text)
        if text:
            await self._begin_turn(said)
            await self._happened(self, Heard(said))
        if last:
            await self._end_turn()

    async def _begin_turn(self, text: str) -> None:
        if not self._began:
            self._began = True
            await self._happened(self, Began(text))

    async def _end_turn(self) -> None:
        said, self._finals = " ".join(self._finals), []
        began, self._began = self._began, False
        if said:
            await self._happened(self, Ended(said))
        elif began:
            await self._happened(self, Heard(""))

    async def close(self) -> None:
        """Say goodbye, so that nothing more is billed."""
        if self.open and not self._ended:
            await self.send(_CLOSE)
        await super().close()


def _flag(value: bool) -> str:
    return "true" if value else "false"
