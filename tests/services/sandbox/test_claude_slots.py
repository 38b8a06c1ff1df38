"""The emulated Claude understands slots that a request offers."""

from typing import Any

import pytest

from libs.testkit.nouns import MORNING
from services.sandbox.claude_slots import Offered, answers, breaks_off, offered, question
from services.sandbox.understanding import read

NOW = MORNING.replace(tzinfo=None)

DAY = Offered("day", "date", ask="Which day?")
PART = Offered("part", "choice", choices=("morning", "afternoon"), ask="Which part of the day?")
MONEY = Offered("money", "amount", ask="How much?")
SURE = Offered("sure", "choice", choices=("yes", "no"), ask="Sure?")
NOTE = Offered("note", "text", ask="Anything else?")


def said(text: str, *slots: Offered, agent: str | None = None) -> dict[str, Any]:
    return {answer.name: answer.value for answer in answers([read(text, NOW)], slots, agent)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("agle somvaar subah, morning", {"day": "2026-02-23", "part": "morning"}),
        ("kal afternoon mein, 5 lakh tak", {"day": "2026-02-17", "part": "afternoon", "money": "500000"}),
        ("month end, dedh crore", {"day": "2026-02-28", "money": "15000000"}),
        ("20 फरवरी", {"day": "2026-02-20"}),
        ("who are you?", {}),
        ("fifty", {"money": "50"}),
    ],
)
def test_each_value_goes_to_the_slot_of_its_kind(text: str, found: dict[str, Any]):
    assert said(text, DAY, PART, MONEY) == found


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("no, I meant March", "2026-03-20"),
        ("nahi nahi, 25 tarikh ko", "2026-02-25"),
        ("sorry, 3 April", "2026-04-03"),
        ("actually agle somvaar", "2026-02-23"),
    ],
)
def test_a_correction_changes_the_value_that_was_given_before(text: str, day: str):
    known = Offered("day", "date", value="2026-02-20")
    assert said(text, known, Offered("until", "date")) == {"day": day}


def test_what_no_slot_is_open_for_corrects_the_one_that_has_a_value():
    assert said("6 lakh", Offered("money", "amount", value=500000)) == {"money": "600000"}


@pytest.mark.parametrize(("text", "sure"), [("haan ji", "yes"), ("bilkul", "yes"), ("nahi", "no"), ("नहीं", "no")])
def test_yes_and_no_are_choices_in_any_language(text: str, sure: str):
    assert said(text, SURE) == {"sure": sure}


def test_free_text_answers_the_question_that_was_asked_and_nothing_else():
    assert said("ring twice", NOTE, agent="Anything else?") == {"note": "ring twice"}
    assert said("ring twice", NOTE, agent="Which day?") == {}
    assert said("why?", NOTE, agent="Anything else?") == {}
    assert said("rehne do", NOTE, agent="Anything else?") == {}


@pytest.mark.parametrize(
    ("text", "off"), [("rehne do", True), ("never mind", True), ("chhod do yaar", True), ("kal", False)]
)
def test_who_breaks_it_off_is_understood(text: str, off: bool):
    assert breaks_off([read(text, NOW)]) is off


def test_the_first_required_slot_that_is_open_is_asked_for():
    assert question([Offered("x", "text", required=False, ask="X?"), DAY, PART], []) == "Which day?"
    assert question([Offered("day", "date", value="2026-02-20"), PART], []) == "Which part of the day?"
    assert question([Offered("day", "date", value="2026-02-20")], []) is None


def test_the_lines_of_a_request_are_read():
    [slot] = offered('{"name":"day","type":"date","required":true,"ask":"Which day?","value":"2026-02-20"}')
    assert slot == Offered("day", "date", ask="Which day?", value="2026-02-20")
