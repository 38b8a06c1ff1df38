"""The named profiles of a tenant's providers, resolved: `default` first, then those that take over, in the bundle's order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from libs.config.voice_models import CARTESIA as CARTESIA
from libs.config.voice_models import DEEPGRAM, ELEVENLABS, FLUX, Profile, named

KEY_TERMS = ("invoice", "payment", "rupees", "lakh", "crore")
LANGUAGES = ("hi", "en")
CARTESIA_VOICE = "a0e99841-438c-4a64-b679-ae501e7d6091"
ELEVENLABS_VOICE = "21m00Tcm4TlvDq8ikWAM"
FALLBACK_MODEL = "claude-sonnet-5-5"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SttProfile:
    """Speech to text. `endpointing_ms` is nova's; Flux decides by its own model."""

    name: str
    url: str
    key: str = field(repr=False)
    model: str = "flux-general-multi"
    keywords: tuple[str, ...] = KEY_TERMS
    keyword_boost: int | None = None
    endpointing_ms: int = 300
    interim_results: bool = True
    smart_format: bool = True
    filler_words: bool = False
    eager: bool = True

    @property
    def provider(self) -> str:
        """As it is named in facts and metrics."""
        return f"{DEEPGRAM} {self.model}"

    @property
    def flux(self) -> bool:
        """Whether the model takes turns by itself."""
        return self.model.startswith(FLUX)


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsProfile:
    """Text to speech, 8 kHz s16le."""

    name: str
    vendor: str
    url: str
    key: str = field(repr=False)
    model: str = "sonic-3.5"
    voice_id: str = CARTESIA_VOICE
    speed: float | None = None
    language: str = "hi"

    @property
    def provider(self) -> str:
        """As it is named in facts and metrics."""
        return f"{self.vendor} {self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmProfile:
    """Claude."""

    name: str
    model: str

    @property
    def provider(self) -> str:
        """As it is named in facts and metrics."""
        return f"anthropic {self.model}"


@dataclass(frozen=True, slots=True)
class Chains:
    """Who is asked first, and who after it."""

    ears: tuple[SttProfile, ...]
    minds: tuple[LlmProfile, ...]
    mouths: tuple[TtsProfile, ...]


def chains(
    told: Mapping[str, Any],
    urls: Mapping[str, str],
    keys: Mapping[str, str],
    *,
    model: str,
    fallback_model: str | None,
    language: str,
) -> Chains:
    """The profiles that `voice` of the settings names, and the ones that ship where it names only the first.

    A profile whose provider has no address and key here is left out; `libs.config` has found that already.
    """
    ears = [_ears(each, urls, keys) for each in _named(told, "stt") if not each.provider or each.provider == DEEPGRAM]
    mouths = [each for profile in _named(told, "tts") if (each := _mouth(profile, urls, keys, language)) is not None]
    minds = [LlmProfile(name=each.name, model=each.values.get("model") or model) for each in _named(told, "llm")]
    if len(ears) == 1:
        ears.append(
            _ears(Profile("alternative", {"model": "nova-3" if ears[0].flux else "flux-general-multi"}), urls, keys)
        )
    if len(mouths) == 1 and mouths[0].vendor == CARTESIA:
        second = _mouth(Profile("alternative", {"provider": ELEVENLABS}), urls, keys, language)
        mouths += [second] if second is not None else []
    if len(minds) == 1:
        other = fallback_model or FALLBACK_MODEL
        minds += [LlmProfile(name="fallback", model=other)] if other != minds[0].model else []
    return Chains(tuple(ears), tuple(_once(minds, lambda each: each.model)), tuple(mouths))


def _named(told: Mapping[str, Any], component: str) -> Sequence[Profile]:
    return named(told.get(component)) or [Profile("default", {})]


def _ears(profile: Profile, urls: Mapping[str, str], keys: Mapping[str, str]) -> SttProfile:
    values = profile.values
    plain = SttProfile(name=profile.name, url=urls["stt"], key=keys["stt"])
    words = values.get("keywords")
    return SttProfile(
        name=profile.name,
        url=urls["stt"],
        key=keys["stt"],
        model=values.get("model", plain.model),
        keywords=plain.keywords if words is None else tuple(map(str, words)),
        keyword_boost=values.get("keyword_boost"),
        endpointing_ms=int(values.get("endpointing_ms", plain.endpointing_ms)),
        interim_results=bool(values.get("interim_results", plain.interim_results)),
        smart_format=bool(values.get("smart_format", plain.smart_format)),
        filler_words=bool(values.get("filler_words", plain.filler_words)),
        eager=bool(values.get("eager", plain.eager)),
    )


def _mouth(profile: Profile, urls: Mapping[str, str], keys: Mapping[str, str], language: str) -> TtsProfile | None:
    values = profile.values
    vendor = values.get("provider", CARTESIA)
    place = "tts" if vendor == CARTESIA else f"tts_{vendor}"
    if place not in urls or place not in keys:
        return None
    model, voice = ("sonic-3.5", CARTESIA_VOICE) if vendor == CARTESIA else ("eleven_flash_v2_5", ELEVENLABS_VOICE)
    speed = values.get("speed")
    return TtsProfile(
        name=profile.name,
        vendor=vendor,
        url=urls[place],
        key=keys[place],
        model=values.get("model", model),
        voice_id=values.get("voice_id", voice),
        speed=None if speed is None else float(speed),
        language=language,
    )


def _once(values: Sequence[T], by: Callable[[T], Any]) -> list[T]:
    return list({by(each): each for each in reversed(values)}.values())[::-1]
