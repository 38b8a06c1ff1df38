"""People on the phone understand what they hear, answer it, interrupt, hum, pause, dictate, fall silent and hang up."""

from collections.abc import Callable

import pytest

from services.sandbox.contact import Contacts
from services.sandbox.contact_people import PEOPLE, SILENT
from services.sandbox.state import Background
from services.sandbox.voice.hearing import Hearing, Lexicon
from services.sandbox.voice.phone import Moment, Phones, Talker
from services.sandbox.voice.phone_http import read
from services.sandbox.voice.phone_people import PHONES
from services.sandbox.voice.recording import Recording, svg
from services.sandbox.voice.sound import silence
from services.sandbox.voice.speech import Speaker

PRIYA = "+919876543210"
REMINDER = "Namaste Priya ji, your invoice INV-2026-0042 is overdue. When can you pay?"


@pytest.fixture
def phones() -> Phones:
    contacts = Contacts(PEOPLE, anyone=SILENT, background=Background())
    return Phones(contacts, Speaker(None), ears=Lexicon(), mouths=Lexicon())


class Line:
    """A call without a carrier: an agent that plays sound, and what it hears of the contact."""

    def __init__(self, phones: Phones, script: str, number: str = PRIYA) -> None:
        self.phones = phones
        if script:
            phones.give(number, read(script))
        self.talker = Talker(phones, number)
        self.agent = Speaker(None, pitch=1.5)
        self.ear = Hearing(phones.peoples_words)
        self.recording = Recording()
        self.digits = ""
        self._playing = b""

    async def says(self, text: str) -> None:
        speech = await self.agent.say(text)
        self.phones.agents_words.teach(speech)
        self._playing += speech.pcm

    async def passes(self, seconds: float) -> "Line":
        for _ in range(round(seconds * 10)):
            played, self._playing = self._playing[:1600].ljust(1600, b"\0"), self._playing[1600:]
            self.talker.hear(played)
            said = await self.talker.speak()
            self.recording.add(said, played)
            for block in self.ear.slices(said):
                self.ear.take(block)
            self.digits += "".join(self.talker.digits())
        return self

    @property
    def heard(self) -> str:
        """What the contact has said, as somebody who listens understands it."""
        return " ".join(word.text for word in self.ear.words)

    def moment(self, what: str) -> Moment:
        return next(each for each in self.talker.moments if each.what == what)


@pytest.fixture
def call(phones: Phones) -> Callable[..., Line]:
    return lambda script="", number=PRIYA: Line(phones, script, number)


async def test_somebody_answers_and_says_hello(call: Callable[..., Line]):
    line = await call().passes(1.5)
    assert line.heard == "Hello?"


async def test_they_understand_the_agent_and_answer_after_their_patience(call: Callable[..., Line]):
    line = call('{acts: [{on: heard, when: "when can you pay", do: [{say: "Kal."}]}], patience_seconds: 0.6}')
    await line.says(REMINDER)
    await line.passes(12)
    assert line.talker.heard == [REMINDER]
    assert line.heard == "Kal."
    agent, answer = line.talker.moments
    assert agent.end is not None
    assert 0.6 <= answer.at - agent.end < 0.9


async def test_who_has_no_act_says_what_they_would_write(call: Callable[..., Line]):
    line = call("{acts: []}")
    await line.says(REMINDER)
    await line.passes(14)
    assert line.heard == "Haan ji, 20 February tak kar denge"


async def test_somebody_interrupts_while_the_agent_speaks(call: Callable[..., Line]):
    line = call('{acts: [{on: speaking, after_seconds: 1, do: [{say: "Ek minute ruko!"}]}]}')
    await line.says(REMINDER)
    await line.passes(3.5)
    assert line.moment("Ek minute ruko!").at == pytest.approx(1.1, abs=0.11)
    assert line.talker.heard == []


async def test_somebody_hums_at_every_speech(call: Callable[..., Line]):
    line = call('{acts: [{on: speaking, after_seconds: 0.5, once: false, do: [{say: "hmm"}]}], deaf: true}')
    for _ in range(2):
        await line.says("Aapka invoice baaki hai, aur humein jaankari chahiye.")
        await line.passes(7)
    assert line.heard == "hmm hmm"


async def test_somebody_pauses_in_mid_sentence(call: Callable[..., Line]):
    line = call('{acts: [{on: answered, do: [{say: "Main aapko…"}, {wait: 0.9, say: "kal bataunga."}]}]}')
    await line.passes(4)
    first, second = line.talker.moments
    assert first.end is not None
    assert second.at - first.end == pytest.approx(0.9, abs=0.2)
    assert line.heard == "Main aapko… kal bataunga."


async def test_somebody_dictates_digits(call: Callable[..., Line]):
    pieces = "{say: paanch}, {wait: 0.6, say: do}, {wait: 0.6, say: chaar}, {wait: 0.6, say: shunya}"
    line = await call(f"{{acts: [{{on: answered, do: [{pieces}]}}]}}").passes(6)
    assert line.heard == "paanch do chaar shunya"


async def test_somebody_stays_silent_until_they_are_asked_again(call: Callable[..., Line]):
    line = await call('{acts: [{on: silence, after_seconds: 3, do: [{say: "Hello?"}]}]}').passes(2.9)
    assert line.heard == ""
    assert (await line.passes(2)).heard == "Hello?"


async def test_somebody_presses_keys_and_hangs_up(call: Callable[..., Line]):
    line = await call('{acts: [{on: answered, do: [{press: "12"}, {wait: 0.5, hang_up: true}]}]}').passes(0.3)
    assert (line.digits, line.talker.gone) == ("12", False)
    assert (await line.passes(0.6)).talker.gone


async def test_somebody_hangs_up_behind_their_last_words(call: Callable[..., Line]):
    line = await call('{acts: [{on: answered, do: [{say: "Bye.", hang_up: true}]}]}').passes(2)
    assert line.heard == "Bye."
    assert line.talker.gone


async def test_somebody_gives_up_when_nobody_speaks(call: Callable[..., Line]):
    line = await call("{acts: [], hangs_up_after: 2}").passes(1.8)
    assert not line.talker.gone
    assert (await line.passes(0.5)).talker.gone


async def test_a_mailbox_speaks_and_beeps(call: Callable[..., Line]):
    line = await call("{fate: voicemail}").passes(12)
    assert line.heard.startswith("The person you are calling is not available.")
    assert line.moment("beep").at > 4


@pytest.mark.parametrize("script", ['{acts: [{when: "("}]}', "{fate: explodes}", "[", "{acts: [{do: [{sing: x}]}]}"])
def test_what_is_no_script_is_refused(phones: Phones, script: str):
    with pytest.raises(ValueError, match=r"script|expression"):
        phones.give(PRIYA, read(script))


async def test_a_picture_shows_who_spoke_when(call: Callable[..., Line]):
    line = call('{acts: [{on: speaking, after_seconds: 1, do: [{say: "Arre <ruko>"}, {press: "5"}]}], deaf: true}')
    await line.says(REMINDER)
    await line.passes(8)
    picture = svg(line.talker.moments, line.recording.seconds, "a call")
    assert picture.count("<rect") == 3  # agent, contact, the key
    assert "Arre &lt;ruko&gt;" in picture
    assert "presses 5" in picture


def test_a_recording_keeps_both_sides_in_step():
    recording = Recording()
    recording.add(silence(100), silence(40))
    assert recording.seconds == 0.1
    assert len(recording.wav()) == 44 + 2 * 1600


async def test_priya_wants_the_invoice_promises_and_says_goodbye(phones: Phones):
    """The people of the ERP have phones of their own."""
    for number, phone in PHONES.items():
        phones.give(number, phone)
    line = Line(phones, "")
    for said in (REMINDER, "Maine WhatsApp par bhej diya hai. Kab tak payment kar denge?", "Note kar liya hai."):
        await line.says(said)
        await line.passes(14)
    assert line.heard == (
        "Hello? hmm Haan ji, mujhe invoice WhatsApp pe bhej do. Theek hai, 20 February tak payment kar denge. "
        "Theek hai, dhanyavaad, bye."
    )
    assert line.talker.gone


def test_everybody_in_the_erp_has_a_phone():
    assert {person.addresses["whatsapp"] for person in PEOPLE} == set(PHONES)
