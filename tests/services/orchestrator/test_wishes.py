"""What the ERP tells of a contact's own clock, wishes and registries, and what the policy makes of it."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from events.contact import Address, Profile
from events.conversation import MessageRequested
from events.followup import AttemptStarted, Deferred, Exhausted
from libs.config.bundle import Bundle
from libs.testkit.nouns import IST, MORNING, PRIYA_PHONE
from services.orchestrator.story import Door
from tests.libs.config.shipped import TEXTS
from tests.services.orchestrator.errand import bundle_of
from tests.services.orchestrator.scene import Scene


def priya(phone: str = PRIYA_PHONE, *, do_not_disturb: bool = False, **metadata: Any) -> Profile:
    known = Address(
        channel="whatsapp",
        address=phone,
        consent_at=MORNING,
        consent_evidence="order form",
        do_not_disturb=do_not_disturb,
    )
    return Profile(name="Priya Sharma", channels=[known], metadata=metadata)


def with_policy(old: str, new: str) -> Bundle:
    policy = TEXTS["policy.yaml"]
    assert old in policy
    return bundle_of({**TEXTS, "policy.yaml": policy.replace(old, new)})


def approached(profile: Profile, bundle: Bundle | None = None) -> Scene:
    """The invoice is overdue, and Priya is approached on Monday at half past ten in Mumbai, if she may be."""
    scene = Scene(profile, bundle)
    scene.opens()
    scene.erp_answers({"paid": False})
    return scene


def test_a_contact_in_new_york_is_approached_in_her_own_morning():
    scene = approached(priya("+12125551234"))
    assert scene.last(Deferred).until == datetime(2026, 2, 16, 8, 0, tzinfo=ZoneInfo("America/New_York"))


def test_the_zone_that_the_erp_tells_goes_before_the_numbers():
    scene = approached(priya(timezone="Europe/London"))
    assert scene.last(Deferred).until == datetime(2026, 2, 16, 8, 0, tzinfo=ZoneInfo("Europe/London"))


def test_a_zone_that_is_none_is_not_taken():
    assert approached(priya(timezone="Mumbai")).all(MessageRequested)


def test_whose_clock_nobody_knows_is_approached_by_the_policys_or_not_at_all():
    nobody = priya("+18005551234")  # a toll-free number is in no one zone
    scene = approached(nobody)
    assert "the contact's zone is not known" in str(scene.last(AttemptStarted).allowed_by.checks)
    refused = approached(nobody, with_policy("unknown_zone: policy ", "unknown_zone: refuse "))
    assert "nobody knows by which clock" in str(refused.last(Exhausted).skipped)


def test_the_hours_that_a_contact_prefers_are_kept():
    scene = approached(priya(preferred_hours={"from": "16:00", "to": "18:00"}))
    assert scene.last(Deferred).until == MORNING.replace(hour=16, minute=0)


@pytest.mark.parametrize("nonsense", ["evenings", {"from": "25:00", "to": "26:00"}, {"from": 9}])
def test_preferred_hours_that_are_none_bind_nothing(nonsense: Any):
    assert approached(priya(preferred_hours=nonsense)).all(MessageRequested)


def test_the_dates_on_which_a_contact_wants_no_contact_are_kept():
    scene = approached(priya(blackout_dates=["2026-02-16", "2026-02-17"]))
    assert scene.last(Deferred).until == datetime(2026, 2, 18, 8, 0, tzinfo=IST)


def test_the_registry_forbids_offers_and_no_reminder():
    assert approached(priya(do_not_disturb=True)).all(MessageRequested)
    strict = with_policy("do_not_disturb: promotional ", "do_not_disturb: all ")
    unwilling = Profile(name="Priya", channels=[Address(channel="email", address="p@a.example", do_not_disturb=True)])
    scene = Scene(unwilling, strict)
    scene.doors = {"email": scene.doors["whatsapp"]}
    scene.opens()
    scene.erp_answers({"paid": False})
    assert "not to be disturbed" in str(scene.last(Exhausted).skipped)


def test_the_decision_holds_the_evidence_of_the_consent():
    scene = approached(priya())
    assert "consent to whatsapp was given (2026-02-16, order form)" in str(scene.last(AttemptStarted).allowed_by.checks)


def test_a_consent_without_evidence_is_none_where_one_is_required_and_the_reason_says_so():
    known = Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING)
    scene = approached(Profile(name="Priya", channels=[known]))
    assert scene.all(MessageRequested) == []
    assert "requires a consent, and the ERP's record of 2026-02-16 has no evidence" in str(
        scene.last(Exhausted).skipped
    )
    implied = with_policy("whatsapp: required", "whatsapp: implied")
    assert approached(Profile(name="Priya", channels=[known]), implied).all(MessageRequested)


def test_a_consent_to_one_number_is_none_to_another():
    second = Address(channel="whatsapp", address="+919800000001", consent_at=MORNING, consent_evidence="order form")
    first = Address(channel="whatsapp", address=PRIYA_PHONE)
    assert approached(Profile(name="Priya", channels=[first, second])).all(MessageRequested) == []
    assert approached(Profile(name="Priya", channels=[second, first])).all(MessageRequested)


def test_offers_go_to_a_number_on_the_registry_by_an_opt_in_that_can_be_shown_only():
    offers = with_policy("      category: service\n", "      category: promotional\n")
    shown = priya(do_not_disturb=True)
    bare = Profile(
        name="P", channels=[Address(channel="sms", address=PRIYA_PHONE, consent_at=MORNING, do_not_disturb=True)]
    )
    for profile, channel, goes in ((shown, "whatsapp", True), (bare, "sms", False)):
        scene = Scene(profile, offers)
        scene.doors = {channel: Door("sandbox")}
        scene.now = MORNING.replace(hour=11)
        scene.opens()
        scene.erp_answers({"paid": False})
        assert bool(scene.all(MessageRequested)) is goes
