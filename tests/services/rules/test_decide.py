"""What rules appends for a business event."""

from typing import Any

import msgspec

from events.business import EventReceived
from events.rules import Evaluated, MatchedFollowup, RejectedRule
from events.values import CancelOn
from libs.domain.conditions import Check
from libs.domain.rules import Cancel, FollowupSpec, Rule, Schedule
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, NOON, PRIYA
from libs.testkit.spec import specification
from services.rules.decide import NOT_BUILT, evaluated

REMINDER = Rule(
    id="overdue_reminder",
    on="invoice_overdue",
    conditions=Check("days_overdue", "gte", 3),
    create_followup=FollowupSpec(
        contact_id="{{contact_id}}",
        reason="Payment overdue {{days_overdue}} days",
        priority="high",
        channel_priority=("whatsapp", "email"),
        process_type="payment_collection",
        entity_type="invoice",
        entity_id="{{invoice_number}}",
        flow="payment_reminder",
    ),
    dedupe_key="payment:{{invoice_number}}",
    cooldown_s=86_400,
    cancel_on=(Cancel(event="payment_received", match={"entity_id": "{{invoice_number}}"}),),
)
DELAYED = msgspec.structs.replace(REMINDER, id="order_delayed", on="order_delayed")

given = specification(tuple, lambda rules, rule: (*rules, rule), facts=lambda fact: [fact])


def say(rules: tuple[Rule, ...], **data: Any) -> Evaluated:
    event = EventReceived(
        event_name="invoice_overdue",
        external_id="e-1",
        origin="erp",
        fingerprint="f",
        data={**INVOICE_OVERDUE, **data},
    )
    return evaluated(event, "business-1", rules, now=NOON, zone="Asia/Kolkata")


def test_the_follow_up_is_asked_for_rendered_and_the_other_rule_says_why_not():
    given(REMINDER, DELAYED).when(say).then(
        Evaluated(
            event_name="invoice_overdue",
            business_stream="business-1",
            matched=[
                MatchedFollowup(
                    rule_id="overdue_reminder",
                    contact_id=PRIYA,
                    reason="Payment overdue 17 days",
                    dedupe_key=f"payment:{INVOICE}",
                    priority="high",
                    channel_priority=["whatsapp", "email"],
                    process_type="payment_collection",
                    entity_type="invoice",
                    entity_id=INVOICE,
                    flow="payment_reminder",
                    cooldown_s=86_400,
                    cancel_on=[CancelOn(event="payment_received", match={"entity_id": "{{invoice_number}}"})],
                    why=["days_overdue 17 is >= 3"],
                )
            ],
            rejected=[RejectedRule(rule_id="order_delayed", reasons=["hears order_delayed, not invoice_overdue"])],
        )
    )


def test_that_nothing_matched_is_a_fact_too():
    given(REMINDER).when(say, days_overdue=1).then(
        Evaluated(
            event_name="invoice_overdue",
            business_stream="business-1",
            matched=[],
            rejected=[RejectedRule(rule_id="overdue_reminder", reasons=["days_overdue 1 is not >= 3"])],
        )
    )


def test_without_rules_the_event_was_still_looked_at():
    given().when(say).then(Evaluated(event_name="invoice_overdue", business_stream="business-1", matched=[]))


def test_a_schedule_never_fires_at_once():
    dated = msgspec.structs.replace(REMINDER, schedule=Schedule(field="due_date", at="10:00"))
    given(dated).when(say).then_that(
        lambda fact: not fact.matched and fact.rejected[0].reasons == ["days_overdue 17 is >= 3", NOT_BUILT]
    )


def test_an_evaluation_can_be_stored_whatever_the_erp_sent():
    [fact] = given(REMINDER).when(say, amount=1.5, lines=[{"n": None}], contact_id=7).decided
    assert msgspec.json.decode(msgspec.json.encode(fact), type=Evaluated) == fact
