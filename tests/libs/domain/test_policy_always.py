"""What holds for every policy, moment, zone and clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from libs.domain.policy import (
    Allowed,
    Approach,
    Deferred,
    Hours,
    Policy,
    decide,
    lapsed,
    next_allowed_minute,
    within_hours,
)

INDIA = "Asia/Kolkata"
ZONES = st.sampled_from(
    [
        INDIA,
        "America/New_York",
        "Europe/London",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Santiago",
        "America/Havana",
    ]
)
MOMENTS = st.integers(0, 2 * 365 * 86_400).map(
    lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
CLOCKS = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@given(MOMENTS, ZONES, CLOCKS, CLOCKS, st.booleans())
def test_nothing_is_begun_outside_hours_or_on_a_closed_day(at: datetime, zone: str, start: int, end: int, closed: bool):
    local = at.astimezone(ZoneInfo(zone))
    dates = (local.date().isoformat(),) if closed else ()
    policy = Policy(hours={"voice": Hours(start=clock(start), end=clock(end))}, blackout_dates=dates)
    said = decide(policy, Approach(channel="voice", at=at, zone=zone))
    now = local.hour * 60 + local.minute
    inside = start <= now < end if start <= end else now >= start or now < end
    assert isinstance(said, Allowed) is (inside and not closed)


@given(MOMENTS, ZONES, CLOCKS, st.integers(1, 600), st.sets(st.integers(0, 3)))
def test_the_next_allowed_minute_is_allowed_and_none_before_it_is(
    at: datetime, zone: str, start: int, length: int, shut: set[int]
):
    today = at.astimezone(ZoneInfo(zone)).date()
    policy = Policy(
        hours={"voice": Hours(start=clock(start), end=clock((start + length) % 1440))},
        blackout_dates=tuple((today + timedelta(days=ahead)).isoformat() for ahead in shut),
    )
    place: dict[str, Any] = {"channel": "voice", "purpose": None, "zone": zone}
    opened = next_allowed_minute(policy, at=at, **place)
    assert opened is not None
    assert opened >= at
    assert within_hours(policy, at=opened, **place)
    assert opened == at or (opened.second, opened.microsecond) == (0, 0)
    before = at
    while before < opened:
        assert not within_hours(policy, at=before, **place)
        before = (before + timedelta(minutes=7)).replace(second=0, microsecond=0)
    if opened > at:
        assert not within_hours(policy, at=max(at, opened - timedelta(seconds=1)), **place)


@given(MOMENTS, ZONES, st.lists(st.integers(0, 2_000), max_size=5), st.integers(0, 600))
def test_what_is_deferred_is_allowed_at_the_minute_that_it_names(at: datetime, zone: str, ago: list[int], gap: int):
    policy = Policy(hours={"voice": Hours(start="08:00", end="19:00")}, minimum_gap_minutes=gap)
    attempts = tuple(at - timedelta(minutes=one) for one in ago)
    said = decide(policy, Approach(channel="voice", at=at, zone=zone, attempts_at=attempts))
    assume(isinstance(said, Deferred))
    assert isinstance(said, Deferred)
    assert said.until > at
    then = decide(policy, Approach(channel="voice", at=said.until, zone=zone, attempts_at=attempts))
    assert isinstance(then, Allowed)


@given(MOMENTS, ZONES, CLOCKS, CLOCKS, st.booleans(), st.integers(0, 3 * 1440))
def test_what_is_allowed_may_begin_until_its_decision_says_and_not_from_there_on(
    at: datetime, zone: str, start: int, end: int, wishes: bool, late: int
):
    wish = Hours(start="09:30", end="13:00") if wishes else None
    policy = Policy(hours={"voice": Hours(start=clock(start), end=clock(end))})
    said = decide(policy, Approach(channel="voice", at=at, zone=zone, preferred=wish))
    if isinstance(said, Deferred):
        at = said.until
        said = decide(policy, Approach(channel="voice", at=at, zone=zone, preferred=wish))
    assume(isinstance(said, Allowed))  # the hours may leave nothing of the wish
    then = at + timedelta(minutes=late)
    open_then = isinstance(decide(policy, Approach(channel="voice", at=then, zone=zone, preferred=wish)), Allowed)
    holds_until = said.decision.holds_until
    if not open_then:
        assert holds_until is not None
        assert at < holds_until <= then
        assert lapsed(policy, said.decision, at=then, begins=True) is not None
    if holds_until is None or then < holds_until:
        assert open_then
        assert lapsed(policy, said.decision, at=then, begins=True) is None
