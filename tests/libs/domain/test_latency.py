"""Waits in histograms that add up, and what is said of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.latency import Budget, Histogram, Latency, bucket_of, budget_of, hints, merged, middle_of

waits = st.lists(st.integers(0, 60_000), min_size=1, max_size=300)


@given(st.integers(0, 3_600_000))
def test_a_duration_is_off_by_a_sixty_fourth_at_most(milliseconds: int):
    assert abs(middle_of(bucket_of(milliseconds)) - milliseconds) <= milliseconds / 64 + 0.5


@given(st.integers(0, 3_600_000))
def test_longer_durations_are_in_later_buckets(milliseconds: int):
    assert bucket_of(milliseconds) <= bucket_of(milliseconds + 1) <= bucket_of(milliseconds) + 1


@given(waits, st.sampled_from([50, 90, 99]))
def test_a_percentile_is_that_of_the_values_themselves(values: list[int], percent: int):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert histogram.percentile(percent) == middle_of(bucket_of(exact))


@given(st.lists(waits, min_size=1, max_size=5))
def test_several_workers_together_are_as_one_that_had_all_the_calls(workers: list[list[int]]):
    one, parts = Latency(), []
    for values in workers:
        part = Latency()
        for value in values:
            part.add({"total": value})
            one.add({"total": value})
        parts.append(part.counts())
    assert merged(parts).percentiles() == one.percentiles()


def test_nothing_measured_has_no_percentile():
    assert Latency().percentiles() == {}
    with pytest.raises(ValueError, match="nothing"):
        Histogram().percentile(50)


def test_a_slow_first_token_and_a_late_first_sound_are_hinted_at():
    slow = {"llm": {"p50_ms": 320}, "tts": {"p50_ms": 250}, "total": {"p50_ms": 700, "p90_ms": 790, "p99_ms": 900}}
    llm, tts = hints(slow, Budget())
    assert llm == "llm takes 320 ms and has 300 ms: use the faster model, shrink the prompt, cache it"
    assert tts.startswith("tts takes 250 ms and has 200 ms: the first sound is late")


def test_who_keeps_the_budget_hears_nothing_and_the_alarm_is_told():
    assert hints({"llm": {"p50_ms": 300}, "total": {"p90_ms": 800}}, Budget()) == []
    [alarm] = hints({"total": {"p90_ms": 801}}, Budget())
    assert "801 ms" in alarm


def test_the_settings_say_the_budget():
    told = {"latency": {"target_ms": 700, "alarm_ms": 900, "stages": {"llm_ms": 250}}}
    assert budget_of(told) == Budget(total=700, alarm=900, llm=250)
    assert budget_of({}) == Budget()
