"""Whether a machine has taken the call, by what is said first."""

import pytest

from libs.domain.voicemail import Policy, machine, policy

MAILBOXES = [
    "The person you are calling is not available. Please leave a message after the beep.",
    "Hi, you have reached the voice mail of Priya Sharma",
    "Sorry I cannot take your call right now",
    "Kripaya beep ke baad apna sandesh record karein",
    "कृपया बीप के बाद अपना संदेश छोड़ें",
]
ANNOUNCEMENTS = [
    "The number you have dialled is switched off",
    "The Airtel customer you are trying to reach is currently busy",
    "The subscriber is not reachable at the moment",
    "Aap jis vyakti se sampark karna chahte hain, woh abhi vyast hai",
    "Aap jis number par call kar rahe hain woh abhi band hai",
    "आप जिस नंबर से संपर्क करना चाहते हैं वह अभी स्विच ऑफ है",
    "Please try again later",
]
PEOPLE = [
    "Hello?",
    "Haan ji, boliye",
    "Hello, kaun bol raha hai?",
    "Abhi main busy hoon, baad mein call karo",
    "I am in a meeting, please call me after four",
    "Haan main Priya bol rahi hoon, aap kaun aur kahan se bol rahe hain yeh to bataiye pehle zara",
    "हाँ जी, बोलिए",
]


@pytest.mark.parametrize("text", MAILBOXES)
def test_what_speaks_of_a_message_or_a_tone_is_a_mailbox(text):
    assert machine(text, speaking_ms=3000) == "mailbox"


@pytest.mark.parametrize("text", ANNOUNCEMENTS)
def test_the_networks_own_words_are_an_announcement(text):
    assert machine(text, speaking_ms=3000) == "announcement"


@pytest.mark.parametrize("text", PEOPLE)
def test_people_are_people_however_long_they_speak(text):
    assert machine(text, speaking_ms=9000) is None


MONOLOGUE = "thank you for calling acme traders our office is open from ten to six on all days of the week"


@pytest.mark.parametrize(
    ("speaking_ms", "text", "found"),
    [
        (6000, MONOLOGUE, "mailbox"),
        (5900, MONOLOGUE, None),
        (9000, "thank you for calling", None),
        (9000, MONOLOGUE + " hello who is this", None),
    ],
)
def test_a_long_monologue_is_a_mailbox(speaking_ms, text, found):
    assert machine(text, speaking_ms=speaking_ms) == found


def test_the_settings_say_what_is_done():
    assert policy({}) == Policy(leave_message=False, message=None, within_ms=10_000)
    told = {"voicemail": {"policy": "leave_message", "message": "Call us.", "within_s": 6}}
    assert policy(told) == Policy(leave_message=True, message="Call us.", within_ms=6000)
