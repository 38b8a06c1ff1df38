"""A debt is named only after the contact has confirmed who they are; somebody else hears nothing of it, whatever anybody writes."""

from typing import Any

import pytest

from events.consent import Withdrawn
from events.contact import Address, Profile
from events.conversation import Escalated, MessageRequested, TurnRequested, Understood
from events.errand import WritebackRequested
from events.followup import AttemptStarted, AttemptUnanswered, Exhausted
from events.person import LineLeftOut, PersonHeard
from events.reach import PersonConfirmed, PersonDenied
from libs.config.bundle import Bundle
from libs.domain.conversation import Conversation
from libs.testkit.nouns import INVOICE, MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator import claude
from services.orchestrator.person import CONFIRMS, WRONG_PERSON
from services.orchestrator.story import Door
from tests.libs.config.shipped import TEXTS
from tests.services.orchestrator.errand import bundle_of
from tests.services.orchestrator.scene import OVERDUE, Scene

SECRETS = (INVOICE, "52400", "52,400", "30 January", "overdue", "invoice", "owe", "pay")
OTHER_MAIL = "boss@elsewhere.example"
BY_EMAIL = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
        Address(channel="email", address=PRIYA_EMAIL),
    ],
)


def confirming() -> Bundle:
    """The shipped bundle whose policy asks who it is before a debt is named in writing."""
    policy = TEXTS["policy.yaml"].replace("text: registered_address", "text: confirm")
    return bundle_of({**TEXTS, "policy.yaml": policy})


CONFIRMING = confirming()
REPORTING = bundle_of(
    {
        **TEXTS,
        "settings.yaml": TEXTS["settings.yaml"].replace(
            "    record_promise:",
            '    wrong_person: {method: POST, path: "/contacts/{contact}/wrong"}\n    record_promise:',
        ),
        "policy.yaml": TEXTS["policy.yaml"]
        .replace("text: registered_address", "text: confirm")
        .replace("    valid_days: 180", '    report: {endpoint: wrong_person, payload: {contact: "{{contact.id}}"}}'),
    }
)


def asked(bundle: Bundle = CONFIRMING, channel: str = "whatsapp") -> Scene:
    """Priya has been asked who she is, on one channel, and nothing else has been said."""
    scene = Scene(BY_EMAIL, bundle)
    scene.doors = {channel: Door("sandbox")}
    scene.opens(OVERDUE)
    scene.erp_answers({"paid": False})
    scene.message_is("accepted")
    return scene


def said(scene: Scene) -> list[str]:
    """Everything that was written to anybody, subjects and variables too."""
    found = []
    for each in scene.all(MessageRequested):
        found += [each.body.text, each.body.subject or "", *each.body.variables.values()]
    return found


def leaks(words: list[str]) -> list[str]:
    return [each for each in words for secret in SECRETS if secret.casefold() in each.casefold()]


def shown(scene: Scene) -> str:
    """All that Claude is told in the turn that was asked for last."""
    turn: TurnRequested = scene.last(TurnRequested)
    request = claude.request_for(turn, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
    return repr((request.instructions, request.context, request.history, request.intents, request.slots))


# Asking


@pytest.mark.parametrize(("channel", "template"), [("whatsapp", "confirm_person"), ("email", None)])
def test_the_first_message_asks_who_it_is_and_names_nothing_of_the_matter(channel: str, template: str | None):
    scene = asked(channel=channel)
    [message] = scene.all(MessageRequested)
    assert (message.identifies, message.body.template, message.channel) == (True, template, channel)
    assert "Priya Sharma" in message.body.text
    assert leaks(said(scene)) == []
    [check] = [each for each in message.allowed_by.checks if each.rule == "right_person"]
    assert (check.verdict, check.provision, check.effective) == ("exempt", "rbi-hours", "2022-08-12")


def test_the_question_is_an_attempt_but_no_reminder():
    scene = asked()
    assert scene.last(AttemptStarted).number == 1
    assert scene.state == "pending"
    scene.message_is("read")
    assert scene.state == "pending"


def test_claude_is_asked_who_it_is_and_is_told_of_no_matter():
    scene = asked()
    scene.priya_says("Yes, this is Priya")
    turn = scene.last(TurnRequested)
    assert (turn.identifies, turn.wants, set(turn.intents)) == (True, "understand", {CONFIRMS, WRONG_PERSON})
    assert leaks([shown(scene)]) == []


def test_who_confirms_hears_the_matter_and_what_they_said_is_read_again_for_it():
    scene = asked()
    scene.priya_says("Yes, this is Priya")
    scene.claude_answers(draft=None, intents=[CONFIRMS], words={CONFIRMS: "Yes, this is Priya"})
    known = scene.last(PersonConfirmed)
    assert (known.channel, known.address, known.evidence) == ("whatsapp", PRIYA_PHONE, "Yes, this is Priya")
    turn = scene.last(TurnRequested)
    assert (turn.identifies, turn.wants, turn.step) == (False, "both", "send_reminder")
    assert INVOICE in turn.instructions
    scene.claude_answers(f"Invoice {INVOICE} of 52400 is open.")
    assert scene.last(MessageRequested).body.text == f"Invoice {INVOICE} of 52400 is open."
    scene.message_is("accepted")
    assert scene.state == "reminded"


def test_a_promise_in_the_same_breath_is_not_lost():
    scene = asked()
    scene.priya_says("Yes. I pay on 20 February.")
    scene.claude_answers(draft=None, intents=[CONFIRMS])
    scene.message_is("accepted", scene.all(MessageRequested)[0])
    scene.claude_answers("Noted.", intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-20"})
    assert scene.last(Understood).extracted_info == {"payment_date": "2026-02-20"}


def test_it_is_asked_once_and_remembered_in_the_next_matter():
    scene = asked()
    scene.priya_says("haan")
    scene.claude_answers(draft=None, intents=[CONFIRMS])
    scene.claude_answers("Invoice …")
    scene.message_is("accepted")
    scene.later(hours=5)
    scene.opens(OVERDUE.__class__(**{**_fields(OVERDUE), "entity_id": "INV-2"}), matter="matter-2")
    scene.erp_answers({"paid": False})
    assert len([each for each in scene.all(MessageRequested) if each.identifies]) == 1


# Whatever Claude and others write


def test_nothing_that_claude_writes_is_said_to_somebody_unconfirmed():
    scene = asked()
    scene.priya_says("who is this?")
    scene.claude_answers(f"You owe 52400 for invoice {INVOICE}!", intents=["promise_to_pay"])
    assert leaks(said(scene)) == []
    assert scene.last(PersonHeard).verdict == "unclear"
    assert scene.state == "pending"


def test_who_is_not_clear_is_asked_once_more_and_then_a_person_looks():
    scene = asked()
    for n in range(scene.bundle.policy.right_person.max_asks):
        scene.priya_says("what is this about?")
        scene.claude_answers(draft=None)
        scene.message_is("accepted")
        assert (scene.followup.attempts, len(scene.all(MessageRequested))) == (1, 2), n
    assert scene.followup.status == "exhausted"
    assert "nobody confirmed it" in scene.last(Exhausted).reason
    assert leaks(said(scene)) == []


def test_who_falls_silent_when_asked_again_is_not_forgotten():
    scene = asked()
    scene.priya_says("what is this about?")
    scene.claude_answers(draft=None)
    scene.message_is("accepted")
    assert scene.timer_fires("no_reply") != []
    assert scene.last(AttemptUnanswered).number == 1


def test_when_claude_cannot_read_it_is_asked_again_and_nothing_else_is_said():
    scene = asked()
    scene.priya_says("yes")
    scene.claude_fails()
    assert all(each.identifies for each in scene.all(MessageRequested))
    assert leaks(said(scene)) == []


def test_a_line_of_the_state_map_is_left_out_until_somebody_has_confirmed():
    scene = asked()
    scene.is_moved_by_hand("outcome", "message_sent")
    scene.erp_says("payment_received", invoice_number=INVOICE)
    assert scene.state == "confirmed"
    assert "nobody has confirmed" in scene.last(LineLeftOut).reason
    assert leaks(said(scene)) == []


def test_a_reminder_that_nobody_answers_asks_again_and_says_no_more():
    scene = asked()
    scene.timer_fires("no_reply")
    assert [each.identifies for each in scene.all(MessageRequested)] == [True, True]
    assert leaks(said(scene)) == []


def test_a_channel_without_a_text_that_asks_is_passed_over():
    texts = TEXTS["policy.yaml"].replace("text: registered_address", "text: confirm")
    texts = texts.replace("{whatsapp: confirm_person, sms: confirm_person}", "{sms: confirm_person}")
    scene = Scene(BY_EMAIL, bundle_of({**TEXTS, "policy.yaml": texts}))
    scene.doors = {"whatsapp": Door("sandbox"), "email": Door("sandbox")}
    scene.opens(OVERDUE)
    scene.erp_answers({"paid": False})
    [message] = scene.all(MessageRequested)
    assert (message.channel, message.identifies) == ("email", True)
    assert "no template that asks who it is" in str(scene.last(AttemptStarted).skipped)


# Somebody else


def test_somebody_else_is_told_sorry_and_the_matter_ends_with_a_person_told():
    scene = asked()
    scene.priya_says("No, wrong number")
    scene.claude_answers(draft="You owe us!", intents=[WRONG_PERSON])
    assert "Sorry to have troubled you" in scene.last(MessageRequested).body.text
    assert leaks(said(scene)) == []
    assert scene.followup.status == "exhausted"
    assert (scene.last(Escalated).queue, scene.last(PersonDenied).address) == ("contacts", PRIYA_PHONE)
    assert scene.conversation.unread == ()


def test_the_erp_is_told_by_the_endpoint_that_the_policy_names():
    scene = asked(REPORTING)
    scene.priya_says("No, wrong number")
    scene.claude_answers(draft=None, intents=[WRONG_PERSON])
    told = scene.last(WritebackRequested)
    assert (told.endpoint, told.payload) == ("wrong_person", {"contact": PRIYA})


def test_the_erps_own_follow_up_hears_of_it_without_one():
    scene = Scene(BY_EMAIL, CONFIRMING)
    scene.doors = {"whatsapp": Door("sandbox")}
    scene.opens(OVERDUE.__class__(**{**_fields(OVERDUE), "origin": "erp", "erp_id": "F-1"}))
    scene.erp_answers({"paid": False})
    scene.message_is("accepted")
    scene.priya_says("No, wrong number")
    scene.claude_answers(draft=None, intents=[WRONG_PERSON])
    told = scene.last(WritebackRequested)
    assert (told.endpoint, told.payload["status"]) == ("update_followup", "wrong_person")


def test_nothing_is_begun_where_somebody_else_answered():
    scene = asked()
    scene.priya_says("No, wrong number")
    scene.claude_answers(draft=None, intents=[WRONG_PERSON])
    scene.message_is("accepted")
    scene.later(days=1)
    scene.conversation = Conversation()
    scene.opens(OVERDUE.__class__(**{**_fields(OVERDUE), "entity_id": "INV-2"}), matter="matter-2")
    scene.erp_answers({"paid": False})
    assert "somebody else answered" in str(scene.last(Exhausted).skipped)


def test_a_wrong_person_who_was_taken_for_the_contact_is_remembered_too():
    scene = Scene().reminded()
    scene.priya_says("I am not Priya, wrong number")
    scene.claude_answers(intents=[WRONG_PERSON])
    assert scene.last(PersonDenied).address == PRIYA_PHONE
    assert scene.state == "escalated"
    assert "Sorry to have troubled you" in scene.last(MessageRequested).body.text


def test_stop_comes_before_who_it_is():
    scene = asked()
    scene.priya_says("STOP")
    assert scene.last(Withdrawn).how == "stop_word"
    scene = asked()
    scene.priya_says("please leave us alone, whoever you are")
    scene.claude_answers(draft=None, opt_out=True)
    assert scene.consent.stopped


# Where the ERP registered the contact: the shipped policy


def test_at_a_registered_address_a_debt_is_named_at_once():
    scene = Scene().reminded()
    [message] = scene.all(MessageRequested)
    assert not message.identifies
    assert [each.detail for each in message.allowed_by.checks if each.rule == "right_person"] == [
        "the ERP registered this address for the contact"
    ]


def test_who_writes_from_an_address_that_nobody_registered_is_asked_first():
    scene = Scene(BY_EMAIL)
    scene.doors = {"whatsapp": Door("sandbox"), "email": Door("sandbox")}
    scene.opens(OVERDUE)
    scene.erp_answers({"paid": False})
    scene.message_is("accepted", ref="wamid.1")
    scene.later(minutes=5)
    before = len(said(scene))
    scene.priya_says("Which invoice do you mean?", channel="email", sender=OTHER_MAIL, reply_to="wamid.1")
    assert scene.last(TurnRequested).identifies
    assert leaks([shown(scene).replace("Which invoice do you mean?", "")]) == []
    scene.claude_answers(f"{INVOICE} of 52400")
    assert (scene.last(MessageRequested).to, scene.last(MessageRequested).identifies) == (OTHER_MAIL, True)
    assert leaks(said(scene)[before:]) == []


def test_a_phone_that_is_registered_for_one_phone_channel_is_registered_for_all():
    scene = Scene(BY_EMAIL)
    assert scene.contact.registers("sms", PRIYA_PHONE)
    assert not scene.contact.registers("email", OTHER_MAIL)
    assert scene.contact.registers("chat", PRIYA)


def test_a_yes_from_one_address_confirms_no_other_one():
    scene = Scene(BY_EMAIL, CONFIRMING)
    scene.doors = {"email": Door("sandbox")}
    scene.opens(OVERDUE)
    scene.erp_answers({"paid": False})
    scene.message_is("accepted", ref="mail.1")
    scene.priya_says("Who is this?", channel="email", sender=OTHER_MAIL, reply_to="mail.1")
    scene.priya_says("Yes, I am Priya", channel="email", reply_to="mail.1")
    assert [line.text for line in _read(scene)] == ["Who is this?"]
    scene.claude_answers(draft=None)
    assert [line.text for line in _read(scene)] == ["Yes, I am Priya"]
    scene.claude_answers(draft=None, intents=[CONFIRMS])
    assert [each.address for each in scene.all(PersonConfirmed)] == [PRIYA_EMAIL]


def _read(scene: Scene) -> Any:
    turn: TurnRequested = scene.last(TurnRequested)
    return claude.request_for(turn, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata").unread


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
