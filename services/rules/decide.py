"""What the rules of a bundle say of one business event."""

from collections.abc import Iterable
from datetime import datetime

from events.business import EventReceived
from events.rules import Evaluated, MatchedFollowup, RejectedRule
from events.values import CancelOn
from libs.domain.rules import Matched, Rule, evaluate_rules

NOT_BUILT = "schedule is not built yet: a follow-up on a date would come at once, so it does not come"


def evaluated(event: EventReceived, stream: str, rules: Iterable[Rule], *, now: datetime, zone: str) -> Evaluated:
    """Every rule's verdict on the event that stands in `stream`. `now` is the business now, `zone` the policy's."""
    evaluation = evaluate_rules(rules, event.event_name, event.data, now=now, zone=zone)
    due = [each for each in evaluation.matched if each.not_before is None]
    later = [each for each in evaluation.matched if each.not_before is not None]
    return Evaluated(
        event_name=event.event_name,
        business_stream=stream,
        matched=[_followup(each) for each in due],
        rejected=[
            *(RejectedRule(rule_id=each.rule_id, reasons=list(each.reasons)) for each in evaluation.rejected),
            *(RejectedRule(rule_id=each.rule_id, reasons=[*each.reasons, NOT_BUILT]) for each in later),
        ],
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
        cancel_on=[CancelOn(event=each.event, match=each.match) for each in matched.cancel_on],
        why=list(matched.reasons),
    )
