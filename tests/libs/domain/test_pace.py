"""When the agent does with less, and when it comes back."""

from libs.domain.latency import Budget
from libs.domain.pace import Answered, Degraded, Pacing, Recovered, Terms, TimePassed, step, terms_of

TERMS = Terms(turns=5, window_s=120, hold_s=60, endpointing_ms=150)


def play(*happened: Answered | TimePassed) -> list[tuple[float, Degraded | Recovered]]:
    """What changes, each with its second."""
    pacing, changes = Pacing(), []
    for each in happened:
        pacing, changed = step(pacing, each, TERMS)
        changes += [(each.at, change) for change in changed]
    return changes


def answers(waited_ms: int, *, at: float, every: float = 6, number: int = 5) -> list[Answered]:
    return [Answered(at + every * each, waited_ms) for each in range(number)]


def test_five_slow_answers_in_two_minutes_degrade():
    [(at, change)] = play(*answers(900, at=0))
    assert (at, type(change)) == (24, Degraded)
    assert abs(change.p90_ms - 900) < 15  # type: ignore[operator] # a number when it degrades


def test_answers_within_the_alarm_change_nothing():
    assert play(*answers(780, at=0, number=50)) == []


def test_four_slow_answers_are_too_few_and_old_ones_do_not_count():
    assert play(*answers(2000, at=0, number=4)) == []
    assert play(*answers(2000, at=0, every=31, number=50)) == []


def test_it_comes_back_when_nine_in_ten_keep_the_target_and_not_before_a_minute():
    slow, quick = answers(900, at=0), answers(600, at=30, number=20)
    [_, (at, change)] = play(*slow, *quick)
    assert (at, type(change)) == (84, Recovered)


def test_between_target_and_alarm_it_stays_as_it_is():
    middling = answers(850, at=30, number=100)  # with the longer endpointing: 700 without
    assert [type(change) for _, change in play(*answers(900, at=0), *middling)] == [Degraded]
    assert play(*answers(700, at=0, number=100)) == []


def test_the_longer_endpointing_is_not_held_against_the_answer():
    [_, (_, change)] = play(*answers(900, at=0), *answers(740, at=90))
    assert isinstance(change, Recovered)


def test_one_slow_answer_in_five_keeps_it_degraded():
    mixed = [Answered(30 + 6 * each, 2000 if each % 4 == 0 else 400) for each in range(60)]
    assert [type(change) for _, change in play(*answers(900, at=0), *mixed)] == [Degraded]


def test_after_two_silent_minutes_nothing_says_that_it_is_slow():
    assert play(*answers(900, at=0), TimePassed(100), TimePassed(145))[1] == (145, Recovered(None))


def test_the_settings_say_the_terms():
    told = {
        "latency": {
            "alarm_ms": 900,
            "turns": 20,
            "window_s": 60,
            "degraded": {"model": "claude-haiku-4-5", "max_response_words": 30, "endpointing_ms": 0},
        }
    }
    expected = Terms(
        budget=Budget(alarm=900), turns=20, window_s=60, model="claude-haiku-4-5", words=30, endpointing_ms=0
    )
    assert terms_of(told) == expected
    assert terms_of({}) == Terms()
