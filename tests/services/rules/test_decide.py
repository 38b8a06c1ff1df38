"""What rules appends for a business event."""

from datetime import datetime
from typing import Any

import msgspec

from events.business import EventReceived
from events.rules import Evaluated, MatchedFollowup, RejectedRule
from events.values import CancelOn
from libs.domain.conditions import Check
from libs.domain.rules import Cancel, FollowupSpec, Rule, Schedule
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, IST, NOON, PRIYA
from libs.testkit.spec import specification
from services.rules.decide import evaluated

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


def test_a_schedule_names_the_date_on_which_the_follow_up_begins():
    dated = msgspec.structs.replace(REMINDER, schedule=Schedule(field="due_date", offset_s=-3 * 86_400, at="10:00"))
    [fact] = given(dated).when(say, due_date="2026-03-30").decided
    assert fact.matched[0].not_before == datetime(2026, 3, 27, 10, tzinfo=IST)
    assert fact.matched[0].why == ["days_overdue 17 is >= 3", "due on 2026-03-27T10:00+05:30"]


def test_a_date_that_has_passed_begins_at_once_and_says_so():
    dated = msgspec.structs.replace(REMINDER, schedule=Schedule(field="due_date", at="10:00"))
    [fact] = given(dated).when(say).decided
    assert fact.matched[0].not_before is None
    assert fact.matched[0].why[-1] == "2026-01-30T10:00+05:30 has passed: at once"


def test_a_date_that_has_passed_may_be_skipped_instead():
    dated = msgspec.structs.replace(REMINDER, schedule=Schedule(field="due_date", at="10:00", missed="skip"))
    [fact] = given(dated).when(say).decided
    assert (fact.matched, fact.rejected[0].reasons[-1]) == ([], "2026-01-30T10:00+05:30 has passed")


def test_what_presses_most_is_asked_for_first():
    calm = msgspec.structs.replace(
        REMINDER, id="calm", create_followup=msgspec.structs.replace(REMINDER.create_followup, priority="low")
    )
    [fact] = given(calm, REMINDER).when(say).decided
    assert [each.rule_id for each in fact.matched] == ["overdue_reminder", "calm"]


def test_an_evaluation_can_be_stored_whatever_the_erp_sent():
    [fact] = given(REMINDER).when(say, amount=1.5, lines=[{"n": None}], contact_id=7).decided
    assert msgspec.json.decode(msgspec.json.encode(fact), type=Evaluated) == fact
