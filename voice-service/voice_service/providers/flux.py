"""Deepgram Flux, `/v2/listen`: it tells when a turn begins, is probably over, goes on, and is over.

Source: developers.deepgram.com, November 2026. There is no KeepAlive.
"""

from typing import Any
from urllib.parse import urlencode

from voice_service.providers.hearing import Began, EarLine, Ended, Heard, Probably, Resumed
from voice_service.providers.profiles import LANGUAGES, SttProfile
from voice_service.providers.sockets import Address, Refused

EAGER = 0.5
_CLOSE = '{"type":"CloseStream"}'


def address(ears: SttProfile, rate: int) -> Address:
    """Where it listens, for this profile."""
    query: list[tuple[str, Any]] = [("model", ears.model), ("encoding", "linear16"), ("sample_rate", rate)]
    query += [("eager_eot_threshold", EAGER)] if ears.eager else []
    query += [("keyterm", term) for term in ears.keywords]
    query += [("language_hint", hint) for hint in LANGUAGES] if ears.model == "flux-general-multi" else []
    return Address(f"{ears.url}/v2/listen?{urlencode(query)}", (("Authorization", f"Token {ears.key}"),))


class FluxLine(EarLine):
    """One call's ears."""

    patience_s = 0.9
    """It says something every quarter of a second while somebody speaks; this much without a word is silence."""

    async def heard(self, message: dict[str, Any]) -> None:
        """TurnInfo as what has happened; an Error is fatal."""
        match message:
            case {"type": "TurnInfo", "event": str(event)}:
                text, since = message.get("transcript", ""), _since_word_ms(message)
                match event:
                    case "StartOfTurn":
                        await self._happened(self, Began(text, since))
                    case "Update":
                        await self._happened(self, Heard(text, since))
                    case "EagerEndOfTurn":
                        await self._happened(self, Probably(text, since))
                    case "TurnResumed":
                        await self._happened(self, Resumed())
                    case "EndOfTurn":
                        await self._happened(self, Ended(text, since))
            case {"type": "Error"}:
                raise Refused("server_error", str(message.get("code")))

    async def close(self) -> None:
        """Say goodbye, so that nothing more is billed."""
        if self.open and not self._ended:
            await self.send(_CLOSE)
        await super().close()


def _since_word_ms(message: dict[str, Any]) -> int | None:
    """How long ago the last word was over, by the sound that has been heard."""
    words, now = message.get("words"), message.get("audio_window_end")
    ended = words[-1].get("end") if words else None
    return None if ended is None or now is None else max(0, round((now - ended) * 1000))
