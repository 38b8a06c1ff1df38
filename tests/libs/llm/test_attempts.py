import pytest

from libs.llm.attempts import LONGEST_PAUSE_MS, attempts, following
from libs.llm.failures import BadOutput, Misconfigured, Overloaded, Refused, TimedOut, TurnFailed
from tests.libs.llm.nouns import FALLBACK, MODEL

PLAN = attempts(MODEL, FALLBACK)


def test_the_plan_is_the_model_twice_then_the_fallback_twice():
    assert [attempt.model for attempt in PLAN] == [MODEL, MODEL, FALLBACK, FALLBACK]
    assert [attempt.number for attempt in PLAN] == [0, 1, 2, 3]


@pytest.mark.parametrize("fallback", [None, MODEL])
def test_without_another_model_there_are_two_attempts(fallback):
    assert [attempt.model for attempt in attempts(MODEL, fallback)] == [MODEL, MODEL]


@pytest.mark.parametrize("failure", [Overloaded("529"), BadOutput("cut")])
def test_what_may_pass_is_tried_once_more_and_then_elsewhere(failure):
    tried, models = 0, []
    while (attempt := following(PLAN, tried, failure)) is not None:
        tried = attempt.number
        models.append(attempt.model)
    assert models == [MODEL, FALLBACK, FALLBACK]


@pytest.mark.parametrize("failure", [TimedOut("6 s"), Refused("no"), Misconfigured("unknown model", status=404)])
def test_what_would_happen_again_goes_to_the_other_model_at_once(failure):
    attempt = following(PLAN, 0, failure)
    assert attempt is not None
    assert (attempt.model, attempt.number) == (FALLBACK, 2)
    assert following(PLAN, 2, failure) is None


def test_a_wrong_key_is_wrong_for_every_model():
    assert following(PLAN, 0, Misconfigured("invalid x-api-key", status=401)) is None


def test_retry_after_is_waited_for():
    attempt = following(PLAN, 0, Overloaded("429", retry_after=3))
    assert attempt is not None
    assert (attempt.model, attempt.pause_ms) == (MODEL, 3_000)


def test_too_long_a_retry_after_is_not_waited_for():
    attempt = following(PLAN, 0, Overloaded("429", retry_after=LONGEST_PAUSE_MS / 1000 + 1))
    assert attempt is not None
    assert attempt.model == FALLBACK
    assert following(PLAN, 2, Overloaded("429", retry_after=60)) is None


def test_a_failure_of_no_known_kind_ends_the_plan():
    assert following(PLAN, 0, TurnFailed("?")) is None
