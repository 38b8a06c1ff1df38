"""Channels on paper: where a conversation goes on, how it is threaded there, and what becomes of addresses and accounts that fail."""

from datetime import timedelta
from typing import Any

import pytest

from events.consent import Given, Withdrawn
from events.contact import Address, Profile
from events.conversation import (
    Escalated,
    GateClosed,
    GateOpened,
    MessageRequested,
    OutcomeHeard,
    TurnRequested,
)
from events.followup import AttemptStarted, AttemptUnanswered, Deferred, Exhausted
from events.reach import AddressFailed, AddressWorks
from libs.domain.conversation import Conversation
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator.story import Door
from tests.services.orchestrator.channels import FIRST, LADDER, SECOND, everywhere, nobody, sent, two_errands
from tests.services.orchestrator.errand import about
from tests.services.orchestrator.scene import Scene

ALL = pytest.mark.parametrize("channel", LADDER)


def on(channel: str, **changes: Any) -> Scene:
    """Priya's errand is opened along a ladder of one channel, which takes it where it may."""
    scene = nobody()
    scene.opens(about(channel_priority=[channel], **changes))
    if scene.conversation.turn is not None:
        scene.claude_answers("Dear Priya, …")
    return scene


def anew(scene: Scene) -> Scene:
    """The conversation is over; what comes next begins another one."""
    scene.before, scene.conversation = scene.conversation, Conversation()
    return scene


def skipped(scene: Scene) -> dict[str, str]:
    return {each.channel: each.reason for each in scene.last(AttemptStarted).skipped}


# Going on where the contact is


@ALL
def test_an_answer_goes_out_where_she_wrote_with_everything_known(channel: str):
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_says("kitna baaki hai?", channel=channel)
    assert scene.last(TurnRequested).matter == FIRST
    scene.claude_answers("Ek.")
    answer = scene.last(MessageRequested)
    assert (answer.channel, answer.purpose, answer.matter) == (channel, "answer", FIRST)
    assert answer.body.text == ("Please look at E-7." if channel == "sms" else "Ek.")
    assert scene.conversation.channel == channel


def test_by_sms_only_registered_texts_go_out_even_right_after_she_wrote():
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_says("kya?", channel="sms")
    scene.claude_answers("Free words.")
    assert (scene.last(MessageRequested).body.template, scene.last(MessageRequested).draft) == ("plain", None)


def test_an_answer_goes_to_the_address_that_she_wrote_from():
    scene = everywhere()
    scene.priya_says("Hello", channel="email", sender="priya@home.example")
    scene.claude_answers()
    assert scene.last(MessageRequested).to == "priya@home.example"


def test_what_we_begin_goes_to_the_address_that_the_erp_registered():
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_says("Hello", channel="email", sender="priya@home.example")
    scene.claude_answers()
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8", channel_priority=["email"]), matter=SECOND)
    scene.claude_answers("Dear Priya")
    assert sent(scene, SECOND)[0].to == PRIYA_EMAIL


# Threads


def test_a_first_mail_says_in_its_subject_what_it_is_about():
    scene = on("email")
    mail = scene.last(MessageRequested)
    assert (mail.body.subject, mail.reply_to, mail.thread) == ("Errand E-7", None, [])


def test_a_mail_answers_hers_and_names_the_mails_before_it_newest_first():
    scene = on("email")
    scene.message_is("accepted", ref="ours-1@acme")
    scene.priya_says("Which errand?", channel="email", subject="Re: Errand E-7", reply_to="ours-1@acme")
    scene.claude_answers("The one of Monday.")
    mail = scene.last(MessageRequested)
    assert (mail.reply_to, mail.thread) == ("in.1", ["in.1", "ours-1@acme"])
    assert mail.body.subject == "Re: Errand E-7"


def test_the_mails_of_two_matters_are_two_threads():
    scene = on("email")
    scene.message_is("accepted", ref="ours-1@acme")
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8", channel_priority=["email"]), matter=SECOND)
    scene.claude_answers("Dear Priya, about E-8")
    mail = scene.last(MessageRequested)
    assert (mail.body.subject, mail.reply_to, mail.thread) == ("Errand E-8", None, [])


def test_a_whatsapp_answer_quotes_hers_only_where_it_would_not_be_clear_else():
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_says("kya?")
    scene.claude_answers()
    assert scene.last(MessageRequested).reply_to is None
    scene = two_errands()
    scene.priya_says("kya?", reply_to="wamid.E-7")
    scene.claude_answers()
    assert (scene.last(MessageRequested).reply_to, scene.last(MessageRequested).thread) == ("in.1", [])


def test_the_providers_id_is_kept_even_when_it_comes_after_another_outcome():
    scene = everywhere()
    scene.message_is("unknown")
    assert scene.message_is("accepted", ref="wamid.1") == [
        OutcomeHeard(intent=scene.last(MessageRequested).message, outcome="accepted", provider_ref="wamid.1")
    ]
    assert scene.message_is("accepted", ref="wamid.1") == []


def test_an_operators_mail_is_in_the_thread_and_answers_to_it_are_about_the_matter():
    scene = on("email")
    scene.message_is("accepted", ref="ours-1@acme")
    scene.is_taken_over()
    scene.operator_says("I am looking into it.")
    mail = scene.last(MessageRequested)
    assert (mail.purpose, mail.reply_to, mail.body.subject) == ("operator", "ours-1@acme", "Errand E-7")
    assert mail.matter == FIRST
    state = scene.conversation.matters[FIRST].state
    scene.message_is("accepted", ref="ours-2@acme")
    assert scene.conversation.matters[FIRST].state == state


def test_an_operator_may_choose_the_channel():
    scene = everywhere()
    scene.message_is("accepted")
    scene.is_taken_over()
    scene.operator_says("By mail, as you asked.", channel="email")
    assert (scene.last(MessageRequested).channel, scene.last(MessageRequested).to) == ("email", PRIYA_EMAIL)


# The policy, on each channel


@ALL
def test_a_kill_switch_passes_a_channel_over(channel: str):
    scene = nobody()
    scene.doors[channel] = Door("off")
    if channel == "chat":
        scene.priya_says("hello", channel="email")
        scene.claude_answers()
    scene.opens(about(channel_priority=[channel, "email" if channel != "email" else "whatsapp"]))
    if scene.conversation.turn is not None:
        scene.claude_answers("Dear Priya")
    assert skipped(scene)[channel] == f"{channel} is not enabled"


@ALL
@pytest.mark.parametrize("listed", [True, False])
def test_a_list_of_test_recipients_binds_on_each_channel(channel: str, listed: bool):
    scene = nobody()
    scene.priya_says("hello", channel="chat")  # so that she is there
    scene.claude_answers()
    address = {"email": PRIYA_EMAIL, "chat": PRIYA}.get(channel, PRIYA_PHONE)
    scene.doors = {channel: Door("live", (address[:5] + "*" if listed else "nobody",))}
    scene.opens(about(channel_priority=[channel]))
    if scene.conversation.turn is not None:
        scene.claude_answers("Dear Priya")
    assert bool(sent(scene, FIRST)) is listed
    if not listed:
        assert "test recipients" in scene.last(Exhausted).skipped[0].reason


def test_each_channel_has_hours_of_its_own_and_why_it_was_passed_over_is_on_record():
    scene = nobody()
    scene.now = MORNING.replace(hour=21, minute=30)
    scene.opens(about(channel_priority=["whatsapp", "sms"]))
    assert scene.last(MessageRequested).channel == "sms"
    assert "not before" in skipped(scene)["whatsapp"]


# Addresses and accounts that fail


def test_an_address_that_bounced_is_passed_over_in_every_matter():
    scene = on("email")
    scene.message_is("failed", scope="contact", lasting=True, reason="550 no such user")
    failed = scene.last(AddressFailed)
    assert (failed.channel, failed.address, failed.until) == ("email", PRIYA_EMAIL, None)
    anew(scene).later(days=30)
    scene.opens(about(entity_id="E-8", channel_priority=["email", "whatsapp"]), matter=SECOND)
    assert scene.last(MessageRequested).channel == "whatsapp"
    assert skipped(scene)["email"] == "nothing arrived at this address lately"


def test_a_bounced_message_goes_out_on_the_next_channel():
    scene = nobody()
    scene.opens(about(channel_priority=["email", "whatsapp"]))
    scene.claude_answers("Dear Priya")
    scene.message_is("failed", scope="contact", lasting=True)
    assert (scene.last(MessageRequested).channel, scene.followup.attempts) == ("whatsapp", 2)


def test_a_bounce_that_comes_after_the_delivery_counts_all_the_same():
    scene = nobody()
    scene.opens(about(channel_priority=["email", "whatsapp"]))
    scene.claude_answers("Dear Priya")
    scene.message_is("accepted", ref="ours-1@acme")
    scene.message_is("failed", scope="contact", lasting=True)
    assert scene.last(MessageRequested).channel == "whatsapp"


def test_what_could_not_be_delivered_is_tried_at_that_address_again_after_a_week():
    scene = on("whatsapp")
    scene.message_is("failed", scope="contact")
    assert scene.last(AddressFailed).until == scene.now + timedelta(days=7)
    anew(scene).later(days=8)
    scene.opens(about(entity_id="E-8", channel_priority=["whatsapp"]), matter=SECOND)
    assert scene.last(MessageRequested).matter == SECOND


def test_a_failure_of_the_message_alone_says_nothing_of_the_address():
    scene = on("whatsapp")
    scene.message_is("failed", scope="message")
    assert scene.all(AddressFailed) == []


def test_another_address_of_the_same_channel_is_tried():
    scene = on("email")
    scene.message_is("failed", scope="contact", lasting=True)
    scene.contact = type(scene.contact)(
        id=PRIYA,
        known_to_erp=True,
        profile=Profile(name="Priya", channels=[Address(channel="email", address="priya@new.example")]),
    )
    anew(scene).opens(about(entity_id="E-8", channel_priority=["email"]), matter=SECOND)
    scene.claude_answers("Dear Priya")
    assert scene.last(MessageRequested).to == "priya@new.example"


def test_a_contact_who_is_heard_from_an_address_has_it_again():
    scene = on("email")
    scene.message_is("failed", scope="contact", lasting=True)
    told = scene.priya_says("I do read this.", channel="email")
    assert AddressWorks(contact_id=PRIYA, channel="email", address=PRIYA_EMAIL) in told
    scene.claude_answers("Good.")
    assert scene.last(MessageRequested).channel == "email"


def test_an_account_that_is_refused_costs_no_attempt_and_the_next_channel_is_tried():
    scene = nobody()
    scene.opens(about(channel_priority=["whatsapp", "email"]))
    scene.message_is("failed", scope="account", reason="token expired")
    refused = scene.last(AttemptUnanswered)
    assert (refused.reason, refused.until) == ("account_refused", scene.now + timedelta(hours=1))
    scene.claude_answers("Dear Priya")
    assert scene.last(MessageRequested).channel == "email"
    assert (scene.followup.attempts, scene.followup.counted, scene.followup.failed) == (2, 1, ())
    assert scene.all(AddressFailed) == []


def test_with_no_other_channel_a_refused_account_defers_the_matter():
    scene = on("whatsapp")
    scene.message_is("failed", scope="account")
    assert scene.last(Deferred).until == scene.now + timedelta(hours=1)
    scene.timer_fires("deferred")
    assert len(sent(scene, FIRST)) == 2
    assert scene.followup.counted == 1


def test_what_our_own_gateway_keeps_back_is_not_asked_for_again_at_once():
    scene = on("whatsapp")
    scene.message_is("withheld", reason="the account is stopped")
    assert scene.last(Deferred).until == scene.now + timedelta(minutes=15)
    assert len(sent(scene, FIRST)) == 1


def test_an_answer_that_does_not_arrive_is_given_on_the_next_channel():
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_says("Which one?", channel="email")
    scene.claude_answers("That of Monday.")
    scene.later(hours=2)
    scene.message_is("failed", scope="contact", lasting=True)
    assert (scene.last(MessageRequested).channel, scene.last(MessageRequested).purpose) == ("sms", "approach")


# Stop, on one channel and on all


@ALL
@pytest.mark.parametrize("word", ["STOP", "band karo", "बंद करो"])
def test_a_stop_word_on_any_channel_stops_all_of_them(channel: str, word: str):
    scene = everywhere()
    told = scene.priya_says(word, channel=channel)
    assert (scene.last(Withdrawn).how, scene.last(Withdrawn).channel) == ("stop_word", None)
    assert not any(isinstance(fact, TurnRequested) for fact in told)


@pytest.mark.parametrize("pressed", [{"text": "Stop promotions"}, {"text": "No thanks", "choice": "STOP"}])
def test_a_button_may_say_stop(pressed: dict[str, str]):
    scene = everywhere()
    scene.priya_says(pressed["text"], choice=pressed.get("choice"), kind="button")
    assert scene.consent.stopped


def test_a_mail_may_say_stop_in_its_subject_alone():
    scene = everywhere()
    scene.priya_says("", channel="email", subject="Unsubscribe")
    assert scene.consent.stopped


def test_a_subject_beside_a_text_is_no_stop():
    scene = everywhere()
    scene.priya_says("Please stop by on Monday.", channel="email", subject="Stop")
    assert not scene.consent.stopped


@pytest.mark.parametrize("how", ["link", "preference", "complaint"])
def test_unsubscribing_ends_one_channel_only(how: str):
    scene = nobody()
    scene.opens(about(channel_priority=["email", "whatsapp"]))
    scene.claude_answers("Dear Priya")
    told = scene.priya_unsubscribes("email", how)
    assert told == [
        Withdrawn(
            contact_id=PRIYA, how="unsubscribe", evidence=f"unsubscribed by {how}", channel="email", said_on="email"
        ),
        GateClosed(scope=f"contact:{PRIYA}/email", reason=f"unsubscribed by {how}", lasting=True),
    ]
    scene.message_is("withheld")
    assert scene.last(MessageRequested).channel == "whatsapp"
    assert scene.priya_unsubscribes("email") == []


def test_whoever_unsubscribed_is_not_answered_there_but_elsewhere():
    scene = nobody()
    scene.opens(about(channel_priority=["whatsapp"]))
    scene.message_is("accepted")
    scene.priya_unsubscribes("email")
    scene.priya_says("One more question", channel="email")
    scene.claude_answers("Yes?")
    assert scene.last(MessageRequested).channel == "whatsapp"


def test_start_gives_the_channel_back():
    scene = everywhere()
    scene.message_is("accepted")
    scene.priya_unsubscribes("email")
    told = scene.priya_says("START", channel="email")
    assert Given(contact_id=PRIYA, evidence="START", channel="email") in told
    assert GateOpened(scope=f"contact:{PRIYA}/email") in told
    scene.claude_answers("Welcome back.")
    assert scene.last(MessageRequested).channel == "email"


def test_an_operator_does_not_write_where_she_unsubscribed():
    scene = everywhere()
    scene.priya_unsubscribes("email")
    scene.is_taken_over()
    scene.operator_says("Hello", channel="email")
    assert "said stop" in scene.last(Escalated).reason
    assert all(each.channel != "email" for each in scene.all(MessageRequested))
