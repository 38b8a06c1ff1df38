"""Rules and the follow-ups that they ask for: what they refer to."""

from libs.config.findings import Findings
from libs.config.parsed import Parsed
from libs.config.references import References


def check_rules(parsed: Parsed, found: Findings) -> None:
    refer = References(parsed, found)
    for rule in parsed.rules:
        for position, cancel in enumerate(rule.value.cancel_on):
            node = rule.node.at("cancel_on", position)
            refer.match(node.keys.get("match"))
            if not cancel.match and not found.errors_under(node):
                found.error(
                    node, "an empty match would cancel every follow-up", 'write {entity_id: "{{invoice_number}}"}'
                )
    for each in parsed.followups():
        spec, node = each.value, each.node
        refer.process(spec.process_type, node.at("process_type"))
        refer.flow(spec.flow, node.at("flow"))
        for position, channel in enumerate(spec.channel_priority):
            refer.channel(channel, node.at("channel_priority", position))
