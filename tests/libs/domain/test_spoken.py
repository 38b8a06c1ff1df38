"""What is written becomes what one says on the phone in India: in English, Hinglish and Hindi."""

from decimal import Decimal

import pytest

from libs.domain import numerals
from libs.domain.spoken import language_in, speakable

SAID = [
    # amounts
    ("Your bill of ₹2,52,400 is due.", "Your bill of two lakh fifty-two thousand four hundred rupees is due."),
    ("Aapka ₹2,52,400 baaki hai.", "Aapka do lakh baavan hazaar chaar sau rupaye baaki hai."),
    ("आपका ₹2,52,400 बाकी है।", "आपका दो लाख बावन हज़ार चार सौ रुपये बाकी है।"),
    ("We have Rs. 52,400/- open.", "We have fifty-two thousand four hundred rupees open."),
    ("We have INR 52400.50 open.", "We have fifty-two thousand four hundred rupees and fifty paise open."),
    ("We have 52400 rupees open.", "We have fifty-two thousand four hundred rupees open."),
    ("The sum is ₹2.5 lakh.", "The sum is two point five lakh rupees."),
    ("Aapka ₹2.5 lakh baaki hai.", "Aapka dhaai lakh rupaye baaki hai."),
    ("Aapka 1.5 crore aur 3.5 lakh hai.", "Aapka dedh crore aur saadhe teen lakh hai."),
    ("You paid $30 and ₹1.", "You paid thirty dollars and one rupee."),
    # dates, day first
    ("It is due on 2026-02-20.", "It is due on twentieth of February twenty twenty-six."),
    ("It is due on February 20, 2026.", "It is due on twentieth of February twenty twenty-six."),
    ("It is due on 20/02/2026.", "It is due on twentieth of February twenty twenty-six."),
    ("It is due by 20 Feb.", "It is due by twentieth of February."),
    ("Aap 20 February tak kar denge?", "Aap bees February tak kar denge?"),
    ("आप 20/02/2026 तक करेंगे?", "आप बीस फरवरी दो हज़ार छब्बीस तक करेंगे?"),
    ("It was 31/02/2026.", "It was three one zero two two zero two six."),
    # times
    ("Can we call at 4:30 pm?", "Can we call at four thirty pm?"),
    ("Hum kal 4:30 baje call karenge.", "Hum kal saadhe chaar baje call karenge."),
    ("Hum kal 16:10 ko call karenge.", "Hum kal solah bajkar das minute ko call karenge."),
    # numbers that are no amounts
    ("Your number is 9876543210.", "Your number is nine eight seven six five, four three two one zero."),
    ("Your number is +91 98765 43210.", "Your number is plus nine one, nine eight seven six five, four three two one zero."),
    ("It is invoice INV-2026-0042.", "It is invoice I N V, twenty twenty-six, zero zero four two."),
    ("The order is ORDER-88.", "The order is ORDER, eight eight."),
    ("The GSTIN is 27AAPFU0939F1ZV.", "The GSTIN is two seven A A P F U zero nine three nine F one Z V."),
    ("The code is 0042.", "The code is zero zero four two."),
    ("It takes 3-5 days in 2026.", "It takes three to five days in twenty twenty-six."),
    ("Aapko 3-5 din ka samay hai.", "Aapko teen se paanch din ka samay hai."),
    ("This is the 2nd reminder, with 18% interest.", "This is the second reminder, with eighteen percent interest."),
    ("You have 100 boxes.", "You have one hundred boxes."),
    # addresses
    ("Write to asha@acme.example.", "Write to asha at acme dot example."),
    # markup, lists, symbols
    ("**Thank you**, Sir.", "Thank you, Sir."),
    ("Please note\n- the invoice\n- the date.", "Please note, the invoice, the date."),
    ("1. Pay now.", "Pay now."),
    ("No. That is bill No. 5.", "No. That is bill number five."),
    ("Acme & Co., M/s Rao Pvt. Ltd. a/c", "Acme and Co., Messrs Rao private limited account"),
    ("Thank you 😊 → bye", "Thank you bye"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), SAID)
def test_it_is_said_as_one_says_it(written, said):
    assert speakable(written, "en") == said


@pytest.mark.parametrize("text", ["Namaste Priya ji, kya aap bol sakte hain?", "Thank you, Ma'am.", "धन्यवाद, नमस्ते।"])
def test_plain_words_stay_as_they_are(text):
    assert speakable(text, "en") == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Aapka payment kab tak hoga?", "hi-Latn"),
        ("When will you pay the invoice?", "en"),
        ("आप कब भुगतान करेंगे?", "hi"),
        ("Namaste Priya ji", None),
    ],
)
def test_a_text_tells_its_language_by_its_small_words(text, language):
    assert language_in(text) == language


def test_the_names_from_0_to_99_are_all_different():
    assert len(set(numerals.HINDI)) == len(set(numerals.HINGLISH)) == 100


@pytest.mark.parametrize(
    ("number", "english", "hinglish", "hindi"),
    [
        (0, "zero", "shunya", "शून्य"),
        (99, "ninety-nine", "ninyaanve", "निन्यानवे"),
        (100, "one hundred", "ek sau", "एक सौ"),
        (105_000, "one lakh five thousand", "ek lakh paanch hazaar", "एक लाख पाँच हज़ार"),
        (10_000_000, "one crore", "ek crore", "एक करोड़"),
        (-5, "minus five", "minus paanch", "माइनस पाँच"),
    ],
)
def test_a_number_is_said_in_the_words_of_its_language(number, english, hinglish, hindi):
    assert numerals.cardinal(number, "en") == english
    assert numerals.cardinal(number, "hi-Latn") == hinglish
    assert numerals.cardinal(number, "hi") == hindi


def test_the_largest_numbers_are_said_too():
    assert numerals.cardinal(12_345_678_901, "en").startswith(
        "one thousand two hundred and thirty-four crore fifty-six lakh"
    )
    assert numerals.cardinal(10**13, "en").split() == ["one", *["zero"] * 13]


@pytest.mark.parametrize(
    ("amount", "said"),
    [("0.5", "fifty paise"), ("1", "one rupee"), ("1.01", "one rupee and one paisa"), ("-2", "minus two rupees")],
)
def test_an_amount_is_said_in_rupees_and_paise(amount, said):
    assert numerals.rupees(Decimal(amount), "en") == said
