"""What may be said by SMS: in India nothing but a registered text, byte for byte."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.channels.outcome import Refused
from libs.channels.sms import LONGEST_VARIABLE, Message, Registered, Rules, admit

INDIAN, BRITISH = "+919876512345", "+447700900123"
RULES = Rules(max_segments=3, links=("https://pay.acme.example/", "acme.example"), free_text_to=("+44", "+1"))
VARIABLES = {"contact_name": "Priya", "invoice_number": "INV-2026-0042"}


def filled(variables: dict[str, str]) -> str:
    return f"Dear {variables['contact_name']}, invoice {variables['invoice_number']} is due. Acme"


def registered(**changes: Any) -> Registered:
    variables = VARIABLES | changes
    return Registered(entity_id="11", template_id="22", filled=filled(variables), variables=variables)


def said(text: str | None = None, *, to: str = INDIAN, text_of: Registered | None = None, rules: Rules = RULES):
    known = text_of or registered()
    return admit(known.filled if text is None else text, to=to, reference="m-1", registered=known, rules=rules)


def code(outcome: Message | Refused) -> int | str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def test_a_registered_text_with_its_variables_may_be_said():
    message = said()
    assert isinstance(message, Message)
    assert (message.to, message.text) == (INDIAN, "Dear Priya, invoice INV-2026-0042 is due. Acme")


@pytest.mark.parametrize("to", ["09876512345", "98765 12345", "+91 98765 12345"])
def test_the_number_is_written_in_e164(to: str):
    message = said(to=to)
    assert isinstance(message, Message)
    assert message.to == INDIAN


def test_one_blank_more_is_another_text():
    assert code(said("Dear Priya, invoice INV-2026-0042  is due. Acme")) == "not_as_registered"
    assert code(said("Dear Priya, invoice INV-2026-0042 is due. acme")) == "not_as_registered"


def test_free_text_is_refused_in_india_and_where_nobody_allowed_it():
    for to in (INDIAN, "09876512345", "+4915112345678"):
        refused = admit("Any words", to=to, reference="m-1", registered=None, rules=RULES)
        assert code(refused) == "free_text"
    assert isinstance(admit("Any words", to=BRITISH, reference="m-1", registered=None, rules=RULES), Message)


def test_no_configuration_allows_free_text_in_india():
    rules = Rules(max_segments=3, free_text_to=("+",))
    assert code(admit("Any words", to=INDIAN, reference="m-1", registered=None, rules=rules)) == "free_text"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("x" * (LONGEST_VARIABLE + 1), "has 31 characters"),
        ("", "is empty"),
        (" ", "is empty"),
        ("two\nlines", "line break"),
        ("bell\x07", "control character"),
        ("https://evil.example/x", "not registered"),
        ("www.evil.example", "not registered"),
        ("evil.example/x", "not registered"),
        ("acme.example.evil.example/x", "not registered"),
        ("https://pay.acme.example", "not registered"),
    ],
)
def test_what_the_operators_drop_in_a_variable_is_refused(value: str, says: str):
    refused = said(text_of=registered(contact_name=value))
    assert code(refused) == "variable"
    assert isinstance(refused, Refused)
    assert says in refused.reason


@pytest.mark.parametrize(
    "value", ["x" * LONGEST_VARIABLE, "प्रिया शर्मा", "Rs 52,400", "pay.acme.example/i/42", "HTTPS://acme.example/?i=42", "Acme Pvt. Ltd."]
)  # fmt: skip
def test_what_they_take_may_be_said(value: str):
    assert isinstance(said(text_of=registered(contact_name=value)), Message)


def test_a_text_of_too_many_segments_is_refused():
    dear = admit("a" * 460, to=BRITISH, reference="m-1", registered=None, rules=RULES)
    assert code(dear) == "too_long"


def test_nothing_and_nobody_are_refused():
    assert code(admit("  \n", to=BRITISH, reference="m-1", registered=None, rules=RULES)) == "empty"
    nobody = said(to="Priya")
    assert isinstance(nobody, Refused)
    assert (nobody.code, nobody.scope) == ("no_phone", "contact")


def test_one_letter_beyond_gsm7_makes_it_unicode():
    plain, hindi = said(), said(text_of=registered(contact_name="प्रिया"))
    assert isinstance(plain, Message)
    assert isinstance(hindi, Message)
    assert (plain.unicode, hindi.unicode) == (False, True)


@given(st.text(max_size=40), st.sampled_from([INDIAN, BRITISH]))
def test_whatever_a_variable_holds_the_text_goes_out_as_registered_or_not_at_all(value: str, to: str):
    known = registered(contact_name=value)
    outcome = said(to=to, text_of=known)
    if isinstance(outcome, Message):
        assert outcome.text == known.filled
        assert 0 < len(value) <= LONGEST_VARIABLE
        assert "\n" not in value
