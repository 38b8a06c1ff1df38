"""What the rules of a bundle say of one business event."""

from collections.abc import Iterable
from datetime import datetime

from events.business import EventReceived
from events.rules import Evaluated, MatchedFollowup, RejectedRule
from events.values import CancelOn
from libs.domain.rules import PRIORITIES, Matched, Rule, evaluate_rules


def evaluated(event: EventReceived, stream: str, rules: Iterable[Rule], *, now: datetime, zone: str) -> Evaluated:
    """Every rule's verdict on the event that stands in `stream`, what presses most first.

    `now` is the business now, `zone` the policy's.
    """
    evaluation = evaluate_rules(rules, event.event_name, event.data, now=now, zone=zone)
    matched = sorted(evaluation.matched, key=lambda each: PRIORITIES.index(each.spec.priority))
    return Evaluated(
        event_name=event.event_name,
        business_stream=stream,
        matched=[_followup(each) for each in matched],
        rejected=[RejectedRule(rule_id=each.rule_id, reasons=list(each.reasons)) for each in evaluation.rejected],
    )


def _followup(matched: Matched) -> MatchedFollowup:
    spec = matched.spec
    return MatchedFollowup(
        rule_id=matched.rule_id,
        contact_id=spec.contact_id,
        reason=spec.reason,
        dedupe_key=matched.dedupe_key,
        priority=spec.priority,
        channel_priority=list(spec.channel_priority),
        process_type=spec.process_type,
        entity_type=spec.entity_type,
        entity_id=spec.entity_id,
        flow=spec.flow,
        business_context=spec.business_context,
        cooldown_s=matched.cooldown_s,
        supersede=matched.supersede,
        not_before=matched.not_before,
        cancel_on=[CancelOn(event=each.event, match=each.match) for each in matched.cancel_on],
        why=list(matched.reasons),
    )
