"""Which providers a call has, in which order, by what the bundle names and which keys there are."""

from typing import Any

from voice_world import bundle

from libs.config import emulators
from voice_service.providers import cartesia, elevenlabs, flux, nova
from voice_service.providers.profiles import Chains, chains
from voice_service.settings import LIVE, from_environment

URLS = {"stt": "ws://stt", "tts": "ws://tts", "tts_elevenlabs": "ws://eleven"}
KEYS = {"stt": "a", "tts": "b", "tts_elevenlabs": "c"}


def told(voice: dict[str, Any], **changed: Any) -> Chains:
    given = {"urls": URLS, "keys": KEYS, "model": "claude-haiku-5-5", "fallback_model": None, "language": "hi"}
    return chains(voice, **(given | changed))


def names(found: Chains) -> list[list[str]]:
    return [[each.provider for each in chain] for chain in (found.ears, found.minds, found.mouths)]


def test_without_settings_each_has_somebody_who_takes_over():
    assert names(told({})) == [
        ["deepgram flux-general-multi", "deepgram nova-3"],
        ["anthropic claude-haiku-5-5", "anthropic claude-sonnet-5-5"],
        ["cartesia sonic-3.5", "elevenlabs eleven_flash_v2_5"],
    ]


def test_with_the_sandboxs_emulators_it_is_the_same():
    given = from_environment(
        {emulators.variable(name): "http://sandbox" for name in LIVE} | {"CONVERSE_VOICE_ORIGIN": "a"}
    )
    found = given.voice(bundle(), given.door(bundle()))
    assert names(found.chains)[2] == ["cartesia sonic-3.5", "elevenlabs eleven_flash_v2_5"]


def test_named_profiles_are_asked_in_the_bundles_order():
    voice = {
        "stt": {"model": "nova-3", "second": {"model": "flux-general-en"}},
        "tts": {"fallback_elevenlabs": {"provider": "elevenlabs", "voice_id": "v2"}, "default": {"voice_id": "v1"}},
        "llm": {"model": "claude-sonnet-5-5", "cheaper": {"model": "claude-haiku-5-5"}},
    }
    found = told(voice)
    assert names(found) == [
        ["deepgram nova-3", "deepgram flux-general-en"],
        ["anthropic claude-sonnet-5-5", "anthropic claude-haiku-5-5"],
        ["cartesia sonic-3.5", "elevenlabs eleven_flash_v2_5"],
    ]
    assert [each.voice_id for each in found.mouths] == ["v1", "v2"]


def test_nobody_takes_over_whose_key_is_not_there():
    assert names(told({}, keys={"stt": "a", "tts": "b"}))[2] == ["cartesia sonic-3.5"]


def test_settings_reach_the_wire_in_each_models_own_words():
    found = told(
        {"stt": {"keywords": ["lakh"], "older": {"model": "nova-2", "keywords": ["lakh"], "keyword_boost": 3}}}
    )
    first, second = found.ears
    assert "keyterm=lakh" in flux.address(first, 8000).url
    assert "eager_eot_threshold=0.5" in flux.address(first, 8000).url
    assert "keywords=lakh%3A3" in nova.address(second, 8000).url
    assert "endpointing=300" in nova.address(second, 8000).url
    assert cartesia.address(found.mouths[0]).url == "ws://tts/tts/websocket"
    assert "output_format=pcm_8000" in elevenlabs.address(found.mouths[1], 8000).url


def test_a_key_is_in_no_text_of_an_address():
    assert "'c'" not in repr(elevenlabs.address(told({}).mouths[1], 8000))
    assert "'c'" not in repr(told({}).mouths[1])
