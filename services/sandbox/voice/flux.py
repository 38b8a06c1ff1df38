"""Deepgram Flux, `/v2/listen`: turns instead of transcripts. Start, updates, an eager guess that may be withdrawn, the end."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.sandbox.voice.hearing import Hearing
from services.sandbox.voice.settings import Pace
from services.sandbox.voice.wire import Wire

_KNOWN = ("CloseStream", "ForceEndTurn", "Configure")
_MOST_KEYTERMS = 100


class Flux:
    """One socket's turns."""

    def __init__(
        self, wire: Wire, hearing: Hearing, query: Sequence[tuple[str, str]], pace: Pace, request_id: str
    ) -> None:
        self._wire = wire
        self._hearing = hearing
        self._pace = pace
        self._request_id = request_id
        given = dict(query)
        self._eager = "eager_eot_threshold" in given
        self._timeout_ms = float(given.get("eot_timeout_ms", 5000))
        self._multilingual = given.get("model") == "flux-general-multi"
        self._hints = [value for name, value in query if name == "language_hint"]
        self._sequence = -1
        self._turn = 0
        self._open = False
        self._guessed: str | None = None
        self._began = 0.0
        self._updated = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._say("Connected")

    def hear(self, pcm: bytes) -> None:
        """Audio has come; decide after each 100 ms of it."""
        for block in self._hearing.slices(pcm):
            self._hearing.take(block)
            self._decide()

    def told(self, message: dict[str, Any]) -> bool:
        """CloseStream, ForceEndTurn or Configure; Flux knows no KeepAlive and no Finalize."""
        match message:
            case {"type": "CloseStream"}:
                return False
            case {"type": "ForceEndTurn"}:
                if self._open:
                    self._end("manual")
            case {"type": "Configure"}:
                self._configure(message)
            case _:
                self._error("UNPARSABLE_CLIENT_MESSAGE", f"one of {', '.join(_KNOWN)}, got {message.get('type')!r}")
                return False
        return True

    def ended(self) -> None:
        """No timer outlives the socket."""
        self._disarm()

    def _decide(self) -> None:
        hearing = self._hearing
        if self._wire.awaited:
            self._wire.mention(self._transcript())
        if self._failed():
            return
        if hearing.quiet:
            if self._open:
                self._silent(hearing.silence * 1000)
        elif hearing.speaking:
            self._disarm()
            self._speaking()
        elif self._open:
            self._update()

    def _speaking(self) -> None:
        if not self._open:
            self._open, self._guessed = True, None
            self._began = self._updated = self._hearing.position
            self._turn_info("StartOfTurn", 0.0)
        elif self._guessed is not None:
            self._guessed = None
            self._turn_info("TurnResumed", 0.1)
        else:
            self._update()

    def _silent(self, silent_ms: float) -> None:
        """Decide what is due after so much silence, and come back for what is not yet."""
        eager_ms, end_ms = self._patience()
        if self._eager and self._guessed is None and silent_ms >= eager_ms:
            self._guess()
        trigger = "timeout" if end_ms >= self._timeout_ms else "model"
        end_ms = min(end_ms, self._timeout_ms)
        if silent_ms >= end_ms:
            self._end(trigger)
            return
        self._update()
        if not self._hearing.quiet:
            return
        next_ms = eager_ms if self._eager and self._guessed is None else end_ms
        self._disarm()
        wait = max(0.0, next_ms - silent_ms) / 1000
        self._timer = asyncio.get_running_loop().call_later(wait, self._silent, next_ms)

    def _patience(self) -> tuple[float, float]:
        pace = self._pace
        if self._hearing.finished:
            return pace.eager_ms, pace.end_of_turn_ms
        return pace.hold_ms - pace.end_of_turn_ms + pace.eager_ms, pace.hold_ms

    def _guess(self) -> None:
        if self._transcript():
            self._guessed = self._transcript()
            self._turn_info("EagerEndOfTurn", 0.5)

    def _end(self, trigger: str) -> None:
        self._disarm()
        if self._eager and self._guessed is None:
            self._guess()
        self._turn_info("EndOfTurn", 0.9, trigger=trigger)
        self._open, self._guessed = False, None
        self._turn += 1
        self._hearing.forget()

    def _update(self) -> None:
        if self._hearing.position - self._updated >= self._pace.update_ms / 1000:
            self._updated = self._hearing.position
            self._turn_info("Update", 0.2)

    def _transcript(self) -> str:
        return " ".join(word.text for word in self._hearing.words)

    def _turn_info(self, event: str, confidence: float, **more: Any) -> None:
        words = [
            {"word": word.text, "confidence": 0.98, "start": word.start, "end": word.end}
            for word in self._hearing.words
        ]
        known: dict[str, Any] = {}
        if self._multilingual:
            known = {"languages": self._hints[:1] or ["hi"], "languages_hinted": self._hints}
        self._say(
            "TurnInfo",
            event=event,
            turn_index=self._turn,
            audio_window_start=round(self._began, 3),
            audio_window_end=round(self._hearing.position, 3),
            transcript=self._transcript(),
            words=words,
            end_of_turn_confidence=confidence,
            **known,
            **more,
        )

    def _configure(self, message: Mapping[str, Any]) -> None:
        keyterms = message.get("keyterms") or []
        if len(keyterms) > _MOST_KEYTERMS:
            self._say("ConfigureFailure", code="CONFIGURE_KEYTERM_LIMIT_EXCEEDED", description="too many keyterms")
            return
        thresholds = message.get("thresholds") or {}
        if "eager_eot_threshold" in thresholds:
            self._eager = thresholds["eager_eot_threshold"] is not None
        self._timeout_ms = float(thresholds.get("eot_timeout_ms", self._timeout_ms))
        self._hints = list(message.get("language_hints", self._hints))
        self._say("ConfigureSuccess", thresholds=thresholds, keyterms=keyterms, language_hints=self._hints)

    def _failed(self) -> bool:
        if self._wire.failure() is None:
            return False
        self._error("INTERNAL_SERVER_ERROR", "An internal server error occurred while processing the stream.")
        self._wire.close(1011, "NET-0000")
        return True

    def _error(self, code: str, description: str) -> None:
        self._say("Error", code=code, description=description)

    def _say(self, type: str, **more: Any) -> None:
        self._sequence += 1
        self._wire.say({"type": type, "request_id": self._request_id, "sequence_id": self._sequence, **more})

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
