"""`voice` of the settings, as far as it names providers: a setting that the chosen model does not know is found, never silent."""

import pytest

from libs.config.compile import compile_bundle
from libs.config.voice_models import named

ALL = """voice:
  stt:
    provider: deepgram
    model: flux-general-multi
    keywords: [invoice, lakh]
    nova: {model: nova-3, endpointing_ms: 300, interim_results: true, smart_format: true, filler_words: true}
    older: {model: nova-2-phonecall, keywords: [invoice], keyword_boost: 2}
  tts:
    default: {provider: cartesia, voice_id: v1, model: sonic-3.5, speed: 1.1, output_format: pcm_8000}
    fallback_elevenlabs: {provider: elevenlabs, model: eleven_flash_v2_5, voice_id: v2}
  llm: {model: claude-haiku-5-5, max_response_words: 60}
  telephony: {provider: exotel}
"""


def findings(text: str) -> list[tuple[str, int, str, str, str]]:
    loaded = compile_bundle({"settings.yaml": text}, {}, "development")
    return [
        (each.severity, each.line, each.path, each.message, each.hint)
        for each in loaded.findings
        if each.path.startswith("voice")
    ]


def test_all_that_models_know_is_no_finding():
    assert findings(ALL) == []


def test_the_profiles_are_in_order_and_what_has_no_name_is_the_default():
    loaded = compile_bundle({"settings.yaml": ALL}, {}, "development")
    assert loaded.bundle is not None
    voice = loaded.bundle.settings.voice
    assert [each.name for each in named(voice["stt"])] == ["default", "nova", "older"]
    assert [(each.name, each.provider) for each in named(voice["tts"])] == [
        ("default", "cartesia"),
        ("fallback_elevenlabs", "elevenlabs"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "says", "hint"),
    [
        ("keywords: [invoice, lakh]", "endpointing_ms: 300", 5, "voice.stt.endpointing_ms", "flux-general-multi does not know endpointing_ms", "leave it out"),
        ("keywords: [invoice, lakh]", "smart_format: true", 5, "voice.stt.smart_format", "does not know smart_format", "only nova formats"),
        ("keywords: [invoice, lakh]", "keywords: invoice", 5, "voice.stt.keywords", "must be a list", "[…]"),
        ("model: nova-3,", "model: nova-3, keyword_boost: 2,", 6, "voice.stt.nova.keyword_boost", "nova-3 does not know keyword_boost", "nova-2"),
        ("model: nova-3,", "model: nova-3, eager: true,", 6, "voice.stt.nova.eager", "does not know eager", "only Flux"),
        ("model: nova-3,", "model: whisper,", 6, "voice.stt.nova.model", "deepgram has no model 'whisper'", "nova-3"),
        ("endpointing_ms: 300", "endpointing_ms: soon", 6, "voice.stt.nova.endpointing_ms", "must be a whole number", "10 or more"),
        ("endpointing_ms: 300", "endpoint_ms: 300", 6, "voice.stt.nova.endpoint_ms", "has no key 'endpoint_ms'", "'endpointing_ms'"),
        ("provider: deepgram", "provider: google", 3, "voice.stt.provider", "is no provider", "deepgram"),
        ("model: sonic-3.5", "model: sonic-2", 9, "voice.tts.default.speed", "sonic-2 does not know speed", "sonic-3.5"),
        ("speed: 1.1", "speed: 3", 9, "voice.tts.default.speed", "cartesia speaks at 0.6 to 1.5", "1.0"),
        ("pcm_8000", "mp3_44100", 9, "voice.tts.default.output_format", "a phone line has pcm_8000", "write pcm_8000"),
        ("  tts:\n", "  tts:\n    model: sonic-3\n", 9, "voice.tts.model", "settings beside a profile `default`", "move them"),
        ("max_response_words: 60", "max_response_words: 2", 11, "voice.llm.max_response_words", "must be a whole number", "5 or more"),
        ("model: claude-haiku-5-5", "model: gpt-5", 11, "voice.llm.model", "anthropic has no model 'gpt-5'", "claude-haiku-5-5"),
        ("provider: exotel", "provider: exotell", 12, "voice.telephony.provider", "is no provider", "'exotel'"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_is(old: str, new: str, line: int, path: str, says: str, hint: str):
    assert old in ALL
    [(severity, at, where, message, right)] = findings(ALL.replace(old, new, 1))
    assert (severity, at, where) == ("error", line, path)
    assert says in message
    assert hint in right
