"""`voice` of the settings, as far as it says how the agent takes turns: every number is read, every mistake is found."""

import pytest

from libs.config.compile import compile_bundle
from libs.domain.endpointing import Endpointing
from libs.domain.floor import DEFAULT, INDIAN, manners

ALL = """voice:
  preset: default
  quality_preset: low_latency
  endpointing: {base_ms: 1, question_ms: 2, after_filler_ms: 3, number_dictation_ms: 4, mid_sentence_ms: 5, emotional_ms: 6}
  silence: {gentle_prompt_s: 1, check_in_s: 2.5, final_check_s: 3, goodbye_s: 4}
  fillers: [um, ek minute]
  digits: {timeout_ms: 7}
  voicemail: {policy: leave_message, message: "Please call back.", within_s: 8}
  lines: {en: {gentle_prompt: "Anybody there?"}}
"""


def findings(text: str) -> list[tuple[str, str, str, str]]:
    loaded = compile_bundle({"settings.yaml": text}, {}, "development")
    return [
        (each.severity, each.path, each.message, each.hint) for each in loaded.findings if each.path.startswith("voice")
    ]


def test_every_number_can_be_told():
    loaded = compile_bundle({"settings.yaml": ALL}, {}, "development")
    assert findings(ALL) == []
    assert loaded.bundle is not None
    told = manners(loaded.bundle.settings.voice)
    assert told.endpointing == Endpointing(
        base_ms=1, question_ms=2, after_filler_ms=3, number_dictation_ms=4, mid_sentence_ms=5, emotional_ms=6
    )
    assert told.silence.steps_ms == (1000, 2500, 3000, 4000)
    assert told.fillers == (("um",), ("ek", "minute"))
    assert told.digits_ms == 7


def test_what_is_not_told_is_the_indian_presets():
    assert manners({}) == INDIAN
    assert manners({"preset": "default"}) == manners({"quality_preset": "low_latency"}) == DEFAULT
    assert manners({"preset": "indian_english", "quality_preset": "low_latency"}) == INDIAN
    one = manners({"endpointing": {"question_ms": 200}})
    assert (one.endpointing.question_ms, one.endpointing.base_ms) == (200, 350)


@pytest.mark.parametrize(
    ("old", "new", "path", "message", "hint"),
    [
        ("base_ms: 1", "bas_ms: 1", "voice.endpointing.bas_ms", "voice.endpointing has no key 'bas_ms'", "'base_ms'"),
        ("base_ms: 1", "base_ms: 0.3", "voice.endpointing.base_ms", "base_ms must be a whole number", "0 or more"),
        ("base_ms: 1", "base_ms: 30000", "voice.endpointing.base_ms", "waits 30000 milliseconds", "10000 or less"),
        ("preset: default", "preset: indian", "voice.preset", "'indian' is no preset", "'indian_english'"),
        ("low_latency", "fast", "voice.quality_preset", "'fast' is no quality_preset", "low_latency"),
        ("check_in_s: 2.5", "check_in_s: soon", "voice.silence.check_in_s", "must be seconds", "a number above 0"),
        ("check_in_s: 2.5", "check_in_s: 0.5", "voice.silence.check_in_s", "no later than gentle_prompt_s (1)", "one after the other"),
        ("gentle_prompt_s", "gentle_s", "voice.silence.gentle_s", "has no key 'gentle_s'", "gentle_prompt_s"),
        ("[um,", "[5,", "voice.fillers[0]", "must be a text", "in quotes"),
        ("timeout_ms: 7", "timeout: 7", "voice.digits.timeout", "has no key 'timeout'", "timeout_ms"),
        ("leave_message", "leave_a_message", "voice.voicemail.policy", "is no policy", "'leave_message'"),
        ("within_s: 8", "within_s: 80", "voice.voicemail.within_s", "must be seconds", "60 at most"),
        ("gentle_prompt: \"A", "gentle: \"A", "voice.lines.en.gentle", "has no key 'gentle'", "gentle_prompt"),
        ("{en:", "{fr:", "voice.lines.fr", "'fr' is no language of ours", "hi-Latn"),
        ("  digits:", "  digit:", "voice.digit", "voice has no key 'digit'", "'digits'"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_stands(old, new, path, message, hint):
    assert old in ALL
    found = [each for each in findings(ALL.replace(old, new, 1)) if each[0] == "error" and each[1] == path]
    assert len(found) == 1
    assert message in found[0][2]
    assert hint in found[0][3]


def test_steps_of_silence_that_meet_the_presets_are_found():
    [(severity, path, message, _)] = findings("voice: {silence: {goodbye_s: 12}}\n")
    assert (severity, path) == ("error", "voice.silence.goodbye_s")
    assert "no later than final_check_s (25)" in message


def test_a_message_that_nobody_hears_is_a_warning():
    [(severity, path, _, _)] = findings('voice: {voicemail: {message: "Please call back."}}\n')
    assert (severity, path) == ("warning", "voice.voicemail.message")
