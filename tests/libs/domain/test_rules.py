"""Which follow-ups an event asks for, which it cancels, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.conditions import AllOf, Check, Not
from libs.domain.names import Names
from libs.domain.rules import (
    Cancel,
    Evaluation,
    FollowupSpec,
    Holder,
    Rule,
    Schedule,
    cancelled_by,
    evaluate_rules,
    render_spec,
    rendered_match,
    same_facts,
    why_not,
)
from libs.domain.templates import TemplateFailed
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, IST, NOON, PAYMENT_RECEIVED, PRIYA

SPEC = FollowupSpec(
    contact_id="{{contact_id}}",
    reason="Payment overdue {{days_overdue}} days",
    priority="high",
    channel_priority=("voice", "whatsapp"),
    process_type="payment_collection",
    entity_type="invoice",
    entity_id="{{invoice_number}}",
    flow="payment_reminder",
    business_context={"invoice_number": "{{invoice_number}}", "amount": "{{amount}}"},
)
PAID = Cancel(event="payment_received", match={"entity_id": "{{invoice_number}}"})
REMINDER = Rule(
    id="overdue_reminder",
    on="invoice_overdue",
    conditions=AllOf((Check("days_overdue", "gte", 3), Not(Check("disputed", "eq", True)))),
    create_followup=SPEC,
    dedupe_key="payment:{{invoice_number}}",
    cooldown_s=86_400,
    cancel_on=(PAID,),
)


def evaluated(rule: Rule = REMINDER, event: str = "invoice_overdue", **data: Any) -> Evaluation:
    return evaluate_rules([rule], event, {**INVOICE_OVERDUE, **data}, now=NOON)


def changed(**fields: Any) -> Rule:
    return msgspec.structs.replace(REMINDER, **fields)


def spec(**fields: Any) -> FollowupSpec:
    return msgspec.structs.replace(SPEC, **fields)


def test_a_matching_rule_asks_for_its_follow_up_with_every_template_filled_in():
    [matched] = evaluated().matched
    assert matched.rule_id == "overdue_reminder"
    assert matched.spec == FollowupSpec(
        contact_id=PRIYA,
        reason="Payment overdue 17 days",
        priority="high",
        channel_priority=("voice", "whatsapp"),
        process_type="payment_collection",
        entity_type="invoice",
        entity_id=INVOICE,
        flow="payment_reminder",
        business_context={"invoice_number": INVOICE, "amount": 52400},
    )
    assert matched.dedupe_key == f"payment:{INVOICE}"
    assert matched.cooldown_s == 86_400
    assert matched.cancel_on == (PAID,)
    assert matched.reasons == ("days_overdue 17 is >= 3", "disputed is missing")


def test_a_rule_whose_conditions_fail_says_which():
    evaluation = evaluated(days_overdue=2, disputed=True)
    assert evaluation.matched == ()
    assert evaluation.rejected[0].reasons == ("days_overdue 2 is not >= 3", "must not hold: disputed true is = true")


def test_a_rule_for_another_event_says_what_it_hears():
    evaluation = evaluated(event="order_delayed")
    assert evaluation.rejected[0].reasons == ("hears invoice_overdue, not order_delayed",)


def test_a_rule_that_names_what_the_event_lacks_is_rejected_with_the_name():
    evaluation = evaluated(changed(create_followup=spec(reason="Call {{nickname}}")))
    assert evaluation.matched == ()
    assert "nickname is undefined" in evaluation.rejected[0].reasons[-1]


@pytest.mark.parametrize("contact", ["", "  ", None])
def test_a_follow_up_of_nobody_is_rejected(contact: Any):
    assert evaluated(contact_id=contact).rejected[0].rule_id == "overdue_reminder"


@pytest.mark.parametrize("odd", ["c\u00001", "c\n1", "x" * 201])
@pytest.mark.parametrize("field", ["contact_id", "invoice_number"])
def test_an_id_that_cannot_be_kept_is_rejected_in_words(field: str, odd: str):
    data: dict[str, Any] = {field: odd}
    [rejected] = evaluated(**data).rejected
    assert "cannot be kept" in rejected.reasons[-1]


@pytest.mark.parametrize("odd", ["a\u0000b", "x" * 601])
def test_a_dedupe_key_that_cannot_be_kept_is_rejected_in_words(odd: str):
    [rejected] = evaluated(changed(dedupe_key="{{note}}"), note=odd).rejected
    assert "600 characters" in rejected.reasons[-1]


def test_a_contacts_id_that_is_a_number_becomes_text():
    assert evaluated(contact_id=123).matched[0].spec.contact_id == "123"


def test_without_a_business_context_the_whole_event_is_meant():
    assert evaluated(changed(create_followup=spec(business_context=None))).matched[0].spec.business_context is None


def test_without_a_dedupe_key_a_rule_follows_up_an_entity_once():
    assert evaluated(changed(dedupe_key=None)).matched[0].dedupe_key == f"overdue_reminder:invoice:{INVOICE}"


def test_without_an_entity_a_rule_follows_up_a_contact_once():
    rule = changed(dedupe_key=None, create_followup=spec(entity_id=None, entity_type=None))
    assert evaluated(rule).matched[0].dedupe_key == f"overdue_reminder:contact:{PRIYA}"


def test_a_schedule_names_the_day_and_the_hour_in_the_policys_zone():
    rule = changed(schedule=Schedule(field="due_date", offset_s=-3 * 86_400, at="10:00"))
    told = dict(INVOICE_OVERDUE, due_date="2026-03-30")
    [matched] = evaluate_rules([rule], "invoice_overdue", told, now=NOON).matched
    assert matched.not_before == datetime(2026, 3, 27, 10, tzinfo=IST)


@pytest.mark.parametrize("told", ["2026-03-29T18:30:00Z", "2026-03-30T00:00:00+05:30", "2026-03-30T09:00:00"])
def test_a_day_that_is_told_as_an_instant_is_the_one_in_the_policys_zone(told: str):
    rule = changed(schedule=Schedule(field="due_date", offset_s=-3 * 86_400, at="10:00"))
    [matched] = evaluate_rules([rule], "invoice_overdue", {**INVOICE_OVERDUE, "due_date": told}, now=NOON).matched
    assert matched.not_before == datetime(2026, 3, 27, 10, tzinfo=IST)


@pytest.mark.parametrize(
    "never", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
@pytest.mark.parametrize("days", [-3, 3])
def test_a_date_by_which_a_system_means_that_there_is_none_asks_for_nothing_or_is_long_gone(never: str, days: int):
    rule = changed(schedule=Schedule(field="due_date", offset_s=days * 86_400, missed="skip"))
    said = evaluate_rules([rule], "invoice_overdue", {**INVOICE_OVERDUE, "due_date": never}, now=NOON)
    assert len(said.rejected) + len(said.matched) == 1
    assert all(each.not_before and each.not_before.astimezone(UTC) for each in said.matched)


def test_a_schedule_on_no_date_is_rejected():
    assert "currency is not a date" in evaluated(changed(schedule=Schedule(field="currency"))).rejected[0].reasons[-1]


@pytest.mark.parametrize(
    ("told", "offset_s"),
    [
        ("9999-12-31", 86_400),
        ("0001-01-01", -86_400),
        ("9999-12-31T23:59:59-14:00", 0),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_a_schedule_beyond_the_calendar_is_rejected_or_missed(told: str, offset_s: int):
    rule = changed(schedule=Schedule(field="visit_on", offset_s=offset_s))
    assert not [each for each in evaluated(rule, visit_on=told).matched if each.not_before is not None]


def test_every_rule_is_either_matched_or_rejected():
    rules = [
        REMINDER,
        changed(id="other", on="order_delayed"),
        changed(id="strict", conditions=Check("vip", "eq", True)),
    ]
    evaluation = evaluate_rules(rules, "invoice_overdue", INVOICE_OVERDUE)
    assert [one.rule_id for one in evaluation.matched] == ["overdue_reminder"]
    assert [one.rule_id for one in evaluation.rejected] == ["other", "strict"]


def test_an_event_that_makes_a_rules_follow_ups_pointless_names_them():
    evaluation = evaluate_rules([REMINDER], "payment_received", PAYMENT_RECEIVED)
    [cancelling] = evaluation.cancels
    assert (cancelling.rule_id, cancelling.match) == ("overdue_reminder", {"entity_id": INVOICE})


OPEN = {"entity_id": INVOICE, "entity_type": "invoice", "contact_id": PRIYA, "business_context": {"amount": 52400}}


def test_a_payment_cancels_the_reminder_of_its_invoice():
    assert cancelled_by([PAID], OPEN, "payment_received", PAYMENT_RECEIVED) == PAID


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("payment_received", {**PAYMENT_RECEIVED, "invoice_number": "INV-2026-0043"}),
        ("payment_received", {"amount": 1}),
        ("payment_received", {"invoice_number": None}),
        ("payment_announced", PAYMENT_RECEIVED),
    ],
)
def test_any_other_event_cancels_nothing(event: str, data: dict[str, Any]):
    assert cancelled_by([PAID], OPEN, event, data) is None


def test_a_match_without_a_word_cancels_nothing():
    assert (
        cancelled_by([Cancel(event="payment_received", match={})], OPEN, "payment_received", PAYMENT_RECEIVED) is None
    )


def test_a_match_may_look_into_the_business_context():
    cancel = Cancel(
        event="payment_received", match={"contact_id": "{{contact_id}}", "business_context.amount": "{{amount}}"}
    )
    assert cancelled_by([cancel], OPEN, "payment_received", PAYMENT_RECEIVED) == cancel
    assert cancelled_by([cancel], OPEN, "payment_received", {**PAYMENT_RECEIVED, "amount": 1}) is None


def test_ids_are_the_same_as_text_and_as_number():
    assert same_facts({"entity_id": 42}, {"entity_id": "42"})
    assert same_facts({"entity_id": "42"}, {"entity_id": 42})
    assert not same_facts({"entity_id": "0042"}, {"entity_id": "42"})
    assert not same_facts({"entity_id": None}, {"entity_id": None})
    assert not same_facts({"entity_id": True}, {"entity_id": "True"})


def test_a_match_over_data_without_its_name_comes_to_nothing():
    assert rendered_match({"entity_id": "{{invoice_number}}"}, {}) is None


def test_an_action_renders_a_follow_up_from_the_conversations_names():
    names = Names(contact={"id": PRIYA}, entity_id=INVOICE, business_context=INVOICE_OVERDUE)
    rendered = render_spec(spec(contact_id="{{contact.id}}", entity_id="{{entity_id}}"), names)
    assert (rendered.contact_id, rendered.entity_id) == (PRIYA, INVOICE)
    with pytest.raises(TemplateFailed):
        render_spec(spec(contact_id="{{contact.id}}"), msgspec.structs.replace(names, contact=None))


@given(st.dictionaries(st.sampled_from([*INVOICE_OVERDUE, "disputed"]), st.none() | st.booleans() | st.integers() | st.text(max_size=8)
                       | st.lists(st.integers(), max_size=2) | st.datetimes(timezones=st.just(UTC))))  # fmt: skip
def test_whatever_the_erp_sends_evaluation_answers(data: dict[str, Any]):
    rules = [REMINDER, changed(id="dated", schedule=Schedule(field="due_date", offset_s=10**9, at="10:00"))]
    evaluation = evaluate_rules(rules, "invoice_overdue", data, now=NOON)
    assert len(evaluation.matched) + len(evaluation.rejected) == 2
    assert all(one.reasons for one in evaluation.matched)
    assert all(one.reasons for one in evaluation.rejected)


HELD = Holder("f-1", NOON, settled=False)


@pytest.mark.parametrize(
    ("holder", "supersede", "later", "why"),
    [
        (None, False, 0, None),
        (HELD, False, 0, "a follow-up of this key is open"),
        (HELD, True, 0, None),
        (replace(HELD, settled=True), False, 23, "the cooldown of this key runs until 2026-02-17T12:00+05:30"),
        (replace(HELD, settled=True), True, 23, "the cooldown of this key runs until 2026-02-17T12:00+05:30"),
        (replace(HELD, settled=True), False, 24, None),
    ],
)
def test_one_follow_up_of_a_key_at_a_time(holder: Holder | None, supersede: bool, later: int, why: str | None):
    now = NOON + timedelta(hours=later)
    assert why_not(holder, cooldown_s=86_400, supersede=supersede, now=now) == why
