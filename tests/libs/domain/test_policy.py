"""When a contact may be approached, and why not."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from events.values import PolicyDecision
from libs.domain.hours import Calendar, minutes
from libs.domain.policy import (
    Allowed,
    Approach,
    Attempts,
    Beside,
    Deferred,
    Holidays,
    Hours,
    Policy,
    Purpose,
    Refused,
    Source,
    decide,
    lapsed,
)
from libs.testkit.nouns import EVENING, IST, MORNING, NOON

INDIA = "Asia/Kolkata"
POLICY = Policy(
    hours={"voice": Hours(start="08:00", end="19:00"), "whatsapp": Hours(start="08:00", end="21:00")},
    purposes={"promotion": Purpose(hours={"whatsapp": Hours(start="10:00", end="18:00")})},
    holidays=Holidays(country="IN", subdivision="MH", extra=("2026-11-09",)),
    consent={"whatsapp": "required", "email": "implied"},
    attempts=Attempts(per_day=3, per_matter=8),
    minimum_gap_minutes=240,
    blackout_dates=("2026-02-18",),
    rules=(
        Source(id="rbi-hours", source="RBI circular 2022-08-12", effective="2022-08-12"),
        Source(id="draft-hours", source="RBI draft", effective="2026-07-01", applies="hours, holidays"),
        Source(id="optin", source="Meta's opt-in policy", effective="2024-01-01", applies="consent"),
    ),
)
HOUR = timedelta(hours=1)


def approach(**fields: Any) -> Approach:
    said = {
        "channel": "whatsapp",
        "at": NOON,
        "zone": INDIA,
        "purpose": "payment_collection",
        "consent": {"whatsapp": "given"},
    }
    return Approach(**{**said, **fields})


def judged(policy: Policy = POLICY, **fields: Any) -> Allowed | Deferred | Refused:
    return decide(policy, approach(**fields))


def verdicts(decision: PolicyDecision) -> dict[str, str]:
    return {check.rule: check.verdict for check in decision.checks}


def changed(**fields: Any) -> Policy:
    return msgspec.structs.replace(POLICY, **fields)


def test_at_noon_with_consent_it_is_allowed_and_every_rule_says_so():
    allowed = judged()
    assert isinstance(allowed, Allowed)
    assert verdicts(allowed.decision) == dict.fromkeys(
        [
            "channel",
            "address",
            "test_recipients",
            "stop",
            "consent",
            "category",
            "number_series",
            "right_person",
            "do_not_disturb",
            "attempts_per_matter",
            "zone",
            "hours",
            "holidays",
            "out_of_office",
            "minimum_gap",
            "attempts_per_day",
            "money_per_day",
        ],
        "allowed",
    )


def test_a_decision_is_a_record_that_can_be_stored_and_read():
    decision = judged(at=EVENING, channel="voice").decision
    assert msgspec.json.decode(msgspec.json.encode(decision), type=PolicyDecision) == decision


@pytest.mark.parametrize("at", [NOON.replace(hour=8), NOON.replace(hour=18, minute=59, second=59)])
def test_the_edges_of_the_hours_that_are_inside(at: datetime):
    assert isinstance(judged(channel="voice", at=at), Allowed)


@pytest.mark.parametrize("at", [NOON.replace(hour=7, minute=59, second=59), EVENING])
def test_the_edges_of_the_hours_that_are_outside(at: datetime):
    assert isinstance(judged(channel="voice", at=at), Deferred)


def test_a_call_in_the_evening_is_deferred_to_the_next_morning():
    deferred = judged(channel="voice", at=EVENING)
    assert isinstance(deferred, Deferred)
    assert deferred.until == datetime(2026, 2, 17, 8, 0, tzinfo=IST)
    assert deferred.decision.until == deferred.until
    hours = next(check for check in deferred.decision.checks if check.rule == "hours")
    assert hours.detail == "19:00 is outside 08:00-19:00 Asia/Kolkata"
    assert hours.source == "RBI circular 2022-08-12"


def test_the_newest_source_that_is_in_force_is_named():
    later = NOON.replace(month=7, day=6)
    assert [check.source for check in judged(at=later).decision.checks if check.rule == "hours"] == ["RBI draft"]
    assert [check.source for check in judged().decision.checks if check.rule == "consent"] == ["Meta's opt-in policy"]


def test_a_purpose_has_hours_of_its_own():
    assert isinstance(judged(purpose="promotion", at=EVENING), Deferred)
    assert isinstance(judged(purpose="payment_collection", at=EVENING), Allowed)


def test_a_channel_without_hours_is_open_all_night():
    assert isinstance(judged(channel="email", at=NOON.replace(hour=3)), Allowed)


def test_hours_are_those_of_the_contacts_zone():
    nine_in_india = NOON.replace(hour=9)
    assert isinstance(judged(channel="voice", at=nine_in_india, zone="America/New_York"), Deferred)


def test_a_blackout_date_and_a_holiday_are_waited_out():
    night_before = datetime(2026, 2, 17, 21, 30, tzinfo=IST)
    deferred = judged(at=night_before)
    assert isinstance(deferred, Deferred)
    # 18 February is a blackout date, the 19th Chhatrapati Shivaji Maharaj's birthday in Maharashtra
    assert deferred.until == datetime(2026, 2, 20, 8, 0, tzinfo=IST)


def test_a_holiday_of_the_policy_is_named():
    deferred = judged(at=datetime(2026, 11, 9, 12, tzinfo=IST))
    assert isinstance(deferred, Deferred)
    assert "2026-11-09 is closed (holiday of the policy)" in [check.detail for check in deferred.decision.checks]


def test_where_a_channel_requires_consent_silence_is_no_consent():
    refused = judged(consent={})
    assert isinstance(refused, Refused)
    assert refused.reason == "whatsapp requires a consent, and none is known"
    assert isinstance(judged(channel="email", consent={}), Allowed)


def test_a_withdrawn_consent_refuses_also_where_consent_is_implied():
    assert isinstance(judged(channel="email", consent={"email": "withdrawn"}), Refused)


def test_who_writes_on_a_channel_may_be_answered_there():
    answer: dict[str, Any] = {"consent": {}, "initiating": False, "last_inbound_at": NOON - HOUR}
    assert isinstance(judged(**answer, last_inbound_channel="whatsapp"), Allowed)
    assert isinstance(judged(**answer, last_inbound_channel="email"), Refused)


def test_after_a_stop_nothing_is_said_on_any_channel_not_even_an_answer():
    for channel in ("whatsapp", "voice", "email", "sms", "chat"):
        refused = judged(
            channel=channel, opted_out=True, initiating=False, last_inbound_at=NOON, consent={channel: "given"}
        )
        assert isinstance(refused, Refused)
        assert refused.reason == "the contact said stop"


def test_a_stop_is_confirmed_once_only_where_the_policy_wants_it():
    confirming: dict[str, Any] = {
        "opted_out": True,
        "confirms_stop": True,
        "initiating": False,
        "last_inbound_at": NOON,
    }
    assert isinstance(judged(**confirming), Refused)
    assert isinstance(judged(changed(stop_confirmation=True), **confirming), Allowed)


def test_an_answer_within_a_day_is_exempt_from_hours_gap_and_attempts():
    night = NOON.replace(hour=23)
    crowded: dict[str, Any] = {"attempts_at": (night - HOUR,) * 5, "matter_attempts": 20, "at": night}
    answer = judged(**crowded, initiating=False, last_inbound_at=night - 24 * HOUR)
    assert isinstance(answer, Allowed)
    assert {rule for rule, verdict in verdicts(answer.decision).items() if verdict == "exempt"} == {
        "do_not_disturb",
        "attempts_per_matter",
        "zone",
        "hours",
        "holidays",
        "out_of_office",
        "minimum_gap",
        "attempts_per_day",
    }


@pytest.mark.parametrize(
    "late",
    [
        {"initiating": False, "last_inbound_at": NOON.replace(hour=23) - 24 * HOUR - timedelta(seconds=1)},
        {"initiating": True, "last_inbound_at": NOON},
        {"initiating": False, "last_inbound_at": None},
    ],
)
def test_what_is_no_answer_within_a_day_is_bound(late: dict[str, Any]):
    assert isinstance(judged(at=NOON.replace(hour=23), **late), Deferred)


def test_the_gap_since_the_last_attempt_is_kept():
    deferred = judged(at=NOON, attempts_at=(NOON - HOUR,))
    assert isinstance(deferred, Deferred)
    assert deferred.until == NOON + 3 * HOUR
    assert isinstance(judged(at=NOON, last_attempt_at=NOON - 4 * HOUR), Allowed)


def said_of(rule: str, decided: Any) -> str:
    [check] = [one for one in decided.decision.checks if one.rule == rule]
    return str(check.detail)


def test_the_gap_is_that_of_the_address_where_several_contacts_are_registered_there():
    beside = (Beside(NOON - 2 * HOUR, "c_other"), Beside(NOON - HOUR, "c_twin"))
    deferred = judged(at=NOON, attempts_beside=beside)
    assert isinstance(deferred, Deferred)
    assert deferred.until == NOON + 3 * HOUR
    assert said_of("minimum_gap", deferred) == (
        "60 of 240 minutes since the last attempt, which was to contact c_twin at the same phone"
    )
    assert isinstance(judged(at=NOON, attempts_beside=(Beside(NOON - 4 * HOUR, "c_twin"),)), Allowed)
    own = judged(at=NOON, attempts_beside=beside, attempts_at=(NOON - HOUR / 2,))
    assert said_of("minimum_gap", own) == "30 of 240 minutes since the last attempt"


def test_the_days_attempts_are_those_of_the_address_where_several_contacts_are_registered_there():
    early = NOON.replace(hour=1)
    beside = (Beside(early, "c_twin"), Beside(early, "c_other"), Beside(early - 2 * HOUR, "c_twin"))
    assert isinstance(judged(at=NOON, attempts_beside=beside), Allowed), "one was yesterday"
    deferred = judged(at=NOON, attempts_beside=beside, attempts_at=(early,))
    assert isinstance(deferred, Deferred)
    assert deferred.until == datetime(2026, 2, 17, 8, 0, tzinfo=IST)
    assert said_of("attempts_per_day", deferred) == (
        "3 of 3 attempts made today, 2 of them to contact c_other, contact c_twin at the same phone"
    )


def test_an_answer_waits_for_nobody_who_shares_the_address():
    wrote: dict[str, Any] = {"initiating": False, "last_inbound_at": NOON - HOUR}
    assert isinstance(judged(at=NOON, attempts_beside=(Beside(NOON, "c_twin"),) * 9, **wrote), Allowed)


def test_a_gap_that_ends_after_hours_waits_for_the_morning():
    deferred = judged(channel="voice", at=NOON.replace(hour=17), attempts_at=(NOON.replace(hour=16),))
    assert isinstance(deferred, Deferred)
    assert deferred.until == datetime(2026, 2, 17, 8, 0, tzinfo=IST)


def test_the_days_attempts_are_those_of_the_contacts_day():
    early = NOON.replace(hour=0, minute=30).astimezone(UTC)  # still the day before in UTC
    attempts = (early, early, early)
    deferred = judged(at=NOON, attempts_at=attempts)
    assert isinstance(deferred, Deferred)
    assert deferred.until == datetime(2026, 2, 17, 8, 0, tzinfo=IST)
    assert isinstance(judged(at=NOON, attempts_at=tuple(one - HOUR for one in attempts)), Allowed)


def test_when_a_matters_attempts_are_used_up_a_person_is_needed():
    refused = judged(matter_attempts=8)
    assert isinstance(refused, Refused)
    assert refused.reason == "8 of 8 attempts made in this matter"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"kill_switch": True}, "channel"),
        ({"channel_enabled": False}, "channel"),
        ({"address_known": False}, "address"),
        ({"test_recipient": False}, "test_recipients"),
        ({"do_not_disturb": True, "channel": "email", "consent": {}}, "do_not_disturb"),
    ],
)
def test_what_waiting_does_not_cure_is_refused(fields: dict[str, Any], rule: str):
    refused = judged(**fields)
    assert isinstance(refused, Refused)
    assert verdicts(refused.decision)[rule] == "refused"


def test_do_not_disturb_yields_to_a_consent_that_was_given():
    assert isinstance(judged(do_not_disturb=True), Allowed)


def test_a_refusal_outweighs_a_wait_and_both_are_recorded():
    refused = judged(channel="voice", at=EVENING, kill_switch=True)
    assert isinstance(refused, Refused)
    assert verdicts(refused.decision)["hours"] == "deferred"


def test_the_days_money_is_waited_for():
    policy = changed(money_per_day={"INR": 5000})
    assert isinstance(judged(policy, spent_today={"INR": 499_999}), Allowed)
    deferred = judged(policy, spent_today={"INR": 500_000})
    assert isinstance(deferred, Deferred)
    assert deferred.until == datetime(2026, 2, 17, 8, 0, tzinfo=IST)


def test_what_is_never_open_is_refused():
    never = changed(hours={"voice": Hours(start="08:00", end="08:00")})
    assert isinstance(judged(never, channel="voice"), Refused)


NEW_YORK = ZoneInfo("America/New_York")


def test_a_window_that_opens_in_the_hour_that_spring_skips_opens_after_it():
    calendar = Calendar("America/New_York", Hours(start="02:30", end="05:00"))
    opened = calendar.next_open(datetime(2026, 3, 8, 0, 0, tzinfo=NEW_YORK))
    assert opened == datetime(2026, 3, 8, 3, 0, tzinfo=NEW_YORK)


def test_a_window_in_the_hour_that_autumn_repeats_is_open_twice():
    calendar = Calendar("America/New_York", Hours(start="01:30", end="01:45"))
    second = calendar.next_open(datetime(2026, 11, 1, 1, 50, tzinfo=NEW_YORK))
    assert second is not None
    assert second.astimezone(UTC) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_the_morning_after_the_clocks_change_opens_at_its_own_eight_o_clock():
    calendar = Calendar("America/New_York", Hours(start="08:00", end="19:00"))
    opened = calendar.next_open(datetime(2026, 3, 7, 20, 0, tzinfo=NEW_YORK))
    assert opened is not None
    assert opened.astimezone(UTC) == datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("clock", ["8", "25:00", "24:01", "12:60", "", "a:b"])
def test_what_is_no_time_of_day_is_named(clock: str):
    with pytest.raises(ValueError):
        minutes(clock)


def test_a_day_that_is_a_public_holiday_is_known_by_name():
    calendar = Calendar(INDIA, holidays=Holidays(country="IN", subdivision="MH"))
    assert calendar.closed(date(2026, 1, 26)) == "holiday: Republic Day"
    assert calendar.closed(MORNING.date()) is None


def test_a_country_without_known_holidays_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="no holidays are known for XX"):
        Calendar(INDIA, holidays=Holidays(country="XX")).closed(MORNING.date())


def test_an_answer_holds_for_its_24_hours_whatever_the_hours_are():
    night = NOON.replace(hour=23)
    said = judged(at=night, initiating=False, last_inbound_at=night - HOUR)
    assert said.decision.holds_until == night + 23 * HOUR
    assert lapsed(POLICY, said.decision, at=night + 22 * HOUR, begins=False) is None
    assert lapsed(POLICY, said.decision, at=night + 23 * HOUR, begins=False) is not None


def test_hours_that_the_policy_has_narrowed_since_bind_what_was_allowed_before():
    said = judged(channel="voice", at=NOON)
    narrower = changed(hours={"voice": Hours(start="08:00", end="13:00")})
    assert lapsed(narrower, said.decision, at=NOON.replace(hour=13), begins=True) is not None
    assert lapsed(POLICY, said.decision, at=NOON.replace(hour=13), begins=True) is None
