"""Deepgram nova, `/v1/listen`: interim results, finals at each pause, `speech_final` after the endpoint, UtteranceEnd."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from services.sandbox.voice.hearing import Hearing
from services.sandbox.voice.settings import Pace
from services.sandbox.voice.speech import Word
from services.sandbox.voice.wire import Wire

_MOST_KEYTERMS = 100


class Nova:
    """One socket's results."""

    def __init__(
        self, wire: Wire, hearing: Hearing, query: Sequence[tuple[str, str]], pace: Pace, request_id: str
    ) -> None:
        given = dict(query)
        endpointing = given.get("endpointing", "10")
        self._wire = wire
        self._hearing = hearing
        self._pace = pace
        self._request_id = request_id
        self._query = given
        self._hints = [value for name, value in query if name == "language_hint"]
        self._interim = given.get("interim_results") == "true"
        self._endpoint_ms = None if endpointing == "false" else float(endpointing)
        self._utterance_end_ms = float(given["utterance_end_ms"]) if "utterance_end_ms" in given else None
        self._speech_started = given.get("vad_events") == "true"
        self._start = 0.0
        self._updated = 0.0
        self._in_speech = False
        self._in_utterance = False
        self._last_word_end = -1.0
        self._sha = hashlib.sha256()
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._stay_awake()

    def hear(self, pcm: bytes) -> None:
        """Audio has come; decide after each 100 ms of it."""
        self._stay_awake()
        self._sha.update(pcm)
        for block in self._hearing.slices(pcm):
            self._hearing.take(block)
            if self._wire.awaited:
                self._wire.mention(" ".join(word.text for word in self._hearing.words))
            if self._wire.failure() is not None:
                self._wire.close(1011, "NET-0000")
                return
            self._decide()

    def told(self, message: dict[str, Any]) -> bool:
        """KeepAlive, Finalize, CloseStream or Configure; anything else is an Error, and the stream goes on."""
        match message:
            case {"type": "KeepAlive"}:
                self._stay_awake()
            case {"type": "Finalize"}:
                self._final(speech_final=False, from_finalize=True)
                self._in_speech = False
            case {"type": "CloseStream"}:
                if self._hearing.words:
                    self._final(speech_final=True)
                self._wire.say(self._metadata())
                return False
            case {"type": "Configure"}:
                self._configure(message)
            case _:
                self._wire.say(
                    {
                        "type": "Error",
                        "variant": "SchemaError",
                        "description": "Could not deserialize last text message: unknown variant",
                        "message": msgspec.json.encode(message).decode(),
                    }
                )
        return True

    def ended(self) -> None:
        """No timer outlives the socket."""
        self._disarm()
        if self._idle is not None:
            self._idle.cancel()

    def _decide(self) -> None:
        hearing = self._hearing
        if hearing.speaking and not hearing.quiet:
            self._disarm()
            if not self._in_speech:
                self._in_speech = self._in_utterance = True
                if self._speech_started:
                    self._wire.say(
                        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": round(hearing.position, 3)}
                    )
            due = hearing.position - self._updated >= self._pace.update_ms / 1000
            if self._interim and due and hearing.words:
                self._updated = hearing.position
                self._results(hearing.words, is_final=False)
            return
        if hearing.quiet:
            self._silent(hearing.silence * 1000)

    def _silent(self, silent_ms: float) -> None:
        endpoint_ms = None if self._endpoint_ms is None else self._endpoint_ms + self._pace.final_ms
        if self._in_speech and endpoint_ms is not None and silent_ms >= endpoint_ms:
            self._in_speech = False
            self._final(speech_final=True)
        end_ms = self._utterance_end_ms
        if self._in_utterance and end_ms is not None and silent_ms >= end_ms:
            if self._hearing.words:
                self._final(speech_final=False)
            self._in_utterance = self._in_speech = False
            last = round(self._last_word_end, 3)
            self._wire.say({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last})
        waits = [
            due - silent_ms
            for due, wanted in ((endpoint_ms, self._in_speech), (end_ms, self._in_utterance))
            if due is not None and wanted
        ]
        if waits:
            self._disarm()
            wait = min(waits)
            self._timer = asyncio.get_running_loop().call_later(wait / 1000, self._silent, silent_ms + wait)

    def _final(self, *, speech_final: bool, from_finalize: bool = False) -> None:
        words = self._hearing.words
        self._hearing.forget()
        if words:
            self._last_word_end = words[-1].end
        self._results(words, is_final=True, speech_final=speech_final, from_finalize=from_finalize)
        self._start = self._hearing.position

    def _results(
        self, words: Sequence[Word], *, is_final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> None:
        alternative: dict[str, Any] = {
            "transcript": " ".join(word.text for word in words),
            "confidence": 0.98 if words else 0.0,
            "words": [
                {
                    "word": word.text.lower().strip(",.?!"),
                    "punctuated_word": word.text,
                    "start": word.start,
                    "end": word.end,
                    "confidence": 0.98,
                }
                for word in words
            ],
        }
        if self._query.get("language") == "multi" and words:
            alternative["languages"] = self._hints[:1] or ["hi"]
        arch = self._query.get("model", "base")
        self._wire.say(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "duration": round(self._hearing.position - self._start, 3),
                "start": round(self._start, 3),
                "is_final": is_final,
                "speech_final": speech_final,
                "from_finalize": from_finalize,
                "channel": {"alternatives": [alternative]},
                "metadata": {
                    "request_id": self._request_id,
                    "model_uuid": "00000000-0000-4000-8000-000000000000",
                    "model_info": {"name": f"general-{arch}", "version": "sandbox", "arch": arch},
                },
            }
        )

    def _configure(self, message: dict[str, Any]) -> None:
        known = {"request_id": self._request_id}
        keyterms = message.get("keyterms") or []
        if not self._query.get("model", "").startswith("nova-3"):
            code = "CONFIGURE_KEYTERMS_NOT_SUPPORTED"
        elif len(keyterms) > _MOST_KEYTERMS:
            code = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
        else:
            self._wire.say({"type": "ConfigureSuccess", "keyterms": keyterms, **known})
            return
        self._wire.say({"type": "ConfigureFailure", "code": code, "description": "said by the sandbox", **known})

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._sha.hexdigest(),
            "created": "2026-11-23T08:12:19.000Z",
            "duration": round(self._hearing.position, 3),
            "channels": 1,
        }

    def _stay_awake(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        wait = self._pace.silent_close_ms / 1000
        self._idle = asyncio.get_running_loop().call_later(wait, self._wire.close, 1011, "NET-0001")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
