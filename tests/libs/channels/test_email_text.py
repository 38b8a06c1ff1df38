"""Of an answer by mail only what its sender wrote is read, whichever client and language quoted the rest."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.channels.email import read_mime
from libs.channels.email_text import MAX_TEXT, said

CORPUS = sorted((Path(__file__).parent / "mails").glob("*.eml"))
HOW = "Asha at Acme <asha@mail.acme.example>"


@pytest.mark.parametrize("mail", CORPUS, ids=lambda path: path.stem)
def test_an_answer_is_read_without_its_quote(mail: Path):
    assert read_mime(mail.read_bytes()).text == mail.with_suffix(".txt").read_text(encoding="utf-8").removesuffix("\n")


def test_the_corpus_is_there():
    assert len(CORPUS) >= 20


@pytest.mark.parametrize(
    "text",
    [
        "kal pay karunga",
        "On Monday I wrote:\nplease wait",
        "From: Pune\nTo: Delhi",
        "- one\n- two\n- three",
        "5 > 4, and a < b",
        "Thanks",
        "Regards",
        'Namaste ji, ₹52,400 "INV-2026-0042" — हाँ जी 👍\n<b>&amp;</b>',
    ],
)
def test_words_that_only_look_like_quotes_stay(text: str):
    assert said(text, None) == text


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("ok\n\n-- \nRavi\nManager", "ok"),
        ("ok\n\nSent from my iPhone", "ok"),
        ("ok\n\nSent from Yahoo Mail on Android", "ok"),
        ("Paid.\n\nधन्यवाद\nरवि", "Paid."),
        ("Paid.\n\nसादर,\nरवि कुमार\n+91 98765 12345", "Paid."),
        ("Paid.\n\nThanks & Regards\nRavi\nPS: by NEFT", "Paid.\n\nThanks & Regards\nRavi\nPS: by NEFT"),
    ],
)
def test_a_signature_is_cut_and_a_postscript_is_not(text: str, own: str):
    assert said(text, None) == own


def test_a_mail_of_html_alone_is_read_as_text():
    html = (
        "<style>p{color:red}</style><p>Invoice 1. is <b>paid</b></p><p>See <a href='https://a.example/x'>here</a></p>"
    )
    assert said(None, html) == "Invoice 1. is paid\nSee [here](https://a.example/x)"


def test_an_answer_below_an_unmarked_quote_is_kept_with_it():
    text = f"From: {HOW}\nSent: Monday\nTo: Ravi\nSubject: Invoice\n\nWhen will you pay?\n\nTomorrow"
    assert said(text, None) == "When will you pay?\n\nTomorrow"


@pytest.mark.parametrize(
    "hostile",
    [
        (None, "<div>" * 80_000),
        (None, "<div class=gmail_quote>" * 3_900 + "x"),
        (None, "<p style='border-top:solid' " * 10_000),
        (None, "<blockquote>a" * 30_000),
        ("On " + "x " * 30_000, None),
        ("a\n" * 40_000, None),
        (("On " + "ab " * 90 + "\n") * 28, None),
        ("- a\n" * 10_000, None),
        ("From: a\nSent: \n" * 4_000, None),
        (None, f"<p style='font-size:1{' ' * 19_000}x'>a</p>" * 20),
        (("को 5 " * 1_000 + "ने लिखा:\n") * 20, None),
    ],
    ids=range(11),
)
def test_a_mail_that_is_made_to_be_slow_is_read_in_a_moment(hostile: tuple[str | None, str | None]):
    began = time.process_time()
    assert len(said(*hostile)) <= MAX_TEXT
    assert time.process_time() - began < 8  # tenths of a second on a quiet machine; minutes without the bounds


BITS = st.sampled_from(
    [
        "\n",
        "> ",
        "On Mon wrote:",
        "From: a\n",
        "Sent: b\n",
        "Subject: c\n",
        "को 1 ने लिखा:",
        "##- x -##",
        "-- \n",
        "Thanks,\n",
    ]
)
TAGS = st.sampled_from(
    [
        "<div>",
        "</div>",
        "<blockquote>",
        "</blockquote>",
        '<div class="gmail_quote">',
        "<table><tr><td>",
        "<a href=x>",
        "<!--",
    ]
)


@given(
    st.lists(st.one_of(BITS, st.text(max_size=20)), max_size=30),
    st.lists(st.one_of(TAGS, st.text(max_size=20)), max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_no_text_makes_the_reader_stumble(text: list[str], html: list[str]):
    assert isinstance(said("".join(text), None), str)
    assert isinstance(said("".join(text), "".join(html)), str)
