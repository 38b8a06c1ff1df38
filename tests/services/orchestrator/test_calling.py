"""Voice on the ladder, and what happens in a call: it moves the matter at once, and the call hears what came of it."""

import pytest

from events import call
from events.backend import CallCompleted
from events.consent import Withdrawn
from events.conversation import Closed, Escalated, MessageRequested, TimerSet, TurnRequested, Understood
from events.errand import ToolRequested, WritebackRequested
from events.followup import AttemptStarted, AttemptUnanswered, Deferred
from events.phone import CallGuided, Talked
from events.reach import AddressFailed, PersonDenied
from libs.testkit.nouns import INVOICE, PRIYA_PHONE
from services.orchestrator import decide
from services.orchestrator.approach import UNCONFIRMED
from services.orchestrator.story import Door
from tests.libs.config.shipped import TEXTS
from tests.services.orchestrator.errand import bundle_of
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import CONVERSATION, MATTER

SECRETS = (INVOICE, "52400", "overdue", "invoice")
PROMISE = "20 February tak payment kar denge"
IMPATIENT = bundle_of(
    {**TEXTS, "policy.yaml": TEXTS["policy.yaml"].replace("minimum_gap_minutes: 240", "minimum_gap_minutes: 0")}
)


def test_the_first_channel_of_the_ladder_is_called_with_the_policys_decision():
    scene = Phoned().dials()
    asked = scene.asked
    assert (asked.to, asked.purpose, asked.identifies) == (PRIYA_PHONE, "approach", True)
    assert asked.allowed_by.verdict == "allowed"
    assert {check.rule for check in asked.allowed_by.checks} >= {
        "hours",
        "number_series",
        "right_person",
        "minimum_gap",
    }
    assert scene.last(AttemptStarted).channel == "voice"


def test_a_call_holds_nothing_of_the_debt_before_somebody_has_said_that_it_is_they():
    scene = Phoned().dials()
    told = f"{scene.asked.opening} {scene.asked.instructions} {scene.asked.context} {scene.asked.intents}".lower()
    assert not [secret for secret in SECRETS if secret.lower() in told]
    scene.picks_up()
    assert scene.state == "pending"
    assert not [event for event in scene.told if isinstance(event, CallGuided)]


def test_who_confirms_hears_the_matter_and_the_process_knows_that_the_call_was_answered():
    scene = Phoned().talks()
    assert scene.state == "reminded"
    assert INVOICE in scene.guided.instructions
    assert "promise_to_pay" in scene.guided.intents
    assert scene.guided.channels == ["whatsapp"]
    assert (scene.answer()["status"], scene.guided.speaks) == ("done", True)


def test_who_is_somebody_else_hears_nothing_and_the_number_is_not_called_again():
    scene = Phoned().dials()
    scene.picks_up()
    scene.reports("wrong_person", "Galat number hai")
    assert scene.last(PersonDenied).address == PRIYA_PHONE
    assert scene.guided.ends
    told = f"{scene.guided.instructions} {scene.guided.context}"
    assert INVOICE not in told
    scene.ends()
    assert scene.last(Escalated).queue == "contacts"
    assert not scene.all(MessageRequested)


def test_a_promise_moves_the_map_during_the_call_and_the_erp_is_told():
    scene = Phoned().talks()
    said = scene.reports("promise_to_pay", PROMISE, payment_date="2026-02-20")
    assert scene.state == "promised"
    [understood] = [event for event in said if isinstance(event, Understood)]
    assert understood.extracted_info == {"payment_date": "2026-02-20"}
    [told] = [event for event in said if isinstance(event, WritebackRequested)]
    assert told.payload == {"invoice_id": INVOICE, "promised_date": "2026-02-20"}
    assert scene.guided.state == "promised"
    assert "20" in scene.guided.instructions
    assert scene.answer()["status"] == "done"


def test_what_nobody_said_is_not_taken_over():
    scene = Phoned().talks()
    scene.asks_for("report_intent", "Haan ji", intent="promise_to_pay", words="I will pay everything tomorrow")
    assert scene.state == "reminded"
    assert scene.answer()["status"] == "refused"


def test_a_day_that_cannot_be_is_dropped_and_the_map_asks_for_it():
    scene = Phoned().talks()
    scene.reports("promise_to_pay", PROMISE, payment_date="2126-02-20")
    assert scene.state == "acknowledged"
    assert "payment_date" in scene.guided.instructions


def test_an_answer_to_what_is_asked_for_fills_the_slot_in_the_call():
    scene = Phoned().talks()
    scene.reports("promise_to_pay", "Payment kar denge")
    scene.reports("promise_to_pay", "Kar denge, 20 February tak", payment_date="2026-02-20")
    assert scene.state == "promised"


def test_what_she_asks_for_goes_out_on_whatsapp_and_the_call_hears_that_it_was_sent():
    scene = Phoned().talks()
    scene.exchange("Haan ji, boliye")
    scene.asks_for("send_on_channel", "WhatsApp pe bhej do", channel="whatsapp", what="the invoice")
    sent: MessageRequested = scene.last(MessageRequested)
    assert (sent.channel, sent.purpose, sent.body.template) == ("whatsapp", "answer", "payment_reminder")
    assert not [event for event in scene.told if isinstance(event, CallGuided) and "2" in event.answers]
    scene.message_is("accepted")
    assert scene.answer() == {"status": "done", "note": "It has been sent on whatsapp."}


def test_what_may_not_be_sent_is_refused_with_the_reason():
    scene = Phoned().talks()
    scene.doors["email"] = Door("sandbox")
    scene.asks_for("send_on_channel", "Mail kar do", channel="email")
    assert scene.answer()["status"] == "refused"
    assert "address" in scene.answer()["note"]


def test_a_message_that_does_not_go_out_is_told_as_failed():
    scene = Phoned().talks()
    scene.exchange("Haan ji")
    scene.asks_for("send_on_channel", "WhatsApp pe bhej do", channel="whatsapp")
    scene.message_is("failed")
    assert scene.answer()["status"] == "failed"


def test_who_says_that_it_is_paid_hears_what_the_erp_says_of_it():
    scene = Phoned().talks()
    scene.reports("already_paid", "Payment ho gaya hai")
    assert "looked up" in scene.guided.instructions
    assert "2" not in scene.guided.answers, "the answer waits for the ERP's"
    scene.erp_answers({"paid": True})
    assert scene.state == "confirmed"
    assert (scene.answer()["status"], scene.guided.ends, scene.guided.speaks) == ("done", True, False)


def test_a_tool_of_the_flow_asks_the_erp_during_the_call():
    scene = Phoned().talks()
    assert set(scene.guided.tools) == {"check_payment"}
    scene.asks_for("check_payment", "Ho gaya kya?")
    asked: ToolRequested = scene.last(ToolRequested)
    assert asked.payload == {"invoice_id": INVOICE}
    scene.erp_answers({"paid": True})
    assert scene.state == "confirmed"
    assert scene.answer()["status"] == "done"


def test_what_is_looked_up_in_the_call_does_not_overtake_what_the_flow_waits_for():
    scene = Phoned().talks()
    scene.reports("already_paid", "Payment ho gaya hai")
    flows = scene.last(ToolRequested)
    scene.asks_for("check_payment", "Aap dekh lijiye")
    besides = scene.last(ToolRequested)
    for asked in (flows, besides):
        answer = CallCompleted(
            kind="tool", conversation=CONVERSATION, endpoint=asked.endpoint, status=200, result={"paid": False}
        )
        scene.tells(lambda story, asked=asked, answer=answer: decide.after_tool(story, asked.call, asked, answer))  # type: ignore[misc]
    assert scene.conversation.matters[MATTER].step == "ask_proof"


def test_a_callback_is_set_for_when_she_asks_and_then_she_is_called_as_an_answer():
    scene = Phoned().talks()
    scene.exchange("Chaar baje call karo")
    scene.asks_for("schedule_callback", "Chaar baje call karo", at="2026-02-16T16:00")
    assert scene.answer()["at"] == "2026-02-16T16:00+05:30"
    scene.ends()
    scene.timer_fires("deferred")
    assert (scene.asked.purpose, len(scene.all(call.CallRequested))) == ("answer", 2)


def test_a_callback_outside_the_hours_is_set_for_the_first_allowed_minute():
    scene = Phoned().talks()
    scene.asks_for("schedule_callback", "Raat ko nau baje", at="2026-02-16T21:00")
    assert scene.answer()["at"] == "2026-02-17T08:00+05:30"


@pytest.mark.parametrize("at", ["yesterday", "2026-02-15T10:00", "2027-02-16T10:00"])
def test_a_callback_at_no_time_that_can_be_is_refused(at: str):
    scene = Phoned().talks()
    scene.asks_for("schedule_callback", "Call karo", at=at)
    assert scene.answer()["status"] == "refused"
    assert not [timer for timer in scene.all(TimerSet) if timer.purpose == "deferred"]


def test_who_wants_a_person_gets_one_and_nobody_says_that_they_are_connected():
    scene = Phoned().talks()
    scene.asks_for("transfer", "Manager se baat karao", reason="wants a manager")
    assert "wants a manager" in scene.last(Escalated).reason
    assert "Nobody takes over now" in scene.answer()["note"]


@pytest.mark.parametrize("how", ["report", "stop word"])
def test_a_stop_in_the_call_is_obeyed_at_once_and_the_call_says_goodbye(how: str):
    scene = Phoned().talks()
    if how == "report":
        scene.reports("opt_out", "Phir kabhi call mat karna")
    else:
        scene.exchange("STOP")
    assert scene.last(Withdrawn).said_on == "voice"
    assert scene.last(Closed).reason == "opted_out"
    assert scene.guided.ends
    said = scene.ends()
    assert not [event for event in said if isinstance(event, MessageRequested | call.CallRequested)]


def test_a_dispute_in_the_call_moves_as_in_writing():
    by_phone = Phoned().talks()
    by_phone.reports("dispute_invoice", "Yeh invoice galat hai")
    written = Phoned()
    written.doors["voice"] = Door("off")
    written.reminded().priya_says("Yeh invoice galat hai")
    written.claude_answers(intents=["dispute_invoice"])
    assert by_phone.state == written.state
    assert by_phone.last(Escalated).queue == written.last(Escalated).queue


def test_what_was_said_is_part_of_the_conversation_for_what_is_written_later():
    scene = Phoned().talks()
    scene.exchange("Haan ji, boliye", "Invoice ke baare mein hai.")
    assert scene.last(Talked).contact == "Haan ji, boliye"
    lines = [(line.role, line.text, line.channel) for line in scene.conversation.lines]
    assert lines == [("contact", "Haan ji, boliye", "voice"), ("agent", "Invoice ke baare mein hai.", "voice")]
    assert scene.conversation.unread == ()


def test_while_a_call_has_the_floor_nothing_is_written_and_it_is_told_what_comes():
    scene = Phoned().talks()
    said = scene.priya_says("Bank details bhejo")
    assert not [event for event in said if isinstance(event, TurnRequested | MessageRequested)]
    assert scene.guided.context["written_meanwhile"] == [{"channel": "whatsapp", "text": "Bank details bhejo"}]
    scene.exchange("Haan ji")
    said = scene.ends()
    assert [event for event in said if isinstance(event, TurnRequested)], "what was not answered is read afterwards"


@pytest.mark.parametrize("reason", ["no_answer", "busy", "voicemail"])
def test_who_does_not_answer_is_written_to_when_the_gap_of_the_policy_is_over(reason: str):
    scene = Phoned().dials()
    scene.ends(reason, seconds=0)
    assert scene.outcome == "unanswered"
    assert scene.last(AttemptUnanswered).channel == "voice"
    assert scene.last(Deferred).until > scene.now
    scene.timer_fires("deferred")
    assert scene.last(MessageRequested).channel == "whatsapp"


def test_without_a_gap_the_next_channel_is_tried_at_once():
    scene = Phoned(bundle=IMPATIENT).dials()
    scene.ends("no_answer", seconds=0)
    assert scene.last(MessageRequested).channel == "whatsapp"
    assert scene.last(AttemptStarted).number == 2


def test_a_call_that_rang_nobody_is_no_approach_and_a_wrong_number_is_not_called_again():
    scene = Phoned().dials()
    scene.happens(call.Rejected(conversation=CONVERSATION, code="400", reason="no such number", scope="contact"))
    assert scene.outcome == "failed"
    assert scene.last(AddressFailed).channel == "voice"
    assert scene.last(MessageRequested).channel == "whatsapp"


def test_somebody_who_hangs_up_before_saying_who_they_are_was_not_reached():
    scene = Phoned(bundle=IMPATIENT).dials()
    scene.picks_up()
    scene.exchange("Hello?")
    scene.ends("contact_hung_up")
    assert scene.outcome == "unanswered"
    assert (scene.state, scene.last(MessageRequested).channel) == ("pending", "whatsapp")


def test_a_payment_that_arrives_in_the_call_is_told_to_it():
    scene = Phoned().talks()
    scene.erp_says("payment_received", invoice_number=INVOICE)
    assert scene.state == "confirmed"
    assert scene.guided.ends


def test_an_operator_who_takes_over_ends_the_talk():
    scene = Phoned().talks()
    scene.is_taken_over()
    assert "colleague" in scene.guided.instructions
    assert scene.guided.ends


def test_the_same_tool_call_heard_twice_is_done_once():
    scene = Phoned().talks()
    scene.reports("promise_to_pay", PROMISE, payment_date="2026-02-20")
    scene._tools -= 1
    assert scene.reports("promise_to_pay", PROMISE, payment_date="2026-02-20") == []


def test_where_voice_is_off_the_ladder_goes_on():
    scene = Phoned()
    scene.doors["voice"] = Door("off")
    scene.dials()
    assert scene.last(MessageRequested).channel == "whatsapp"
    assert UNCONFIRMED not in str(scene.last(AttemptStarted).skipped)


def test_a_talk_that_brought_nothing_is_followed_by_another_reminder():
    scene = Phoned().talks()
    scene.exchange("Dekhte hain")
    scene.ends()
    assert scene.outcome == "talked"
    scene.timer_fires("no_reply")
    assert scene.followup.attempts == 1
    assert scene.last(AttemptUnanswered).channel == "voice"
