"""The part of `voice` in settings.yaml that says how the agent takes turns: patience, silence, keys, voicemail, its own lines."""

from dataclasses import fields as fields_of

from libs.config.fields import Fields, as_text, kind_of
from libs.config.findings import Findings, suggest
from libs.config.tree import Node
from libs.domain.call_lines import LANGUAGES, LINES
from libs.domain.endpointing import Endpointing
from libs.domain.floor import PRESETS, Silence, preset_of

QUALITY = ("low_latency", "balanced", "high_quality")
VOICEMAIL = ("hang_up", "leave_message")
LONGEST_WAIT_MS = 10_000
LONGEST_SILENCE_S = 300
LONGEST_GREETING_S = 60


def parse_turns(voice: Fields, found: Findings) -> None:
    """Finds what is unknown or cannot be in these keys; what they say is read where calls are held."""
    preset = preset_of(voice.choice("preset", tuple(PRESETS)), voice.choice("quality_preset", QUALITY))
    _milliseconds(voice, "endpointing", tuple(field.name for field in fields_of(Endpointing)), found)
    _milliseconds(voice, "digits", ("timeout_ms",), found)
    _silence(voice, preset, found)
    for node in voice.items("fillers"):
        text = as_text(node, found)
        if text is not None and not text.strip():
            found.error(node, "an empty filler would be at the end of everything", "leave it out")
    _voicemail(voice, found)
    _lines(voice, found)


def _milliseconds(voice: Fields, key: str, names: tuple[str, ...], found: Findings) -> None:
    node = voice.child(key)
    if node is None:
        return
    fields = Fields(node, found, f"voice.{key}")
    for name in names:
        value = fields.whole(name)
        if value is not None and value > LONGEST_WAIT_MS:
            place = node.at(name)
            found.error(place, f"{name} waits {value} milliseconds", f"write {LONGEST_WAIT_MS} or less")
    fields.finish()


def _silence(voice: Fields, preset: str, found: Findings) -> None:
    node = voice.child("silence")
    if node is None:
        return
    fields = Fields(node, found, "voice.silence")
    before, so_far = "", 0.0
    for field in fields_of(Silence):
        seconds = _seconds(fields, field.name, LONGEST_SILENCE_S, found)
        if seconds is None:
            seconds = getattr(PRESETS[preset].silence, field.name)
        if seconds <= so_far:
            place = node.at(field.name) if fields.has(field.name) else node
            found.error(
                place,
                f"{field.name} ({seconds:g}) is no later than {before} ({so_far:g})",
                f"the steps of silence come one after the other; what is not given is the preset {preset}'s",
            )
        before, so_far = field.name, seconds
    fields.finish()


def _voicemail(voice: Fields, found: Findings) -> None:
    node = voice.child("voicemail")
    if node is None:
        return
    fields = Fields(node, found, "voice.voicemail")
    policy = fields.choice("policy", VOICEMAIL)
    message = fields.text("message")
    _seconds(fields, "within_s", LONGEST_GREETING_S, found)
    if message and policy != "leave_message":
        found.warn(node.at("message"), "nobody hears this message", "write `policy: leave_message`, or leave it out")
    fields.finish()


def _lines(voice: Fields, found: Findings) -> None:
    for language, node in voice.children("lines").items():
        if language not in LANGUAGES:
            found.error(node, f"{language!r} is no language of ours", suggest(language, LANGUAGES), line=node.key_line)
            continue
        fields = Fields(node, found, f"voice.lines.{language}")
        for name in LINES:
            fields.text(name)
        fields.finish()


def _seconds(fields: Fields, key: str, most: float, found: Findings) -> float | None:
    node: Node | None = fields.child(key)
    if node is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, int | float) or not 0 < node.value <= most:
        found.error(node, f"{key} must be seconds, not {kind_of(node)}", f"write a number above 0, {most:g} at most")
        return None
    return float(node.value)
