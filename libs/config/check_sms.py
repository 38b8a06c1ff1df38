"""SMS: what its provider needs to be told, and templates as India's DLT has registered them."""

from collections.abc import Mapping

import msgspec

from libs.config.findings import Findings
from libs.config.model import PLACEHOLDER, ChannelSettings, MessageTemplate
from libs.config.parsed import Parsed
from libs.config.providers import is_live
from libs.config.sms import INDIA, SmsOptions, sms_options
from libs.config.tree import Node
from libs.domain.segments import beyond_gsm7, segments

SMS = "sms"
INDIC = frozenset({"hi", "bn", "te", "mr", "ta", "gu", "kn", "ml", "pa", "or", "as", "ur"})
"""Languages whose letters are no GSM-7 anyway."""
LIKE: Mapping[str, str] = {
    "sender_id": "ACMECO, or a number such as +14255550101",
    "entity_id": 'the 19 digits in quotes, such as "1101456324585245458"',
    "max_segments": "1 to 10",
    "links": '["https://pay.acme.example/"]',
    "free_text_to": '["+44", "+1"]',
    "region": "ap-south-1",
    "max_price": "dollars a message, such as 0.02",
    "topic_arns": "[arn:aws:sns:ap-south-1:123456789012:sms]",
    "configuration_set": "its name",
    "ttl_seconds": "5 to 259200",
}


def check_sms(parsed: Parsed, env: Mapping[str, str], profile: str, found: Findings) -> None:
    settings, root = parsed.settings.value, parsed.settings.node
    channel, node = settings.channels.get(SMS), root.at("channels", SMS)
    options = SmsOptions()
    if channel is not None:
        options = _options(channel, node, found)
    if channel is not None and channel.enabled:
        _needs(channel, options, node, found)
        live = is_live(SMS, channel.provider, channel.credentials, env)
        if live and channel.provider == "exotel" and not settings.webhook_base_url:
            say = found.error if profile == "production" else found.warn
            say(node, "Exotel could not tell what became of a message", "add webhook_base_url", line=node.key_line)
    for each in parsed.templates.get(SMS, ()):
        _dlt(each.value, each.node, channel.provider if channel else "", options, found)
        _letters(each.value, each.node.at("body"), options, found)


def _options(channel: ChannelSettings, node: Node, found: Findings) -> SmsOptions:
    try:
        options = sms_options(channel)
    except msgspec.ValidationError as error:
        found.refused(node, error, LIKE)
        return SmsOptions()
    for n, prefix in enumerate(options.free_text_to):
        if INDIA.startswith(prefix) or prefix.startswith(INDIA):
            place = node.at("free_text_to", n)
            found.error(place, f"{prefix!r} reaches India, where only registered texts are allowed", 'write "+44"')
    return options


def _needs(channel: ChannelSettings, options: SmsOptions, node: Node, found: Findings) -> None:
    """What a provider cannot do without, and what it stays silent without."""
    if channel.provider == "exotel" and not options.sender_id:
        found.error(node, "Exotel needs to know who sends", "add `sender_id:` with your DLT header", line=node.key_line)
    if channel.provider in ("sns", "pinpoint") and not options.region:
        found.error(node, "AWS is called in a region", "add `region: ap-south-1`", line=node.key_line)
    if channel.provider == "pinpoint" and not options.configuration_set:
        hint = "add `configuration_set:` with an event destination that posts to an SNS topic"
        found.warn(node, "without a configuration set nobody tells what became of a message", hint, line=node.key_line)
    if channel.provider == "pinpoint" and not options.topic_arns:
        hint = "add `topic_arns:` with those that post to /webhooks/sms"
        found.warn(node, "no SNS topic is trusted: events and answers are refused", hint, line=node.key_line)


def _dlt(template: MessageTemplate, node: Node, provider: str, options: SmsOptions, found: Findings) -> None:
    if template.dlt is None:
        say = found.error if provider == "exotel" else found.warn
        hint = 'add `dlt: {entity_id: "…", template_id: "…"}`'
        say(node, f"the template {template.id!r} has no DLT ids: nobody in India gets it", hint)
        return
    for key, digits in (("entity_id", template.dlt.entity_id), ("template_id", template.dlt.template_id)):
        if digits and not (digits.isascii() and digits.isdigit() and len(digits) == 19):
            found.error(node.at("dlt", key), f"{digits!r} is no DLT id", "it has 19 digits")
    if options.entity_id and template.dlt.entity_id not in ("", options.entity_id):
        place = node.at("dlt", "entity_id")
        found.error(place, "the template is registered by another entity", f"channels.sms says {options.entity_id}")


def _letters(template: MessageTemplate, node: Node, options: SmsOptions, found: Findings) -> None:
    """One letter beyond GSM-7 makes every segment 70 characters instead of 160."""
    body = template.body
    if "{{-" in body or "-}}" in body:
        found.error(node, "a registered text keeps its blanks: {{- and -}} take some away", "write {{ and }}")
    fixed = PLACEHOLDER.sub("", body)
    if template.language.partition("_")[0] not in INDIC:
        if strange := beyond_gsm7(fixed):
            found.warn(
                node, f"{strange!r} makes it unicode: 70 characters a segment instead of 160", "write GSM-7 letters"
            )
        for place in PLACEHOLDER.finditer(body):
            if "inr" in (part.strip() for part in place[1].split("|")[1:]):
                found.warn(
                    node,
                    f"{place[0]} writes ₹, which makes it unicode: 70 characters a segment instead of 160",
                    f"write {place[0].replace('inr', 'inr_ascii')}, and the registered text without Rs before it",
                )
    if (count := segments(fixed).count) > options.max_segments:
        found.error(node, f"its fixed text alone takes {count} segments", f"max_segments is {options.max_segments}")
