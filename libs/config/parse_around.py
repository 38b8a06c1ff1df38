"""The part of `voice` in settings.yaml that says what is around a call: budgets of time and money, recording."""

import re

from libs.config.fields import Fields, as_text
from libs.config.findings import Findings
from libs.config.parse_plan import money
from libs.config.parse_policy import CURRENCY
from libs.config.tree import Node
from libs.domain.latency import STAGES, Budget
from libs.domain.recording import STORAGES

NUMBER = re.compile(r"^\+[1-9]\d{7,14}$")
CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


def parse_around(voice: Fields, found: Findings) -> None:
    """Finds what is unknown or cannot be in these keys; what they say is read where calls are held."""
    _latency(voice.child("latency"), found)
    _costs(voice.child("costs"), found)
    _recording(voice.child("recording"), found)
    _transfer(voice.child("transfer"), found)


def _transfer(node: Node | None, found: Findings) -> None:
    """Who takes over in a call."""
    if node is None:
        return
    fields = Fields(node, found, "voice.transfer")
    for number in fields.texts("numbers") or ():
        if not NUMBER.match(number):
            found.error(node.at("numbers"), f"{number!r} is no number that can be rung", "write +918047491899: E.164")
    if not fields.has("numbers"):
        found.error(node, "nobody is named who takes over", 'add `numbers: ["+918047491899"]`', line=node.key_line)
    fields.whole("ring_seconds", minimum=5)
    if (hours := fields.child("hours")) is not None:
        inner = Fields(hours, found, "voice.transfer.hours")
        for key in ("from", "to"):
            if not CLOCK.match(inner.text(key) or ""):
                found.error(hours, f"{key} is no time of day", 'write "09:30"', line=hours.key_line)
        inner.finish()
    fields.finish()


def _latency(node: Node | None, found: Findings) -> None:
    if node is None:
        return
    fields = Fields(node, found, "voice.latency")
    plain = Budget()
    target = fields.whole("target_ms", minimum=1) or plain.total
    alarm = fields.whole("alarm_ms", minimum=1) or plain.alarm
    if alarm < target:
        found.error(node, f"the alarm of {alarm} ms comes before the target of {target} ms", f"write {target} or more")
    for key in ("window_s", "turns", "hold_s"):
        fields.whole(key, minimum=1)
    if (stages := fields.child("stages")) is not None:
        inner = Fields(stages, found, "voice.latency.stages")
        for stage in STAGES[:-1]:
            inner.whole(f"{stage}_ms", minimum=1)
        inner.finish()
    if (less := fields.child("degraded")) is not None:
        inner = Fields(less, found, "voice.latency.degraded")
        inner.text("model")
        inner.whole("max_response_words", minimum=5)
        inner.whole("endpointing_ms")
        inner.finish()
    fields.finish()


def _costs(node: Node | None, found: Findings) -> None:
    if node is None:
        return
    fields = Fields(node, found, "voice.costs")
    fields.whole("pulse_seconds", minimum=1)
    for key in ("per_minute", "per_call"):
        money(fields, key)
        for currency, amount in fields.children(key).items():
            if not CURRENCY.match(currency):
                found.error(amount, f"{currency!r} is no currency", "write an ISO 4217 code such as INR")
    fields.finish()


def _recording(node: Node | None, found: Findings) -> None:
    if node is None:
        return
    fields = Fields(node, found, "voice.recording")
    fields.flag("enabled")
    storage = fields.choice("storage", STORAGES) or STORAGES[0]
    bucket = fields.text("bucket")
    if storage == "s3" and not bucket:
        found.error(node.at("storage"), "the storage s3 needs a bucket", "add `bucket: name` or `bucket: name/prefix`")
    if storage == "local" and bucket:
        found.error(node.at("bucket"), "a bucket is of the storage s3", "write `storage: s3`, or leave it out")
    fields.whole("retention_days", minimum=1)
    if fields.flag("encryption") is False:
        place = node.at("encryption")
        found.error(place, "recordings are always sealed with their contact's key", "leave it out, or write true")
    for language, each in fields.children("announcement").items():
        text = as_text(each, found)
        if text is not None and not text.strip():
            found.error(each, f"the announcement in {language} says nothing", "say that the call is recorded")
    fields.finish()
