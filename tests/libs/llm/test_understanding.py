import pytest

from events.values import FactOffer
from libs.llm.failures import BadOutput
from libs.llm.turn import Fact, IntentFound
from libs.llm.understanding import language_tag, understood, written
from tests.libs.llm.nouns import PROMISE, turn


def report(**changes):
    return {
        "intents": [],
        "facts": [],
        "language": "hi-Latn",
        "sentiment": "neutral",
        "opt_out": False,
        "opt_out_words": None,
    } | changes


def fact(name, value, words="20 February tak"):
    return {"name": name, "value": value, "words": words}


def test_a_promise_is_understood_with_the_words_that_it_came_from():
    meant = understood(
        report(
            intents=[{"name": "promise_to_pay", "confidence": "high", "words": "kar denge"}],
            facts=[fact("payment_date", "2026-02-20")],
        ),
        turn(PROMISE),
    )
    assert meant.intents == (IntentFound("promise_to_pay", "high", "kar denge"),)
    assert meant.facts == (Fact("payment_date", "2026-02-20", "20 February tak", grounded=True),)
    assert (meant.intent_names, meant.extracted_info) == (["promise_to_pay"], {"payment_date": "2026-02-20"})
    assert meant.words == {"payment_date": "20 February tak"}
    assert meant.dropped == ()


def test_unknown_intents_and_facts_are_dropped_and_recorded():
    meant = understood(
        report(
            intents=[
                {"name": "pay_later", "confidence": "high", "words": "x"},
                {"name": "dispute", "confidence": "low", "words": "kar denge"},
            ],
            facts=[fact("shoe_size", "42")],
        ),
        turn(PROMISE),
    )
    assert meant.intent_names == ["dispute"]
    assert meant.facts == ()
    assert meant.dropped == ("intent 'pay_later': not among those offered", "fact 'shoe_size': not among those wanted")


def test_an_intent_or_fact_that_comes_twice_counts_once():
    twice = {"name": "dispute", "confidence": "high", "words": "haan ji"}
    meant = understood(
        report(intents=[twice, twice], facts=[fact("payment_date", "2026-02-20"), fact("payment_date", "2026-02-21")]),
        turn(PROMISE),
    )
    assert meant.intent_names == ["dispute"]
    assert meant.extracted_info == {"payment_date": "2026-02-20"}
    assert meant.dropped == ("fact 'payment_date': stated twice, the first stands",)


@pytest.mark.parametrize("value", ["20 February", "2026-02-30", "", "2062-02-20", "1926-02-20"])
def test_a_date_that_is_no_plausible_iso_date_is_dropped(value):
    meant = understood(report(facts=[fact("payment_date", value)]), turn(PROMISE))
    assert meant.extracted_info == {}
    assert meant.dropped[0].startswith("fact 'payment_date': ")


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("amount", "500000", 500000),
        ("amount", "5,00,000", 500000),
        ("amount", "₹52400.50", "52400.5"),
        ("amount", "0.10", "0.1"),
        ("quantity", "20", 20),
        ("callback_at", "2026-02-17T17:00", "2026-02-17T17:00+05:30"),
        ("callback_at", "2026-02-17T11:30:00Z", "2026-02-17T17:00+05:30"),
        ("phone", "98765 43210", "+919876543210"),
        ("email", "priya@acme.in", "priya@acme.in"),
        ("reference", "UTR412345678901", "UTR412345678901"),
        ("reason", "cash flow", "cash flow"),
    ],
)
def test_a_value_is_brought_to_one_form(name, said, value):
    assert understood(report(facts=[fact(name, said)]), turn(PROMISE)).extracted_info == {name: value}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("amount", "5 lakh"),
        ("amount", "-5"),
        ("amount", "NaN"),
        ("amount", "1e99"),
        ("phone", "12"),
        ("email", "priya"),
        ("reason", " "),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_dropped(name, said):
    meant = understood(report(facts=[fact(name, said)]), turn(PROMISE))
    assert meant.extracted_info == {}
    assert len(meant.dropped) == 1


@pytest.mark.parametrize("words", ["on the twentieth", "", "¡!"])
def test_what_carries_words_that_nobody_wrote_is_dropped_and_recorded(words):
    said = report(
        intents=[{"name": "dispute", "confidence": "high", "words": words}],
        facts=[fact("payment_date", "2026-02-20", words)],
    )
    meant = understood(said, turn(PROMISE))
    assert (meant.intents, meant.facts) == ((), ())
    assert meant.dropped == (
        "intent 'dispute': nobody wrote its words",
        "fact 'payment_date': nobody wrote its words",
    )


def test_a_word_that_was_mended_is_still_the_contacts():
    meant = understood(report(facts=[fact("payment_date", "2026-02-20", "on 20 February tak")]), turn(PROMISE))
    assert meant.extracted_info == {"payment_date": "2026-02-20"}
    assert not meant.facts[0].grounded


def test_words_are_found_whatever_their_case_and_spacing():
    meant = understood(report(facts=[fact("payment_date", "2026-02-20", "20  FEBRUARY tak")]), turn(PROMISE))
    assert meant.facts[0].grounded


def test_the_words_of_an_opt_out_count_only_with_one():
    assert understood(report(opt_out=True, opt_out_words="band karo"), turn("band karo")).opt_out_words == "band karo"
    assert understood(report(opt_out_words="band karo"), turn("band karo")).opt_out_words is None


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"language": "en"},
        report(sentiment="bored"),
        report(opt_out="no"),
        report(intents="promise_to_pay"),
        report(facts=[{"name": 1}]),
    ],
)
def test_another_shape_is_bad_output(broken):
    with pytest.raises(BadOutput, match="report_understanding"):
        understood(broken, turn(PROMISE))


@pytest.mark.parametrize(
    ("reported", "tag"),
    [
        ("en", "en"),
        ("EN-in", "en-IN"),
        ("Hinglish", "hi-Latn"),
        ("hi-latn", "hi-Latn"),
        ("Hindi", "hi"),
        ("ta", "ta"),
        ("???", "und"),
        ("", "und"),
    ],
)
def test_a_language_gets_its_usual_tag(reported, tag):
    assert language_tag(reported, None) == tag


def test_a_language_that_cannot_be_read_is_the_hinted_one():
    assert language_tag("???", "hi") == "hi"


def test_a_reply_is_stripped_and_an_empty_one_is_bad_output():
    assert written({"text": " Namaste \n", "language": "hinglish"}, turn(PROMISE)) == ("Namaste", "hi-Latn")
    with pytest.raises(BadOutput, match="empty"):
        written({"text": "  ", "language": "en"}, turn(PROMISE))


def test_two_matters_may_have_a_fact_each_and_one_that_is_not_open_has_none():
    request = turn(
        "0042 ka 20 February tak, 0043 ka 5 March tak, 0099 ka kal",
        context={"entity_id": "INV-2026-0042"},
        other_matters=("INV-2026-0043",),
    )
    facts = [
        fact("payment_date", "2026-02-20") | {"about": "INV-2026-0042"},
        fact("payment_date", "2026-03-05", "5 March tak") | {"about": "INV-2026-0043"},
        fact("payment_date", "2026-02-17", "kal") | {"about": "INV-2026-0099"},
    ]
    intents = [{"name": "promise_to_pay", "words": "5 March tak", "about": each} for each in ("INV-2026-0043", "X-1")]
    meant = understood(report(facts=facts, intents=intents), request)
    assert meant.extracted_info == {"payment_date": "2026-02-20"}
    assert meant.intent_names == []
    [(other, said)] = meant.elsewhere.items()
    assert (other, said.intents) == ("INV-2026-0043", ["promise_to_pay"])
    assert (said.extracted_info, said.words) == ({"payment_date": "2026-03-05"}, {"payment_date": "5 March tak"})
    assert meant.dropped == (
        "intent 'promise_to_pay': about no matter of this conversation",
        "fact 'payment_date': about no matter of this conversation",
    )


SLOT = FactOffer(name="slot", kind="choice", choices=["morning", "evening"])


@pytest.mark.parametrize(("said", "kept"), [("Morning", {"slot": "morning"}), ("noon", {})])
def test_a_process_s_own_choice_is_taken_as_the_bundle_writes_it_or_not_at_all(said, kept):
    meant = understood(report(facts=[fact("slot", said)]), turn(PROMISE, own_facts=(SLOT,)))
    assert meant.extracted_info == kept
    assert len(meant.dropped) == (not kept)


def test_an_own_fact_that_was_not_wanted_in_this_turn_is_dropped():
    assert understood(report(facts=[fact("slot", "morning")]), turn(PROMISE)).extracted_info == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", "1e-999999999"),
        ("amount", "1E9"),
        ("amount", "NaN"),
        ("callback_at", "0001-01-01T00:00:00+14:00"),
        ("callback_at", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_a_number_or_moment_that_is_a_trap_is_dropped(name, value):
    meant = understood(report(facts=[fact(name, value)]), turn(PROMISE))
    assert meant.extracted_info == {}
    assert meant.dropped[0].startswith(f"fact {name!r}: ")
