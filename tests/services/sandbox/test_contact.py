"""The people at the other end answer as they are described, on whatever channel they are reached."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.sandbox.contact import CannotSpeak, Contacts
from services.sandbox.contact_people import PRIYA, SILENT
from services.sandbox.contact_script import ANYONE, Choice, File, Heard, Line, Person, Utterance
from services.sandbox.state import Background
from tests.services.sandbox.conftest import Business, Sandbox

PRIYAS_PHONE = "+919876543210"
RAHUL = "919812345678"
MEERA = {"whatsapp": "+919800000001", "email": "Meera@Iyer.example", "chat": "c_1"}


class Listener:
    """A mouth that keeps what is said."""

    def __init__(self, times: int = 1) -> None:
        self.said: list[Utterance] = []
        self._times = times
        self._heard = asyncio.Event()

    async def say(self, utterance: Utterance) -> None:
        self.said.append(utterance)
        if len(self.said) >= self._times:
            self._heard.set()

    async def all_said(self) -> list[Utterance]:
        async with asyncio.timeout(60):
            await self._heard.wait()
        return self.said


def contacts_of(*people: Person, anyone: Person = SILENT) -> Contacts:
    return Contacts(people, anyone=anyone, background=Background())


def at(address: str, *lines: Line, name: str = "") -> Person:
    return Person(name=name, addresses={"whatsapp": address}, lines=lines)


def heard(
    text: str = "hello", address: str = RAHUL, *, channel: str = "whatsapp", choices: Sequence[Choice] = (), **more: Any
) -> Heard:
    return Heard(channel=channel, address=address, text=text, choices=tuple(choices), **more)


async def test_priya_promises_a_date_when_she_is_reminded_and_stays_silent_when_thanked(
    sandbox: Sandbox, business: Business
):
    lines = [{"when": line.when, "say": line.say, "once": line.once, "after_seconds": 0} for line in PRIYA.lines[:1]]
    await sandbox.control("PUT", f"/contacts/{PRIYAS_PHONE}/script", {"name": PRIYA.name, "lines": lines})
    answer = await sandbox.template("payment_reminder", name="Priya")
    await business.until(lambda b: bool(b.said))
    (promise,) = business.said
    assert promise.words == "Haan ji, 20 February tak kar denge"
    assert promise.quoted == answer.json()["messages"][0]["id"]
    assert (promise.sender.number, promise.sender.name) == (PRIYAS_PHONE, "Priya Sharma")
    await sandbox.text("Dhanyavaad! INV-2026-0042: 20 February noted.", reference="thanks")
    await business.until(lambda b: any(s.reference == "thanks" and s.state == "read" for s in b.statuses))
    assert len(business.said) == 1


async def test_a_contact_may_say_several_things_and_without_a_script_nothing(sandbox: Sandbox, business: Business):
    script = {"name": "Rahul", "lines": [{"when": "hello", "say": ["namaste", "kaun?"], "after_seconds": 0}]}
    await sandbox.control("PUT", f"/contacts/{RAHUL}/script", script)
    await sandbox.template("hello", to="919899999999", reference="unscripted")
    await sandbox.template("hello", to=RAHUL, reference="scripted")
    await business.until(lambda b: len(b.said) == 2)
    assert [said.words for said in business.said] == ["namaste", "kaun?"]
    await sandbox.control("DELETE", f"/contacts/{RAHUL}/script")
    await sandbox.template("hello", to=RAHUL, reference="silenced")
    await business.until(lambda b: sum(s.state == "read" for s in b.statuses) == 3)
    assert len(business.said) == 2


async def test_somebody_speaks_unasked_where_there_is_an_emulator_and_an_address(sandbox: Sandbox, business: Business):
    await sandbox.control("POST", f"/contacts/{RAHUL}/say", {"channel": "whatsapp", "say": ["mera order kahan hai?"]})
    await business.until(lambda b: bool(b.said))
    assert business.said[0].words == "mera order kahan hai?"
    answer = await sandbox.client.post(f"/_sandbox/contacts/{RAHUL}/say", json={"channel": "telegraph", "say": ["x"]})
    assert (answer.status_code, "no emulator" in answer.text) == (422, True)


async def test_a_script_with_a_broken_expression_is_refused(sandbox: Sandbox):
    answer = await sandbox.client.put(
        f"/_sandbox/contacts/{RAHUL}/script", json={"lines": [{"when": "(", "say": ["x"]}]}
    )
    assert answer.status_code == 422
    assert "'(' is not a regular expression" in answer.text


@pytest.mark.parametrize("phone", ["+919812345678", "919812345678", "+91 98123 45678"])
def test_a_phone_is_the_same_in_every_notation(phone: str):
    contacts = contacts_of(at(phone, Line(say=("yes",))))
    assert contacts.answer(heard()) == Line(say=("yes",))


def test_the_first_line_that_fits_speaks_and_one_that_is_said_once_is_used_up():
    once, always = Line(when="due", say=("later",), once=True), Line(when="DUE|paid", say=("done",))
    contacts = contacts_of(at(RAHUL, once, always))
    answers = [contacts.answer(heard(text)) for text in ("it is due", "it is due", "is it paid?", "bye")]
    assert answers == [once, always, always, None]


def test_the_templates_name_and_the_subject_count_like_the_text():
    contacts = contacts_of(at(RAHUL, Line(when="^reminder_v[0-9]$", say=("ok",))))
    assert contacts.answer(heard("Dear customer", template="reminder_v3")) is not None
    assert contacts.answer(heard("Dear customer", subject="reminder_v3")) is not None
    assert contacts.answer(heard("Dear customer")) is None


def test_a_line_may_be_for_one_channel_or_for_one_button_only():
    press, mail, any_ = Line(press="Yes"), Line(channel="email", say=("mail",)), Line(say=("any",))
    contacts = contacts_of(Person(addresses=MEERA, lines=(press, mail, any_)))
    assert contacts.answer(heard(address="c_1", channel="chat", choices=[Choice("y", "Yes")])) == press
    assert contacts.answer(heard(address="c_1", channel="chat", choices=[Choice("Yes", "Ja")])) == press
    assert contacts.answer(heard(address="c_1", channel="chat", choices=[Choice("n", "No")])) == any_
    assert contacts.answer(heard(address="meera@iyer.EXAMPLE", channel="email")) == mail


def test_what_was_done_once_is_done_on_all_channels():
    contacts = contacts_of(Person(addresses=MEERA, lines=(Line(say=("hi",), once=True),)))
    assert contacts.answer(heard(address="c_1", channel="chat")) is not None
    assert contacts.answer(heard(address=MEERA["email"], channel="email")) is None


def test_everybody_else_has_the_script_of_anyone():
    anyone = Person(name="Somebody", lines=(Line(say=("hi",), once=True),))
    contacts = contacts_of(at(RAHUL), anyone=anyone)
    assert contacts.answer(heard()) is None
    assert contacts.answer(heard(address="911")) is not None
    assert contacts.answer(heard(address="911")) is None
    assert contacts.answer(heard(address="912")) is not None
    assert contacts.name("912") == "Somebody"


def test_a_new_script_may_say_again_what_the_old_one_said_once():
    script = at(RAHUL, Line(say=("hi",), once=True))
    contacts = contacts_of(script)
    assert contacts.answer(heard()) is not None
    contacts.give(script)
    assert contacts.answer(heard()) is not None


def test_a_new_script_for_everybody_else_lets_those_with_their_own_be():
    once = Line(say=("hi",), once=True)
    contacts = contacts_of(at(RAHUL, once), anyone=Person(lines=(once,)))
    assert contacts.answer(heard()) is not None
    assert contacts.answer(heard(address="911")) is not None
    contacts.give(at(ANYONE, once))
    assert contacts.answer(heard()) is None
    assert contacts.answer(heard(address="911")) is not None


def test_a_reset_brings_back_who_was_there_at_the_start():
    contacts = contacts_of(at(RAHUL, Line(say=("hi",), once=True)))
    contacts.answer(heard())
    contacts.give(Person(name="Other", addresses={"sms": RAHUL, "email": "other@example.com"}))
    assert contacts.name("other@example.com") == contacts.name(RAHUL) == "Other"
    contacts.reset()
    assert contacts.name("other@example.com") == "Contact"
    assert contacts.answer(heard()) is not None


def test_a_phone_serves_whatsapp_and_sms_but_nothing_else():
    person = at("+919812345678")
    assert (person.at("sms"), person.at("whatsapp"), person.at("email")) == ("+919812345678", "+919812345678", None)


async def test_an_answer_on_another_channel_goes_on_where_that_left_off():
    lines = (Line(when="first", say=()), Line(when="second", on="email", say=("by mail",), after_seconds=0))
    contacts = contacts_of(Person(addresses=MEERA, lines=lines))
    mail, chat = Listener(), Listener()
    contacts.speaks("email", mail)
    contacts.speaks("chat", chat)
    contacts.hear("email", MEERA["email"], "first", subject="Invoice", id="<1@us>")
    contacts.hear("chat", MEERA["chat"], "second", id="7")
    [said] = await mail.all_said()
    assert (said.text, said.address) == ("by mail", "Meera@Iyer.example")
    assert said.answers is not None
    assert (said.answers.id, said.answers.subject) == ("<1@us>", "Invoice")
    assert chat.said == []


async def test_a_line_does_all_that_it_lists_in_order():
    proof = File(media_type="application/pdf", name="utr.pdf", data=b"%PDF-1.4")
    line = Line(press="paid", say=("see", "there"), files=(proof,), unsubscribe=True, automatic=True, after_seconds=0)
    contacts = contacts_of(Person(addresses=MEERA, lines=(line,)))
    chat = Listener(times=5)
    contacts.speaks("chat", chat)
    contacts.hear("chat", "c_1", "paid?", id="7", choices=[Choice("paid", "I have paid")])
    said = await chat.all_said()
    assert said[0].press == Choice("paid", "I have paid")
    assert [each.text for each in said[1:3]] == ["see", "there"]
    assert said[3].file == proof
    assert said[4].unsubscribe
    assert all(each.automatic and each.answers is not None and each.answers.id == "7" for each in said)


async def test_who_has_no_address_on_a_channel_cannot_speak_there():
    contacts = contacts_of(at(RAHUL))
    contacts.speaks("email", Listener())
    with pytest.raises(CannotSpeak, match="no address"):
        await contacts.say("email", Line(say=("x",)), address=RAHUL)


def test_a_voice_note_has_bytes_of_its_own():
    one, other = (File(media_type="audio/ogg", spoken=words) for words in ("kal", "parson"))
    assert one.voice
    assert one.content != other.content
