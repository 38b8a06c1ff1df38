"""What a contact is for, who forbids to be disturbed, which number calls, who may hear it; and where each rule comes from."""

from datetime import datetime
from typing import Any

import pytest

from events.values import PolicyCheck
from libs.domain.policy import (
    Allowed,
    Applies,
    Approach,
    Deferred,
    Policy,
    Purpose,
    Refused,
    Source,
    StopConfirmation,
    decide,
)
from libs.testkit.nouns import NOON

POLICY = Policy(
    purposes={
        "offers": Purpose(category="promotional", consent={"email": "required"}),
        "orders": Purpose(category="transactional"),
    },
    do_not_disturb="promotional",
    number_series={"promotional": "140", "service": "1600"},
    rules=(
        Source(id="all", source="A", effective="2020-01-01", applies=Applies(rules=("hours", "category"))),
        Source(id="own", source="B", effective="2025-01-01", applies=Applies(rules=("hours",), purposes=("orders",))),
        Source(id="sms", source="C", effective="2025-06-01", applies=Applies(rules=("hours",), channels=("sms",))),
        Source(id="later", source="D", effective="2026-07-01", applies=Applies(rules=("hours",))),
    ),
)


def judged(policy: Policy = POLICY, **fields: Any) -> Allowed | Deferred | Refused:
    said = {"channel": "whatsapp", "at": NOON, "zone": "Asia/Kolkata"}
    return decide(policy, Approach(**{**said, **fields}))


def check(rule: str, policy: Policy = POLICY, **fields: Any) -> PolicyCheck:
    [found] = [each for each in judged(policy, **fields).decision.checks if each.rule == rule]
    return found


# Where a rule comes from


@pytest.mark.parametrize(
    ("fields", "provision"),
    [
        ({}, "all"),
        ({"purpose": "orders"}, "own"),
        ({"purpose": "orders", "channel": "sms"}, "sms"),
        ({"at": NOON.replace(month=7)}, "later"),
    ],
)
def test_a_check_names_its_source_with_its_date_and_its_place_in_the_policy(fields: dict[str, Any], provision: str):
    known = {each.id: each for each in POLICY.rules}[provision]
    found = check("hours", **fields)
    assert (found.provision, found.source, found.effective) == (provision, known.source, known.effective)


def test_a_check_without_a_source_names_none():
    found = check("minimum_gap")
    assert (found.provision, found.source, found.effective) == (None, None, None)


# Offers, services, transactions


@pytest.mark.parametrize(("purpose", "allowed"), [("offers", True), ("orders", False), ("collection", False)])
def test_a_marketing_text_goes_out_for_an_offer_only(purpose: str, allowed: bool):
    said = judged(purpose=purpose, template="marketing")
    assert isinstance(said, Allowed) is allowed
    assert isinstance(judged(purpose=purpose, template="utility"), Allowed)


@pytest.mark.parametrize(
    ("mode", "purpose", "allowed"),
    [
        ("promotional", "offers", False),
        ("promotional", "orders", True),
        ("promotional", "collection", True),
        ("all", "orders", False),
        ("off", "offers", True),
    ],
)
def test_the_registry_forbids_what_the_policy_says(mode: Any, purpose: str, allowed: bool):
    policy = Policy(purposes=POLICY.purposes, do_not_disturb=mode)
    assert isinstance(judged(policy, purpose=purpose, do_not_disturb=True), Allowed) is allowed


def test_an_opt_in_of_their_own_outweighs_the_registry():
    assert isinstance(judged(purpose="offers", do_not_disturb=True, consent={"whatsapp": "given"}), Allowed)


def test_a_purpose_may_require_a_consent_that_others_imply():
    assert isinstance(judged(channel="email", purpose="orders"), Allowed)
    assert isinstance(judged(channel="email", purpose="offers"), Refused)


def test_the_evidence_of_a_consent_is_in_the_decision():
    found = check("consent", consent={"whatsapp": "given"}, consent_evidence="2025-11-03, order form")
    assert found.detail == "consent to whatsapp was given (2025-11-03, order form)"


@pytest.mark.parametrize(
    ("purpose", "sender", "allowed"),
    [
        ("offers", "+911409876543", True),
        ("offers", "01409876543", True),
        ("offers", "+918047491899", False),
        ("collection", "1600123456", True),
        ("collection", "+911409876543", False),
        ("collection", None, False),
        ("orders", "+918047491899", True),  # no series is set for transactional calls
    ],
)
def test_a_call_comes_from_a_number_of_its_series(purpose: str, sender: str | None, allowed: bool):
    assert isinstance(judged(channel="voice", purpose=purpose, sender=sender), Allowed) is allowed


def test_a_series_binds_calls_and_nothing_else():
    assert check("number_series", channel="sms", purpose="offers").verdict == "allowed"


# Who may hear it


@pytest.mark.parametrize("person", ["free", "registered", "confirmed"])
def test_who_is_known_may_hear_the_matter(person: Any):
    assert isinstance(judged(person=person), Allowed)


def test_who_is_not_known_is_asked_and_told_nothing():
    assert isinstance(judged(person="unconfirmed"), Refused)
    asking = judged(person="unconfirmed", identifies=True)
    assert isinstance(asking, Allowed)
    assert "says nothing of the matter" in str(asking.decision.checks)
    assert isinstance(judged(person="denied", identifies=True), Refused)


# Stop, and who unsubscribed from one channel


def test_the_confirmation_of_a_stop_may_have_words_of_ones_own():
    policy = Policy(stop_confirmation=StopConfirmation(text="Done."))
    stopped: dict[str, Any] = {"opted_out": True, "initiating": False, "last_inbound_at": NOON}
    assert isinstance(judged(policy, **stopped, confirms_stop=True), Allowed)
    assert isinstance(judged(policy, **stopped), Refused)


def test_who_unsubscribed_and_writes_there_is_answered_there_where_the_policy_says_so():
    wrote: dict[str, Any] = {
        "channel": "email",
        "consent": {"email": "withdrawn"},
        "initiating": False,
        "last_inbound_at": NOON,
        "last_inbound_channel": "email",
    }
    assert isinstance(judged(**wrote), Refused)
    kind = Policy(answer_unsubscribed=True)
    assert isinstance(judged(kind, **wrote), Allowed)
    assert isinstance(judged(kind, **{**wrote, "last_inbound_channel": "whatsapp"}), Refused)
    assert isinstance(judged(kind, **{**wrote, "initiating": True}), Refused)


# Money


def test_the_money_of_a_day_binds_answers_too_and_the_policys_next_day_is_waited_for():
    policy = Policy(money_per_day={"INR": 5000}, timezone="Asia/Kolkata")
    at: datetime = NOON.replace(hour=23)
    said = judged(
        policy, at=at, zone="Europe/London", initiating=False, last_inbound_at=at, spent_today={"INR": 500_000}
    )
    assert isinstance(said, Deferred)
    assert said.until.astimezone(NOON.tzinfo) == NOON.replace(day=17, hour=0)
    assert "5000.00 of 5000 INR spent today" in str(said.decision.checks)
