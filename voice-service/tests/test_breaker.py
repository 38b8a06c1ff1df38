"""A breaker leaves a provider alone that fails again and again, and lets one call find out whether it is back."""

from voice_service.providers.breaker import LONGEST_S, MOST, PROBE_S, REST_S, WINDOW_S, Breaker


def failing(times: int = MOST, at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(at)
    return breaker


def test_it_opens_after_so_many_failures_and_rests():
    assert failing(MOST - 1).state(0) == "closed"
    assert failing().state(0) == "open"
    assert not failing().allows(REST_S - 0.1)


def test_failures_that_are_far_apart_open_nothing():
    breaker = failing(MOST - 1)
    breaker.failed(WINDOW_S + 1)
    assert breaker.state(WINDOW_S + 1) == "closed"


def test_an_answer_between_failures_starts_anew():
    breaker = failing(MOST - 1)
    breaker.succeeded()
    breaker.failed(1)
    assert breaker.state(1) == "closed"


def test_half_open_one_call_asks_and_its_answer_closes_it():
    breaker = failing()
    assert breaker.state(REST_S) == "half_open"
    assert breaker.allows(REST_S)
    breaker.asked(REST_S)
    assert not breaker.allows(REST_S + 0.1), "one at a time"
    breaker.succeeded()
    assert breaker.state(REST_S + 0.2) == "closed"


def test_a_probe_that_fails_doubles_the_rest_up_to_a_limit():
    breaker, now, rests = failing(), REST_S, []
    for _ in range(8):
        breaker.asked(now)
        breaker.failed(now)
        rests.append(breaker.rest)
        now += breaker.rest
    assert rests[:3] == [20.0, 40.0, 80.0]
    assert rests[-1] == LONGEST_S


def test_a_probe_that_never_tells_blocks_nobody_for_long():
    breaker = failing()
    breaker.asked(REST_S)
    assert not breaker.allows(REST_S + PROBE_S - 1)
    assert breaker.allows(REST_S + PROBE_S + 1)


def test_a_call_that_began_before_it_opened_is_no_probe():
    breaker = failing()
    breaker.failed(REST_S + 1)
    assert breaker.rest == REST_S
