"""The edges of the hours, over the clocks' changes, on holidays, and where nobody knows by which clock a contact lives."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from libs.domain.hours import Hours
from libs.domain.policy import Allowed, Approach, Deferred, Holidays, Policy, Purpose, Refused, decide

HOURS = {"voice": Hours(start="08:00", end="19:00"), "whatsapp": Hours(start="08:00", end="19:00")}
POLICY = Policy(hours=HOURS, minimum_gap_minutes=0)
SECOND = timedelta(seconds=1)
KOLKATA, LONDON, NEW_YORK = "Asia/Kolkata", "Europe/London", "America/New_York"
KATHMANDU, ADELAIDE, LORD_HOWE = "Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe"

Verdict = Allowed | Deferred | Refused


def local(zone: str, *when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone), fold=fold)  # type: ignore[arg-type, misc]


def judged(at: datetime, zone: str, policy: Policy = POLICY, channel: str = "voice", **more: Any) -> Verdict:
    """The decision on an approach; the instant is handed over in UTC, so that only the zone's rules can tell the hour."""
    return decide(policy, Approach(channel=channel, at=at.astimezone(UTC), zone=zone, **more))


# 18:59:59 and 19:00:00 on the contact's clock


@pytest.mark.parametrize("zone", [KOLKATA, LONDON, NEW_YORK, KATHMANDU, ADELAIDE, LORD_HOWE])
@pytest.mark.parametrize(
    "day",
    [
        (2026, 2, 17),
        (2026, 3, 8),  # New York springs forward
        (2026, 3, 29),  # London springs forward
        (2026, 4, 5),  # Adelaide and Lord Howe fall back, Lord Howe by half an hour
        (2026, 10, 4),  # and spring forward again
        (2026, 10, 25),  # London falls back
        (2026, 11, 1),  # New York falls back
    ],
)
def test_the_last_second_is_inside_and_the_first_after_it_waits_for_the_next_morning(zone: str, day: tuple[int, ...]):
    evening = local(zone, *day, 19)
    last = judged(evening - SECOND, zone)
    assert isinstance(last, Allowed)
    over = judged(evening, zone)
    assert isinstance(over, Deferred)
    morning = local(zone, *day, 8) + timedelta(days=1)  # wall-clock arithmetic: eight on the contact's own clock
    assert over.until == morning
    assert (over.until.hour, over.until.minute, over.until.second) == (8, 0, 0)
    assert isinstance(judged(over.until, zone), Allowed)
    assert isinstance(judged(over.until - SECOND, zone), Deferred)


@pytest.mark.parametrize("zone", [KOLKATA, LONDON, NEW_YORK, KATHMANDU])
def test_one_instant_is_day_for_one_contact_and_night_for_another(zone: str):
    noon_in_india = local(KOLKATA, 2026, 2, 17, 12)
    hour = noon_in_india.astimezone(ZoneInfo(zone)).hour
    assert isinstance(judged(noon_in_india, zone), Allowed) is (8 <= hour < 19)


def test_the_detail_says_the_contacts_time_and_window():
    over = judged(local(KATHMANDU, 2026, 2, 17, 19), KATHMANDU)
    [hours] = [check for check in over.decision.checks if check.rule == "hours"]
    assert (hours.verdict, hours.detail) == ("deferred", "19:00 is outside 08:00-19:00 Asia/Kathmandu")


# The hour that does not exist, and the one that comes twice


def test_a_window_that_opens_in_the_hour_that_london_skips_opens_when_the_clocks_have_jumped():
    early = Policy(hours={"voice": Hours(start="01:30", end="03:00")}, minimum_gap_minutes=0)
    night = judged(local(LONDON, 2026, 3, 29, 0, 30), LONDON, early)
    assert isinstance(night, Deferred)
    assert night.until.astimezone(UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 there: 01:30 never comes
    assert isinstance(judged(night.until.astimezone(UTC) - SECOND, LONDON, early), Deferred)


def test_a_window_in_the_hour_that_new_york_repeats_is_open_both_times_and_closed_between():
    twice = Policy(hours={"voice": Hours(start="01:15", end="01:30")}, minimum_gap_minutes=0)
    first, second = (local(NEW_YORK, 2026, 11, 1, 1, 20, fold=fold) for fold in (0, 1))
    assert isinstance(judged(first, NEW_YORK, twice), Allowed)
    assert isinstance(judged(second, NEW_YORK, twice), Allowed)
    between = judged(local(NEW_YORK, 2026, 11, 1, 1, 45), NEW_YORK, twice)
    assert isinstance(between, Deferred)
    assert between.until.astimezone(UTC) == datetime(2026, 11, 1, 6, 15, tzinfo=UTC)


def test_the_evening_of_the_long_day_closes_at_its_own_nineteen_o_clock():
    for fold_day, utc_hour in (((2026, 10, 24), 18), ((2026, 10, 25), 19)):
        closing = local(LONDON, *fold_day, 19)
        assert closing.astimezone(UTC).hour == utc_hour
        assert isinstance(judged(closing, LONDON), Deferred)


# Holidays and blackout dates


def test_on_a_holiday_nothing_begins_and_the_evening_before_it_waits_over_it():
    india = Policy(hours=HOURS, holidays=Holidays(country="IN", subdivision="MH"), minimum_gap_minutes=0)
    before = judged(local(KOLKATA, 2026, 1, 25, 19), KOLKATA, india)
    assert isinstance(before, Deferred)
    assert before.until == local(KOLKATA, 2026, 1, 27, 8)  # the 26th is Republic Day
    noon = judged(local(KOLKATA, 2026, 1, 26, 12), KOLKATA, india)
    assert isinstance(noon, Deferred)
    assert "holiday: Republic Day" in str(noon.decision.checks)
    assert isinstance(judged(local(KOLKATA, 2026, 1, 26, 0) - SECOND, KOLKATA, india), Deferred)


def test_a_holiday_is_the_contacts_day_and_not_utcs():
    shut = Policy(blackout_dates=("2026-07-04",), minimum_gap_minutes=0)
    assert isinstance(judged(local(NEW_YORK, 2026, 7, 4, 23, 59, 59), NEW_YORK, shut), Deferred)
    assert isinstance(judged(local(NEW_YORK, 2026, 7, 5, 0), NEW_YORK, shut), Allowed)
    assert isinstance(judged(local(KATHMANDU, 2026, 7, 4, 0), KATHMANDU, shut), Deferred)


def test_a_holiday_next_to_a_clock_change_opens_in_the_morning_after_both():
    shut = Policy(hours=HOURS, blackout_dates=("2026-03-29",), minimum_gap_minutes=0)
    evening = judged(local(LONDON, 2026, 3, 28, 19), LONDON, shut)
    assert isinstance(evening, Deferred)
    assert evening.until.astimezone(UTC) == datetime(2026, 3, 30, 7, 0, tzinfo=UTC)  # eight in summer time


def test_an_answer_is_given_on_a_holiday_at_night():
    shut = Policy(hours=HOURS, blackout_dates=("2026-03-29",))
    night = local(LONDON, 2026, 3, 29, 23)
    assert isinstance(judged(night, LONDON, shut, initiating=False, last_inbound_at=night - SECOND), Allowed)


# What a purpose, a channel and the contact say of the hours


def test_a_purpose_narrows_a_channel_and_leaves_the_others():
    late = Policy(
        hours={"whatsapp": Hours(start="08:00", end="21:00"), "sms": Hours(start="10:00", end="21:00")},
        purposes={"collection": Purpose(hours={"whatsapp": Hours(start="08:00", end="19:00")})},
    )
    evening = local(KOLKATA, 2026, 2, 17, 19)
    assert isinstance(judged(evening, KOLKATA, late, "whatsapp", purpose="collection"), Deferred)
    assert isinstance(judged(evening, KOLKATA, late, "whatsapp", purpose="orders"), Allowed)
    assert isinstance(judged(evening, KOLKATA, late, "sms", purpose="collection"), Allowed)


def test_the_contacts_preferred_hours_bind_with_the_policys():
    wish = Hours(start="17:00", end="20:00")
    noon = judged(local(KOLKATA, 2026, 2, 17, 12), KOLKATA, preferred=wish)
    assert isinstance(noon, Deferred)
    assert noon.until == local(KOLKATA, 2026, 2, 17, 17)
    evening = judged(local(KOLKATA, 2026, 2, 17, 19), KOLKATA, preferred=wish)
    assert isinstance(evening, Deferred)
    assert evening.until == local(KOLKATA, 2026, 2, 18, 17)
    assert "outside 08:00-19:00 and 17:00-20:00" in str(evening.decision.checks)


def test_the_contacts_own_quiet_dates_are_kept():
    day = local(KOLKATA, 2026, 2, 17, 12)
    quiet = judged(day, KOLKATA, quiet_dates=("2026-02-17", "2026-02-18"))
    assert isinstance(quiet, Deferred)
    assert quiet.until == local(KOLKATA, 2026, 2, 19, 8)


# Whose clock nobody knows


def test_where_the_zone_is_not_known_the_policys_counts_and_the_decision_says_so():
    morning = judged(local(KOLKATA, 2026, 2, 17, 9), KOLKATA, zone_known=False)
    assert isinstance(morning, Allowed)
    assert "the contact's zone is not known: Asia/Kolkata is the policy's" in str(morning.decision.checks)


def test_a_policy_may_refuse_to_guess_a_zone_but_still_answers():
    strict = Policy(hours=HOURS, unknown_zone="refuse")
    at = local(KOLKATA, 2026, 2, 17, 9)
    refused = judged(at, KOLKATA, strict, zone_known=False)
    assert isinstance(refused, Refused)
    assert refused.reason == "nobody knows by which clock the contact lives"
    assert isinstance(judged(at, KOLKATA, strict), Allowed)
    assert isinstance(judged(at, KOLKATA, strict, zone_known=False, initiating=False, last_inbound_at=at), Allowed)
