"""What conditions hold, and what they say when they do not."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from libs.domain.comparing import moment
from libs.domain.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Check,
    Not,
    Operator,
    evaluate,
    fields_of,
    in_words,
)
from libs.domain.names import Names
from libs.testkit.nouns import INVOICE_OVERDUE, NOON

OPERATORS: tuple[Operator, ...] = get_args(Operator)
DATA: dict[str, Any] = {
    **INVOICE_OVERDUE,
    "amount_text": "52400.00",
    "exact": Decimal("0.30"),
    "paid": True,
    "tags": ["vip", 7],
    "note": None,
    "blank": "  ",
    "called_at": "2026-02-16T05:00:00+00:00",
    "naive": "2026-02-16T11:00:00",
    "customer": {"tier": "gold"},
    "number_text": "0042",
}


def ask(field: str, operator: Operator, value: Any = None) -> bool:
    return evaluate(Check(field, operator, value), Names.of_event(DATA, NOON)).holds


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("amount", "exists", None),
        ("amount", "exists", True),
        ("ghost", "exists", False),
        ("note", "exists", False),
        ("blank", "exists", False),
        ("amount", "eq", 52400),
        ("amount", "eq", 52400.0),
        ("amount", "eq", "52400"),
        ("amount_text", "eq", 52400),
        ("exact", "eq", 0.3),
        ("paid", "eq", True),
        ("note", "eq", None),
        ("amount", "ne", 1),
        ("ghost", "ne", 1),
        ("number_text", "ne", "42"),
        ("days_overdue", "gt", 16),
        ("days_overdue", "gt", "16.5"),
        ("days_overdue", "gte", 17),
        ("days_overdue", "lt", 18),
        ("days_overdue", "lte", 17),
        ("amount_text", "gt", "9000"),
        ("currency", "in", ["USD", "INR"]),
        ("amount", "in", ["52400"]),
        ("currency", "not_in", ["USD"]),
        ("ghost", "not_in", ["USD"]),
        ("tags", "contains", "vip"),
        ("tags", "contains", "7"),
        ("currency", "contains", "NR"),
        ("customer", "contains", "tier"),
        ("invoice_number", "matches", r"^INV-\d{4}-"),
        ("due_date", "before", "today"),
        ("due_date", "before", "2026-01-31"),
        ("due_date", "after", "-30d"),
        ("due_date", "after", "today-3w"),
        ("called_at", "before", "now"),
        ("called_at", "after", "now-2h"),
        ("called_at", "after", "2026-02-15"),
        ("naive", "after", "2026-02-16T10:59:00+05:30"),
        ("days_overdue", "between", [17, 20]),
        ("due_date", "between", ["2026-01-30", "today"]),
        ("due_date", "gte", "2026-01-30"),
    ],
)
def test_a_condition_that_fits_the_facts_holds(field: str, operator: Operator, value: Any):
    assert ask(field, operator, value)


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("ghost", "exists", None),
        ("note", "exists", None),
        ("amount", "exists", False),
        ("amount", "eq", 52401),
        ("paid", "eq", 1),
        ("paid", "eq", "true"),
        ("number_text", "eq", "42"),
        ("ghost", "eq", None),
        ("ghost", "lt", 5),
        ("ghost", "in", [None]),
        ("currency", "gt", 5),
        ("paid", "gte", 0),
        ("days_overdue", "gt", 17),
        ("days_overdue", "between", [18, 20]),
        ("days_overdue", "between", 17),
        ("currency", "in", "INR"),
        ("currency", "not_in", "USD"),
        ("currency", "contains", 5),
        ("amount", "contains", 5),
        ("invoice_number", "matches", "["),
        ("tags", "matches", "vip"),
        ("due_date", "after", "today"),
        ("due_date", "before", "someday"),
        ("currency", "before", "today"),
        ("due_date", "before", "2026-01-30"),
    ],
)
def test_it_does_not_hold(field: str, operator: Operator, value: Any):
    assert not ask(field, operator, value)


def test_no_binary_fraction_spoils_a_sum():
    assert evaluate(Check("sum", "lte", 0.3), Names.of_event({"sum": Decimal("0.1") + Decimal("0.2")}))


def test_today_is_the_day_in_the_zone_of_now():
    after_midnight_in_india = datetime(2026, 2, 16, 20, 0, tzinfo=UTC).astimezone(NOON.tzinfo)
    names = Names.of_event({"due": "2026-02-17"}, after_midnight_in_india)
    assert evaluate(Check("due", "eq", "2026-02-17"), names)
    assert not evaluate(Check("due", "after", "today"), names)


def test_today_without_a_time_is_a_no():
    verdict = evaluate(Check("due_date", "before", "today"), Names.of_event(DATA))
    assert verdict.reasons == ("due_date 2026-01-30 cannot be compared: today is not a date (no time is known here)",)


def test_a_reason_names_the_field_its_value_and_what_was_wanted():
    verdict = evaluate(Check("days_overdue", "gte", 3), Names.of_event({"days_overdue": 2}))
    assert verdict.reasons == ("days_overdue 2 is not >= 3",)


def test_a_missing_field_is_named():
    assert evaluate(Check("disputed", "eq", True), Names()).reasons == ("disputed is missing",)


def test_what_may_be_the_contacts_own_is_named_and_not_quoted():
    names = Names(contact={"city": "Pune"}, slots={"phone": "98765"}, extracted_info={"why": "hospital"})
    asked = AllOf((Check("city", "eq", "Goa"), Check("phone", "eq", "1"), Check("extracted_info.why", "eq", "x")))
    said = " ".join(evaluate(asked, names).reasons)
    assert "city" in said
    assert not any(own in said for own in ("Pune", "98765", "hospital"))


def test_all_of_nothing_holds():
    assert evaluate(ALWAYS, Names())


def test_all_any_and_not_nest():
    late, small = Check("days_overdue", "gte", 3), Check("amount", "lt", 100)
    names = Names.of_event(DATA)
    assert evaluate(AllOf((late, Not(small))), names)
    assert evaluate(AnyOf((small, late)), names)
    assert not evaluate(AnyOf((small, Not(late))), names)
    assert not evaluate(AnyOf(()), names)


def test_every_part_that_failed_says_why():
    asked = AllOf((Check("a", "eq", 1), Check("b", "eq", 2), Not(Check("c", "eq", 3))))
    verdict = evaluate(asked, Names.of_event({"a": 1, "b": 1, "c": 3}))
    assert verdict.reasons == ("b 1 is not = 2", "must not hold: c 3 is = 3")


def test_the_fields_of_a_condition_are_all_of_them():
    asked = AllOf((Check("a", "eq"), AnyOf((Check("b.c", "eq"), Not(Check("d", "eq"))))))
    assert list(fields_of(asked)) == ["a", "b.c", "d"]


def test_a_condition_is_told_in_words():
    asked = AllOf(
        parts=(
            Check(field="amount", operator="gte", value=100),
            Not(part=Check(field="disputed", operator="eq", value=True)),
            AnyOf(parts=(Check(field="day", operator="exists"), Check(field="utr", operator="exists", value=False))),
        )
    )
    assert in_words(asked) == "amount >= 100 and not (disputed = true) and (day exists or utr is missing)"


@pytest.mark.parametrize(
    "far", ["today+99999999999d", "today-999999999999999999999w", "now+99999999999999s", "today+99999999999h"]
)
def test_a_day_further_than_any_calendar_goes_is_none(far: str):
    assert moment(far, NOON) is None
