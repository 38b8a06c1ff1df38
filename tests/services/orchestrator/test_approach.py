"""Approaching on paper: which channel, when at the earliest, what every intent carries, and what becomes of a failure."""

from datetime import datetime

import pytest

from events.contact import Address, Profile
from events.conversation import (
    ChannelSwitched,
    Escalated,
    GateClosed,
    MessageRequested,
    OutcomeHeard,
    ProcessMoved,
    TimerSet,
    TurnRequested,
)
from events.followup import AttemptStarted, AttemptUnanswered, Deferred, Exhausted
from libs.domain.contact import Contact
from libs.testkit.nouns import EVENING, IST, MORNING, PRIYA, PRIYA_PHONE
from services.orchestrator import approach, decide
from services.orchestrator.story import Door
from tests.services.orchestrator.errand import about, errand
from tests.services.orchestrator.scene import CONVERSATION, MATTER, Scene

EIGHT = datetime(2026, 2, 17, 8, 0, tzinfo=IST)
AFTER_THE_HOLIDAY = datetime(2026, 2, 18, 8, 0, tzinfo=IST)


def kinds(facts: list[object]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def at_night() -> Scene:
    """The ERP answered at 20:30 that the invoice is open; payments may be spoken of until 19:00."""
    scene = Scene()
    scene.now = EVENING.replace(hour=20, minute=30)
    scene.opens()
    scene.erp_answers({"paid": False})
    return scene


def test_a_message_names_the_gates_of_contact_conversation_matter_and_channel():
    scene = Scene().reminded()
    assert scene.last(MessageRequested).gates == [
        "contact:c_123",
        f"conversation:{CONVERSATION}",
        f"matter:{MATTER}",
        "contact:c_123/whatsapp",
    ]


def test_at_night_a_reminder_is_deferred_to_the_next_allowed_minute():
    scene = at_night()
    assert scene.last(Deferred).until == EIGHT
    assert (scene.last(TimerSet).purpose, scene.last(TimerSet).due_at) == ("deferred", EIGHT)
    assert scene.followup.status == "deferred"
    assert scene.all(MessageRequested) == []


def test_what_was_deferred_is_sent_once_when_its_time_has_come():
    scene = at_night()
    scene.timer_fires("deferred")
    assert len(scene.all(MessageRequested)) == 1
    assert scene.timer_fires("deferred") == []
    assert scene.followup.status == "open"


def test_a_contact_who_writes_meanwhile_makes_the_deferred_timer_void():
    scene = at_night()
    scene.priya_says("koi kaam tha?")
    scene.claude_answers("Ji, invoice ke baare mein.")
    assert scene.last(MessageRequested).purpose == "answer"
    assert scene.timer_fires("deferred") == []


def test_an_answer_at_night_is_exempt_from_the_hours():
    scene = at_night()
    scene.priya_says("koi kaam tha?")
    scene.claude_answers("Ji.")
    exempt = {check.rule for check in scene.last(MessageRequested).allowed_by.checks if check.verdict == "exempt"}
    assert {"hours", "minimum_gap", "attempts_per_day"} <= exempt


def test_a_matter_that_is_settled_meanwhile_makes_the_deferred_timer_void():
    scene = at_night()
    scene.erp_says("payment_received", invoice_number="INV-2026-0042")
    assert scene.timer_fires("deferred") == []


def test_two_matters_of_a_contact_keep_the_minimum_gap():
    scene = errand().later(minutes=10)
    scene.message_is("accepted")
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    assert scene.last(Deferred).until == MORNING.replace(hour=11, minute=30)
    scene.timer_fires("deferred")
    assert scene.last(MessageRequested).matter == "matter-2"


def test_a_second_follow_up_of_one_entity_takes_over_in_the_state_where_the_first_stood():
    scene = errand()
    scene.message_is("accepted")
    scene.opens(about(), matter="matter-2")
    assert scene.followup.status == "cancelled"
    assert scene.conversation.matters["matter-2"].state == "asked"


def test_a_follow_up_that_was_cancelled_while_its_contact_was_unknown_is_not_taken_up():
    scene = errand()
    scene.erp_says("errand_changed", errand="E-7")
    scene.is_moved_by_hand("manual", "drop")
    settled = scene.followups[MATTER]
    assert settled.opened is not None
    scene.followups["matter-2"] = settled
    assert scene.tells(lambda story: decide.take_up(story, "matter-2", None)) == []


def test_a_failed_message_goes_out_on_the_next_channel_of_the_ladder():
    scene = errand()
    assert scene.last(MessageRequested).channel == "whatsapp"
    told = scene.message_is("failed")
    assert scene.last(AttemptUnanswered).reason == "message_failed"
    assert kinds(told)[-1] == "TurnRequested"
    scene.claude_answers("Dear Priya, …")
    assert scene.last(MessageRequested).channel == "email"
    assert scene.last(ChannelSwitched).channel == "email"
    assert scene.followup.failed == ("whatsapp",)


def test_a_message_that_reached_nobody_does_not_count_for_the_minimum_gap():
    scene = errand()
    scene.message_is("failed")
    scene.claude_answers("Dear Priya, …")
    assert scene.all(Deferred) == []
    assert scene.last(AttemptStarted).number == 2


def test_a_failure_after_the_acceptance_is_noted_once_and_tried_elsewhere():
    scene = errand()
    scene.message_is("accepted")
    told = scene.message_is("failed")
    assert told[0] == OutcomeHeard(intent=scene.all(MessageRequested)[0].message, outcome="failed")
    assert kinds(told)[-1] == "TurnRequested"
    assert scene.message_is("failed") == []


def test_when_every_channel_failed_the_matter_is_for_a_person():
    scene = errand()
    scene.message_is("failed")
    scene.claude_answers("Dear Priya, …")
    scene.message_is("failed")
    assert scene.followup.status == "exhausted"
    assert "no channel is left" in scene.last(Escalated).reason


@pytest.mark.parametrize("first", ["accepted", "unknown", "delivered", "read"])
def test_whatever_is_heard_first_of_a_message_on_its_way_moves_the_process(first: str):
    scene = errand()
    scene.message_is(first)
    assert scene.state == "asked"


def test_an_unknown_outcome_that_turns_out_well_counts_once():
    scene = errand()
    scene.message_is("unknown")
    assert scene.message_is("accepted") == []


def test_a_message_that_was_withheld_at_the_gateway_is_judged_anew():
    scene = errand()
    scene.now = EVENING.replace(hour=22)
    scene.message_is("withheld")
    assert scene.last(Deferred).until == AFTER_THE_HOLIDAY
    assert scene.followup.failed == ()


def test_a_line_on_a_holiday_is_deferred_and_then_said_once():
    scene = errand()
    scene.message_is("accepted")
    scene.now = EIGHT.replace(hour=10)
    scene.erp_says("errand_changed", errand="E-7")
    waits = scene.last(TimerSet)
    assert (waits.purpose, waits.text, waits.due_at) == (
        "deferred",
        "Errand {{entity_id}} has changed.",
        AFTER_THE_HOLIDAY,
    )
    told = scene.timer_fires("deferred")
    assert [fact.body.text for fact in told if isinstance(fact, MessageRequested)] == ["Errand E-7 has changed."]
    assert scene.timer_fires("deferred") == []


def test_a_line_that_cannot_be_rendered_is_for_a_person():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers(intents=["agree"])
    scene.timer_fires("check")
    assert "nobody_knows" in scene.last(Escalated).reason


def test_a_state_map_may_switch_the_channel():
    scene = errand()
    scene.message_is("accepted")
    scene.later(hours=2)
    scene.is_moved_by_hand("manual", "other_channel")
    assert scene.all(ChannelSwitched)[0] == ChannelSwitched(
        channel="email", reason="the state map asked for it", matter=MATTER
    )
    assert scene.last(MessageRequested).channel == "email"


def test_a_channel_that_is_off_is_passed_over_with_its_reason():
    scene = Scene().reminded()
    [voice] = scene.last(AttemptStarted).skipped
    assert (voice.channel, voice.reason) == ("voice", "voice is not enabled")


@pytest.mark.parametrize(("pattern", "sent"), [("+91987651*", True), ("+91000*", False), (PRIYA_PHONE, True)])
def test_a_list_of_test_recipients_binds(pattern: str, sent: bool):
    scene = Scene()
    scene.doors = {"whatsapp": Door("live", (pattern,))}
    scene.opens()
    scene.erp_answers({"paid": False})
    assert bool(scene.all(MessageRequested)) is sent
    if not sent:
        assert "test recipients" in str(scene.last(Exhausted).skipped)


def test_without_a_consent_on_record_whatsapp_is_refused():
    scene = Scene(Profile(name="Priya", channels=[Address(channel="whatsapp", address=PRIYA_PHONE)]))
    scene.opens()
    scene.erp_answers({"paid": False})
    reasons = {skipped.channel: skipped.reason for skipped in scene.last(Exhausted).skipped}
    assert "requires a consent" in reasons["whatsapp"]


def test_inside_the_window_claude_writes_and_the_draft_is_an_attempt():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers()
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    assert (scene.last(TurnRequested).wants, scene.last(TurnRequested).matter) == ("draft", "matter-2")
    scene.claude_answers("Ek aur kaam hai.")
    sent = scene.last(MessageRequested)
    assert (sent.purpose, sent.body.text, sent.body.template) == ("approach", "Ek aur kaam hai.", None)
    assert scene.followups["matter-2"].attempts == 1


def test_a_matter_waits_while_claude_is_busy_with_another_one():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers()
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    scene.opens(about(entity_id="E-9"), matter="matter-3")
    assert (scene.last(TimerSet).purpose, scene.last(TimerSet).matter) == ("pending", "matter-3")
    assert len(scene.all(TurnRequested)) == 2
    assert not any(isinstance(fact, ProcessMoved) for fact in scene.told[-3:])


def test_who_has_another_number_by_the_time_a_message_goes_out_gets_it_there_and_nobody_at_the_old_one():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    asked = scene.last(MessageRequested)
    moved = Address(channel="whatsapp", address="+919800000001", consent_at=MORNING, consent_evidence="form")
    scene.contact = Contact(id=PRIYA, profile=Profile(name="Priya", channels=[moved]), known_to_erp=True)
    scene.tells(approach.withdraw_elsewhere)
    gate = scene.last(GateClosed)
    assert gate.scope in asked.gates
    assert not gate.lasting
    scene.tells(approach.withdraw_elsewhere)
    assert scene.all(GateClosed) == [gate], "once"
    scene.message_is("withheld", asked)
    again = scene.last(MessageRequested)
    assert (asked.to, again.to) == (PRIYA_PHONE, "+919800000001")
    assert len(scene.all(MessageRequested)) == 2


def test_what_is_on_its_way_to_an_address_that_stays_is_sent():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    both = [Address(channel="whatsapp", address="+919800000001"), Address(channel="whatsapp", address=PRIYA_PHONE)]
    scene.contact = Contact(id=PRIYA, profile=Profile(name="Priya", channels=both), known_to_erp=True)
    assert scene.tells(approach.withdraw_elsewhere) == []
