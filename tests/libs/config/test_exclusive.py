"""Which conditions are known to exclude each other, and that this is never said of two that can hold together."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.config.exclusive import exclude_each_other
from libs.domain.conditions import ALWAYS, AllOf, AnyOf, Check, Condition, Not, evaluate
from libs.domain.names import Names

PAID = Check("paid", "eq", True)
DATED = Check("date", "exists")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PAID, Check("paid", "ne", True)),
        (PAID, Check("paid", "eq", False)),
        (PAID, Not(PAID)),
        (DATED, Not(DATED)),
        (DATED, Check("date", "exists", False)),
        (Check("date", "after", "2026-01-01"), Not(DATED)),
        (Check("days", "lt", 3), Check("days", "gte", 3)),
        (Check("days", "between", [1, 5]), Check("days", "gt", 5)),
        (Check("kind", "in", ["a", "b"]), Check("kind", "eq", "c")),
        (Check("kind", "in", ["a"]), Check("kind", "not_in", ["a", "b"])),
        (AllOf((PAID, DATED)), AllOf((DATED, Check("paid", "ne", True)))),
        (AnyOf((PAID, Not(DATED))), AllOf((Check("paid", "eq", False), DATED))),
    ],
)
def test_these_exclude_each_other(one: Condition, other: Condition):
    assert exclude_each_other(one, other)
    assert exclude_each_other(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ALWAYS, ALWAYS),
        (ALWAYS, PAID),
        (PAID, DATED),
        (Check("days", "lte", 3), Check("days", "gte", 3)),
        (Check("kind", "ne", "a"), Check("kind", "ne", "b")),
        (AnyOf((PAID, DATED)), Check("paid", "ne", True)),
    ],
)
def test_these_may_hold_together(one: Condition, other: Condition):
    assert not exclude_each_other(one, other)
    assert not exclude_each_other(other, one)


VALUES: st.SearchStrategy[Any] = st.sampled_from([0, 1, 2, 3, True, False, "a", "b", "", None])
LEAVES = st.one_of(
    st.builds(Check, st.sampled_from(["x", "y"]), st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), VALUES),
    st.builds(Check, st.sampled_from(["x", "y"]), st.sampled_from(["in", "not_in"]), st.lists(VALUES, max_size=3)),
    st.builds(Check, st.sampled_from(["x", "y"]), st.just("exists"), st.sampled_from([None, True, False])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
DATA = st.dictionaries(st.sampled_from(["x", "y"]), VALUES)


@settings(max_examples=1500, deadline=None)
@given(CONDITIONS, CONDITIONS, DATA)
def test_what_is_said_to_exclude_each_other_never_holds_together(
    one: Condition, other: Condition, data: dict[str, Any]
):
    if exclude_each_other(one, other):
        names = Names.of_event(data)
        assert not (evaluate(one, names) and evaluate(other, names))
