"""What cannot be in the settings of what is around a call: each mistake with its place and what would be right."""

import pytest

from libs.config.compile import compile_bundle

WHOLE = """voice:
  latency:
    {target_ms: 600, alarm_ms: 800, window_s: 120, turns: 10, hold_s: 60, stages: {llm_ms: 300, tts_ms: 200},
     degraded: {model: claude-haiku-5-5, max_response_words: 50, endpointing_ms: 150}}
  costs: {pulse_seconds: 60, per_minute: {INR: 4}, per_call: {INR: 25}}
  recording: {enabled: true, storage: s3, bucket: acme/calls, retention_days: 90, encryption: true, announcement: {en: Recorded.}}
"""


def findings(text: str) -> list[tuple[str, str]]:
    loaded = compile_bundle({"settings.yaml": text}, {}, "development")
    return [(each.path, each.message) for each in loaded.findings if each.severity == "error"]


def test_all_that_can_be_said_is_understood():
    assert findings(WHOLE) == []


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ("latency: {alarm_ms: 500}", "voice.latency", "the alarm of 500 ms comes before the target of 600 ms"),
        ("latency: {stages: {stt: 300}}", "voice.latency.stages.stt", "no key 'stt'"),
        ("costs: {per_call: {rupees: 25}}", "voice.costs.per_call.rupees", "'rupees' is no currency"),
        ("costs: {per_minute: {INR: cheap}}", "voice.costs.per_minute.INR", "must be an amount"),
        ("recording: {storage: s3}", "voice.recording.storage", "the storage s3 needs a bucket"),
        ("recording: {bucket: acme}", "voice.recording.bucket", "a bucket is of the storage s3"),
        ("recording: {storage: ftp}", "voice.recording.storage", "'ftp'"),
        ("recording: {encryption: false}", "voice.recording.encryption", "always sealed"),
        ("recording: {retention_days: 0}", "voice.recording.retention_days", "must be a whole number"),
    ],
)
def test_what_cannot_be_is_found(settings: str, path: str, message: str):
    [(where, what)] = findings(f"voice:\n  {settings}\n")
    assert where == path
    assert message in what
