"""Slots: what counts as an answer, and which question comes next."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from libs.domain.conditions import AllOf, Check
from libs.domain.names import Names
from libs.domain.slots import Accepted, Ask, GiveUp, Refused, Slot, accept, next_ask

NAMES = Names(now=datetime(2026, 2, 16, 10, 30, tzinfo=ZoneInfo("Asia/Kolkata")), slots={"from": "2026-02-20"})


def slot(kind: Any, **changes: Any) -> Slot:
    return Slot(**{"name": "it", "type": kind, "ask": "?", **changes})


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        ("date", "2026-02-20", "2026-02-20"),
        ("date", "2026-02-20T10:00", "2026-02-20"),
        ("amount", "500000", 500000),
        ("amount", "₹5,00,000", 500000),
        ("amount", "1.5 lakh", 150000),
        ("amount", "2 crore", 20000000),
        ("amount", "Rs. 99.50", "99.5"),
        ("phone", "98765 12345", "+919876512345"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
        ("text", " ring twice ", "ring twice"),
    ],
)
def test_an_answer_is_brought_to_one_form(kind: Any, said: str, value: Any):
    assert accept(slot(kind), said, NAMES) == Accepted(value)


@pytest.mark.parametrize(
    ("kind", "said", "why"),
    [
        ("date", "soon", "no date"),
        ("date", "2026-02-30", "no date"),
        ("date", "2031-01-01", "too far away"),
        ("amount", "a lot", "no amount"),
        ("amount", "-5", "no amount"),
        ("amount", "9" * 15, "too large"),
        ("phone", "12345", "no such telephone number"),
        ("phone", "later", "no telephone number"),
        ("text", "  ", "empty"),
    ],
)
def test_what_is_none_is_refused_with_its_reason(kind: Any, said: str, why: str):
    refused = accept(slot(kind), said, NAMES)
    assert isinstance(refused, Refused)
    assert why in refused.reason


@pytest.mark.parametrize(
    ("said", "choice"),
    [("Morning", "Morning"), ("in the morning", "Morning"), ("after", "Afternoon"), ("noon", "Afternoon")],
)
def test_a_choice_is_one_of_the_bundles_own_words(said: str, choice: str):
    assert accept(slot("choice", choices=("Morning", "Afternoon")), said, NAMES) == Accepted(choice)


@pytest.mark.parametrize("said", ["evening", "", "morning or afternoon"])
def test_a_choice_that_is_none_or_two_is_refused(said: str):
    assert isinstance(accept(slot("choice", choices=("Morning", "Afternoon")), said, NAMES), Refused)


def test_a_slot_may_ask_more_of_its_value_than_the_type_does():
    valid = AllOf((Check("slots.it", "between", ["today", "today+30d"]), Check("slots.from", "exists")))
    assert accept(slot("date", valid=valid), "2026-03-01", NAMES) == Accepted("2026-03-01")
    refused = accept(slot("date", valid=valid), "2026-06-01", NAMES)
    assert isinstance(refused, Refused)
    assert "2026-06-01" not in refused.reason


DAY, PART = Slot(name="day", type="date", ask="?"), Slot(name="part", type="text", ask="?")
NOTE = Slot(name="note", type="text", required=False, ask="?")
QUIET = Slot(name="quiet", type="text", required=False)
ALL = (NOTE, DAY, PART, QUIET)


def test_required_slots_are_asked_for_first_then_optional_ones_once():
    assert next_ask(ALL, (), {}, 2) == Ask(DAY)
    assert next_ask(ALL, {"day"}, {"day": 1}, 2) == Ask(PART)
    assert next_ask(ALL, {"day", "part"}, {}, 2) == Ask(NOTE)
    assert next_ask(ALL, {"day", "part"}, {"note": 1}, 2) is None
    assert next_ask(ALL, {"day", "part", "note"}, {}, 2) is None


def test_a_slot_is_asked_for_as_often_as_is_allowed():
    assert next_ask(ALL, (), {"day": 1}, 2) == Ask(DAY)
    assert next_ask(ALL, (), {"day": 2}, 2) == GiveUp(DAY)
