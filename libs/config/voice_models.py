"""What the providers of speech take as settings, model by model, and how a bundle names their profiles.

Sources: developers.deepgram.com, docs.cartesia.ai, elevenlabs.io/docs and platform.claude.com as of November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEEPGRAM, CARTESIA, ELEVENLABS, ANTHROPIC = "deepgram", "cartesia", "elevenlabs", "anthropic"
FLUX = "flux-general"
PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "stt": (DEEPGRAM,),
    "tts": (CARTESIA, ELEVENLABS),
    "llm": (ANTHROPIC,),
    "telephony": ("exotel", "sip"),
}
"""By component, the usual one first."""
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "stt": (
        "provider",
        "model",
        "endpointing_ms",
        "interim_results",
        "smart_format",
        "filler_words",
        "keywords",
        "keyword_boost",
        "eager",
    ),
    "tts": ("provider", "voice_id", "model", "speed", "output_format"),
    "llm": ("provider", "model", "max_response_words"),
    "telephony": ("provider", "media_url"),
}
"""The settings of a profile, by component."""
OUTPUT = "pcm_8000"
"""The only format that reaches a phone line without being converted: PCM s16le, 8 kHz."""
SPEEDS: Mapping[str, tuple[float, float]] = {CARTESIA: (0.6, 1.5), ELEVENLABS: (0.7, 1.2)}


@dataclass(frozen=True, slots=True)
class Profile:
    """A provider as the bundle names it: `default`, or who takes over."""

    name: str
    values: Mapping[str, Any]

    @property
    def provider(self) -> str:
        """The provider's name; empty for the usual one."""
        return str(self.values.get("provider", ""))


@dataclass(frozen=True, slots=True)
class Model:
    """A family of models by the beginning of its name. `lacks` says of settings that it does not take what would be right."""

    starts: str
    like: str
    lacks: Mapping[str, str]


_BY_ITSELF = "Flux takes turns by its own model: leave it out"
MODELS: Mapping[str, tuple[Model, ...]] = {
    DEEPGRAM: (
        Model(
            FLUX,
            "flux-general-multi",
            {
                "endpointing_ms": _BY_ITSELF,
                "interim_results": "Flux always tells while somebody speaks: leave it out",
                "smart_format": "only nova formats: leave it out",
                "filler_words": "only nova tells them: leave it out",
                "keyword_boost": "Flux takes keywords without a boost: leave it out",
            },
        ),
        Model(
            "nova-3",
            "nova-3",
            {
                "keyword_boost": "nova-3 takes keywords as key terms, without a boost: leave it out, or take nova-2",
                "eager": "only Flux predicts the end of a turn: leave it out",
            },
        ),
        Model("nova-2", "nova-2-phonecall", {"eager": "only Flux predicts the end of a turn: leave it out"}),
    ),
    CARTESIA: (
        Model("sonic-3", "sonic-3.5", {}),
        Model("sonic-latest", "sonic-latest", {}),
        Model("sonic", "sonic-3.5", {"speed": "only sonic-3 and later take a speed: leave it out, or take sonic-3.5"}),
    ),
    ELEVENLABS: (Model("eleven_", "eleven_flash_v2_5", {}),),
    ANTHROPIC: (Model("claude-", "claude-haiku-5-5", {}),),
}
"""By provider, the first that fits counts."""


def named(told: Any) -> list[Profile]:
    """The profiles of one component: its own settings are `default`, a mapping below another name is a further one."""
    if not isinstance(told, Mapping):
        return []
    flat = {key: value for key, value in told.items() if not isinstance(value, Mapping)}
    nested = [Profile(key, value) for key, value in told.items() if isinstance(value, Mapping)]
    first = [Profile("default", flat)] if flat else []
    return first + sorted(nested, key=lambda each: each.name != "default")


def model_of(provider: str, model: str) -> Model | None:
    """The family of a model, or None where the provider has no such model."""
    return next((each for each in MODELS.get(provider, ()) if model.startswith(each.starts)), None)
