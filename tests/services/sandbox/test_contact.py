"""The contact at the other end answers as the script says."""

import pytest

from services.sandbox.contact import Contacts
from services.sandbox.settings import ANYONE, PRIYA, Line, Script
from tests.services.sandbox.conftest import Business, Sandbox

PRIYAS_PHONE = "+919876543210"
RAHUL = "919812345678"


async def test_priya_promises_a_date_when_she_is_reminded_and_stays_silent_when_thanked(
    sandbox: Sandbox, business: Business
):
    await sandbox.control("PUT", f"/contacts/{PRIYAS_PHONE}/script", _soon(PRIYA))
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
    await sandbox.template("hello", to="919834567890", reference="unscripted")
    await sandbox.template("hello", to=RAHUL, reference="scripted")
    await business.until(lambda b: len(b.said) == 2)
    assert [said.words for said in business.said] == ["namaste", "kaun?"]
    await sandbox.control("DELETE", f"/contacts/{RAHUL}/script")
    await sandbox.template("hello", to=RAHUL, reference="silenced")
    await business.until(lambda b: sum(s.state == "read" for s in b.statuses) == 3)
    assert len(business.said) == 2


async def test_a_script_with_a_broken_expression_is_refused(sandbox: Sandbox):
    answer = await sandbox.client.put(
        f"/_sandbox/contacts/{RAHUL}/script", json={"lines": [{"when": "(", "say": ["x"]}]}
    )
    assert answer.status_code == 422
    assert "'(' is not a regular expression" in answer.text


@pytest.mark.parametrize("phone", ["+919812345678", "919812345678", "+91 98123 45678"])
def test_a_phone_is_the_same_in_every_notation(phone: str):
    contacts = Contacts({phone: Script(lines=(Line(say=("yes",)),))})
    assert contacts.hear(RAHUL, "hello", None) == Line(say=("yes",))


def test_the_first_line_that_fits_speaks_and_one_that_is_said_once_is_used_up():
    once, always = Line(when="due", say=("later",), once=True), Line(when="DUE|paid", say=("done",))
    contacts = Contacts({RAHUL: Script(lines=(once, always))})
    heard = [contacts.hear(RAHUL, text, None) for text in ("it is due", "it is due", "is it paid?", "bye")]
    assert heard == [once, always, always, None]


def test_the_templates_name_counts_like_its_text():
    contacts = Contacts({RAHUL: Script(lines=(Line(when="^reminder_v[0-9]$", say=("ok",)),))})
    assert contacts.hear(RAHUL, "Dear customer", "reminder_v3") is not None
    assert contacts.hear(RAHUL, "Dear customer", None) is None


def test_everybody_else_has_the_script_of_anyone():
    contacts = Contacts({ANYONE: Script(name="Somebody", lines=(Line(say=("hi",), once=True),)), RAHUL: Script()})
    assert contacts.hear(RAHUL, "hello", None) is None
    assert contacts.hear("911", "hello", None) is not None
    assert contacts.hear("911", "hello", None) is None
    assert contacts.hear("912", "hello", None) is not None
    assert contacts.name("912") == "Somebody"


def test_a_new_script_may_say_again_what_the_old_one_said_once():
    script = Script(lines=(Line(say=("hi",), once=True),))
    contacts = Contacts({RAHUL: script})
    assert contacts.hear(RAHUL, "hello", None) is not None
    contacts.give(RAHUL, script)
    assert contacts.hear(RAHUL, "hello", None) is not None


def test_a_new_script_for_everybody_else_lets_those_with_their_own_be():
    once = Script(lines=(Line(say=("hi",), once=True),))
    contacts = Contacts({RAHUL: once, ANYONE: once})
    assert contacts.hear(RAHUL, "hello", None) is not None
    assert contacts.hear("911", "hello", None) is not None
    contacts.give(ANYONE, once)
    assert contacts.hear(RAHUL, "hello", None) is None
    assert contacts.hear("911", "hello", None) is not None


def _soon(script: Script) -> dict[str, object]:
    """A script without its waits, as the control takes it."""
    lines = [{"when": line.when, "say": line.say, "once": line.once, "after_seconds": 0} for line in script.lines]
    return {"name": script.name, "lines": lines}
