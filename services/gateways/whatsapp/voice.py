"""What is said in a voice note: transcribed by Deepgram through its own SDK."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from libs.config.bundle import Bundle
from libs.kit.http import retry_after
from services.gateways.settings import STT, Settings

API_KEY = "${STT_API_KEY}"
DEEPGRAM = "https://api.deepgram.com"
MODEL = "nova-3"
LANGUAGE = "multi"  # Hindi, English and the switching between them; source: Deepgram, nova-3, `language=multi`
TIMEOUT_S = 30
_SANDBOX_KEY = "sandbox-key"


@dataclass(frozen=True, slots=True)
class Words:
    """What was said; empty where nothing was understood."""

    text: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """The same may succeed later, not before `after_seconds` where the provider says so."""

    reason: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """This audio, or this account, gets no words."""

    reason: str


class Ears:
    """Deepgram as a bundle and the environment say: live with STT_API_KEY, else the sandbox, else nobody."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._clients: dict[tuple[str, str], AsyncDeepgramClient] = {}

    async def hear(self, audio: bytes, bundle: Bundle) -> Words | NotNow | Never:
        """Transcribe a recording in a container (ogg, mp3, …), whose type Deepgram finds out itself."""
        place = self._place(bundle)
        if place is None:
            return Never("STT_API_KEY is not set, and no sandbox runs here")
        try:
            answer = await self._at(*place).listen.v1.media.transcribe_file(
                request=audio,
                model=MODEL,
                language=LANGUAGE,
                smart_format=True,
                request_options={"max_retries": 0, "timeout_in_seconds": TIMEOUT_S},
            )
        except ApiError as error:
            return _failed(error)
        except httpx.HTTPError as error:
            return NotNow(f"Deepgram did not answer: {type(error).__name__}")
        except ValueError:
            return NotNow("Deepgram's answer is not JSON")
        return _words(answer)

    def _place(self, bundle: Bundle) -> tuple[str, str] | None:
        """Base URL and key."""
        key = self._settings.resolved(API_KEY)
        if key is not None:
            told: Any = bundle.settings.voice.get("stt")
            url = told.get("base_url") if isinstance(told, Mapping) else None
            return self._settings.resolved(url) or DEEPGRAM, key
        url = self._settings.sandbox_urls.get(STT)
        return (url, _SANDBOX_KEY) if url else None

    def _at(self, url: str, key: str) -> AsyncDeepgramClient:
        known = self._clients.get((url, key))
        if known is None:
            sockets = url.replace("http", "ws", 1)
            where = DeepgramClientEnvironment(base=url, production=sockets, agent=sockets, agent_rest=url)
            known = AsyncDeepgramClient(api_key=key, environment=where, httpx_client=self._client)
            self._clients[url, key] = known
        return known


def _words(answer: Any) -> Words | NotNow:
    """The first alternative of the first channel; the SDK checks nothing of what it was answered."""
    try:
        text = answer.results.channels[0].alternatives[0].transcript
    except (AttributeError, IndexError, TypeError):
        return NotNow("Deepgram answered without a transcript")
    return Words(text.strip()) if isinstance(text, str) else NotNow("Deepgram answered without a transcript")


def _failed(error: ApiError) -> NotNow | Never:
    """Its body may quote what it was sent and is left out."""
    status = error.status_code or 0
    if status == 429 or status >= 500 or 200 <= status < 300:
        return NotNow(f"Deepgram answered {status}", retry_after(error.headers))
    return Never(f"Deepgram refused it with {status}")
