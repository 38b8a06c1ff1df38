"""The harness itself: it must fail where a specification is broken."""

import pytest

from libs.testkit.spec import specification


class TooMuch(Exception):
    """The account does not hold so much."""


def withdraw(balance: int, amount: int) -> list[int]:
    if amount > balance:
        raise TooMuch(f"only {balance} left")
    return [-amount] if amount else []


given = specification(int, lambda balance, change: balance + change)


def test_what_was_given_is_folded_before_the_verb_decides():
    given(100, -30).when(withdraw, 70).then(-70)


def test_nothing_decided_is_nothing():
    given(100).when(withdraw, 0).then_nothing()


def test_a_refusal_is_an_outcome():
    given(100).when(withdraw, 101).then_refused(TooMuch, "only 100 left")


def test_facts_may_be_asked_about():
    given(5).when(withdraw, 5).then_that(lambda fact: fact < 0)


def test_facts_are_taken_out_of_what_the_verb_answers():
    wrapped = specification(int, lambda balance, change: balance + change, facts=lambda answer: answer["facts"])
    wrapped(5).when(lambda balance: {"facts": [balance]}).then(5)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: given(100).when(withdraw, 70).then(-71),
        lambda: given(100).when(withdraw, 70).then(),
        lambda: given(100).when(withdraw, 70).then_nothing(),
        lambda: given(100).when(withdraw, 70).then_refused(TooMuch),
        lambda: given(100).when(withdraw, 101).then_refused(TooMuch, "other words"),
        lambda: given(5).when(withdraw, 5).then_that(lambda fact: fact > 0),
    ],
)
def test_a_broken_specification_fails(broken):
    with pytest.raises(AssertionError):
        broken()


def test_a_refusal_that_nobody_expects_is_raised():
    with pytest.raises(TooMuch):
        given(100).when(withdraw, 101).then(-101)
    with pytest.raises(TooMuch):
        given(100).when(withdraw, 101).then_refused(KeyError)
