"""The providers of a call, as Pipecat's services: ears (speech to text), mind (Claude), mouth (text to speech)."""

import ssl
from functools import cache
from typing import Any

from anthropic import AsyncAnthropic
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.tts_service import TextAggregationMode

from libs.channels.exotel_media import RATE
from voice_service.settings import Door, Voice

KEY_TERMS = ["invoice", "payment", "rupees", "lakh", "crore"]


@cache
def _tls() -> ssl.SSLContext:
    """One for all sockets: making it blocks the loop for tens of milliseconds."""
    return ssl.create_default_context()


class _SharedTls:
    async def _websocket_connect(self, uri: str, **options: Any) -> Any:
        options.setdefault("compression", None)  # sound does not shrink, and a compressor takes memory and time
        if uri.startswith("wss"):
            options.setdefault("ssl", _tls())
        return await super()._websocket_connect(uri, **options)  # type: ignore[misc]


class Flux(_SharedTls, DeepgramFluxSTTService):
    """Deepgram Flux."""


class Cartesia(_SharedTls, CartesiaTTSService):
    """Cartesia's voice."""


def ears(door: Door, voice: Voice) -> Flux:
    """Hears the contact; interrupts nobody by itself."""
    return Flux(
        api_key=door.keys["stt"],
        url=f"{door.urls['stt']}/v2/listen",
        audio_passthrough=False,
        should_interrupt=False,
        settings=DeepgramFluxSTTService.Settings(model=voice.stt_model, keyterm=KEY_TERMS),
    )


def mind(door: Door, claude: AsyncAnthropic, model: str, system: str) -> AnthropicLLMService:
    """Claude, with a prompt whose prefix is cached."""
    return AnthropicLLMService(
        api_key=door.keys["llm"],
        client=claude,
        settings=AnthropicLLMService.Settings(
            model=model,
            system_instruction=system,
            max_tokens=400,
            enable_prompt_caching=True,
        ),
    )


def mouth(door: Door, voice: Voice, language: str) -> Cartesia:
    """Speaks token by token."""
    return Cartesia(
        api_key=door.keys["tts"],
        url=f"{door.urls['tts']}/tts/websocket",
        sample_rate=RATE,
        settings=CartesiaTTSService.Settings(voice=voice.voice_id, model=voice.tts_model, language=language),
        text_aggregation_mode=TextAggregationMode.TOKEN,
    )
