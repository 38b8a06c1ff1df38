from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.claude_amounts import values_in
from services.sandbox.claude_dates import dates_in
from services.sandbox.claude_text import folded

MONDAY = datetime(2026, 2, 16, 10, 30)  # noqa: DTZ001 - wall clock of the contact, as the emulator reads it


@pytest.mark.parametrize(
    ("text", "day", "words"),
    [
        ("20 February tak kar denge", "2026-02-20", "20 February tak"),
        ("by 20th Feb", "2026-02-20", "by 20th Feb"),
        ("Feb 20th, 2027", "2027-02-20", "Feb 20th, 2027"),
        ("20/2 ko", "2026-02-20", "20/2 ko"),
        ("20-02-2026", "2026-02-20", "20-02-2026"),
        ("2026-03-01", "2026-03-01", "2026-03-01"),
        ("5 January", "2026-01-05", "5 January"),
        ("5 November", "2026-11-05", "5 November"),
        ("kal", "2026-02-17", "kal"),
        ("kal hi payment kar diya", "2026-02-15", "kal"),
        ("parso tak", "2026-02-18", "parso tak"),
        ("day after tomorrow", "2026-02-18", "day after tomorrow"),
        ("aaj hi", "2026-02-16", "aaj hi"),
        ("Friday", "2026-02-20", "Friday"),
        ("Monday", "2026-02-23", "Monday"),
        ("next Friday", "2026-02-27", "next Friday"),
        ("agle somvaar", "2026-02-23", "agle somvaar"),
        ("शुक्रवार को", "2026-02-20", "शुक्रवार को"),
        ("in 3 days", "2026-02-19", "in 3 days"),
        ("teen din mein", "2026-02-19", "teen din mein"),
        ("do hafte baad", "2026-03-02", "do hafte baad"),
        ("3 din pehle", "2026-02-13", "3 din pehle"),
        ("next week", "2026-02-23", "next week"),
        ("month end tak", "2026-02-28", "month end tak"),
        ("end of next month", "2026-03-31", "end of next month"),
        ("mahine ke end mein", "2026-02-28", "mahine ke end mein"),
        ("10 tarikh tak", "2026-03-10", "10 tarikh tak"),
        ("agle mahine ki 5 tarikh", "2026-03-05", "agle mahine ki 5 tarikh"),
        ("by the 25th", "2026-02-25", "by the 25th"),
    ],
)
def test_a_date_is_read_with_its_words(text, day, words):
    found = dates_in(text, MONDAY)
    assert [(str(f.day), f.words) for f in found] == [(day, words)]


@pytest.mark.parametrize(
    ("text", "day", "at"),
    [
        ("kal shaam 5 baje", date(2026, 2, 17), time(17)),
        ("kal shaam", date(2026, 2, 17), time(18)),
        ("tomorrow at 11", date(2026, 2, 17), time(11)),
        ("call me at 4:30 pm", date(2026, 2, 16), time(16, 30)),
        ("subah 9 baje", date(2026, 2, 17), time(9)),
        ("कल सुबह", date(2026, 2, 17), time(10)),
    ],
)
def test_an_hour_goes_with_its_day_or_is_the_next_to_come(text, day, at):
    assert [(f.day, f.at) for f in dates_in(text, MONDAY)] == [(day, at)]


@pytest.mark.parametrize(
    "text", ["5 lakh", "we were 20 people", "32/13", "30 February", "sat sri akal", "UTR 412345678901", "I may come"]
)
def test_what_is_no_date_is_none(text):
    assert dates_in(text, MONDAY) == []


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5 lakh de dunga", "amount", "500000"),
        ("Rs. 5000 abhi", "amount", "5000"),
        ("₹52,400", "amount", "52400"),
        ("₹ 1,20,000/-", "amount", "120000"),
        ("52,400.50", "amount", "52400.5"),
        ("paanch hazaar", "amount", "5000"),
        ("ek lakh bees hazaar", "amount", "120000"),
        ("dedh lakh", "amount", "150000"),
        ("sava do lakh", "amount", "225000"),
        ("saade teen lakh rupaye", "amount", "350000"),
        ("सवा लाख", "amount", "125000"),
        ("1.2 crore", "amount", "12000000"),
        ("50k", "amount", "50000"),
        ("five thousand rupees", "amount", "5000"),
        ("UTR 412345678901", "reference", "412345678901"),
        ("utr no. is SBIN0R52026021612", "reference", "SBIN0R52026021612"),
        ("N123456789012345", "reference", "N123456789012345"),
        ("98765 43210 par call karo", "phone", "9876543210"),
        ("+91 98765-43210", "phone", "+919876543210"),
        ("accounts@acme.in.", "email", "accounts@acme.in"),
        ("20 boxes", "number", "20"),
        ("das peti", "number", "10"),
    ],
)
def test_a_value_is_read(text, kind, value):
    assert [(f.kind, f.value) for f in values_in(text)] == [(kind, value)]


@pytest.mark.parametrize("text", ["20", "2 log", "haan ji", "5 din"])
def test_a_small_bare_number_is_no_amount(text):
    assert values_in(text) == []


TALK = st.text(st.sampled_from("0123456789 ,./-:@₹akltdinsohumecrप२कल\n।'é"), max_size=60) | st.text(max_size=40)


@given(TALK)
def test_whatever_is_said_its_words_stand_where_they_were_found(text):
    spans = [(f.start, f.end, f.words) for f in dates_in(text, MONDAY)]
    spans += [(f.start, f.end, f.words) for f in values_in(text)]
    for start, end, words in spans:
        assert text[start:end].strip() == words
        assert words


@given(st.text())
def test_folding_moves_no_character(text):
    assert len(folded(text)) == len(text)
