"""What people of the shipped processes say: by the intents that these offer, the emulated Claude tells them apart."""

import pytest

from services.sandbox.understanding import Offer, facts_of, intents_of, read
from tests.libs.config.shipped import shipped
from tests.libs.llm.nouns import MORNING

NOW = MORNING.replace(tzinfo=None)


def meant(process: str, text: str) -> list[str]:
    """The intents of a message, of those that a shipped process knows."""
    offers = [Offer(name, description) for name, description in shipped().state_maps[process].intents.items()]
    return [intent.name for intent in intents_of([read(text, NOW)], offers)]


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("Which invoice is this?", []),
        ("What is this invoice for?", []),
        ("Kaunsa invoice hai yeh?", []),
        ("यह कौन सा बिल है?", []),
        ("How much is pending?", []),
        ("Kitna amount baaki hai?", []),
        ("Are you a bot?", []),
        ("Could you send me the invoice again?", ["ask_invoice_copy"]),
        ("bill ki copy bhej do", ["ask_invoice_copy"]),
        ("मैं राजेश नहीं हूँ", ["wrong_person"]),
        ("I don't handle payments, this is not my department", ["wrong_person"]),
        ("Call me next week", ["ask_later"]),
        ("Not now, remind me on Monday", ["ask_later"]),
        ("thoda time chahiye, paise nahi hai abhi", ["needs_time"]),
        ("kal tak pakka", ["promise_to_pay"]),
        ("I will pay the rest on 2 March.", ["promise_to_pay"]),
        ("We can pay half now and the rest later", ["partial_payment"]),
        ("This is harassment! I will complain to the RBI", ["complain"]),
        ("paisa nahi dunga", ["refuse_to_pay"]),
        ("पिताजी का देहांत हो गया है", ["in_distress"]),
        ("यूटीआर SBIN226047123456", ["payment_reference"]),
    ],
)
def test_what_is_said_about_a_payment(text: str, intents: list[str]):
    assert [each for each in meant("payment_collection", text) if each != "acknowledge"] == intents


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("make it 80 instead of 120 please", ["change_order"]),
        ("quantity 100 kar do", ["change_order"]),
        ("this date does not suit us", ["change_order"]),
        ("Please deliver to our Pune godown instead", ["change_order"]),
        ("naya date chalega", ["order_correct"]),
        ("wrong item was delivered", ["report_issue"]),
        ("size galat aaya hai", ["report_issue"]),
        ("received everything, thanks", ["order_received"]),
    ],
)
def test_what_is_said_about_an_order(text: str, intents: list[str]):
    assert meant("order_fulfillment", text) == intents


def test_who_promises_means_the_day_to_come_of_two():
    message = read("Maine aapko kal hi bola tha ki 25 ko dunga", NOW)
    stated = facts_of([message], [Offer("payment_date")], {"payment_date": "date"})
    assert [(each.value, each.words) for each in stated] == [("2026-02-25", "25 ko")]
