"""A stop is confirmed once where the policy says so; who unsubscribed from a channel and writes there is answered as it says."""

from dataclasses import replace

import pytest
from msgspec import structs

from events.consent import Withdrawn
from events.conversation import Closed, Escalated, GateClosed, MessageRequested
from events.person import PersonHeard
from libs.config.bundle import Bundle
from services.orchestrator.story import Door
from tests.libs.config.shipped import TEXTS
from tests.services.orchestrator.channels import BUNDLE as FOUR_CHANNELS
from tests.services.orchestrator.channels import EVERYWHERE, LADDER
from tests.services.orchestrator.errand import about, bundle_of
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import Scene


def with_policy(line: str) -> Bundle:
    """The shipped bundle with another line instead of its `stop_confirmation`."""
    policy = TEXTS["policy.yaml"].replace("  stop_confirmation: false\n", f"  {line}\n")
    return bundle_of({**TEXTS, "policy.yaml": policy})


CONFIRMING = with_policy("stop_confirmation: true")


def after(scene: Scene, kind: type) -> list[MessageRequested]:
    """The messages that were asked for after the first fact of a kind."""
    place = next(n for n, event in enumerate(scene.told) if isinstance(event, kind))
    return [each for each in scene.told[place:] if isinstance(each, MessageRequested)]


def test_the_shipped_policy_confirms_no_stop():
    scene = Scene().reminded()
    scene.priya_says("STOP")
    assert after(scene, Withdrawn) == []


@pytest.mark.parametrize("word", ["STOP", "band karo"])
def test_a_stop_is_confirmed_once_where_it_was_said_and_no_gate_withholds_that(word: str):
    scene = Scene(bundle=CONFIRMING).reminded()
    scene.priya_says(word)
    [confirmation] = after(scene, Withdrawn)
    assert (confirmation.channel, confirmation.gates, confirmation.matter) == ("whatsapp", [], None)
    assert confirmation.body.text == "You will hear nothing more from us. Write START if you change your mind."
    exempt = {check.rule for check in confirmation.allowed_by.checks if check.verdict == "exempt"}
    assert "stop" in exempt
    assert scene.last(GateClosed).lasting
    assert isinstance(scene.told[-1], Closed)


def test_a_second_stop_is_obeyed_and_not_confirmed_again():
    scene = Scene(bundle=CONFIRMING).reminded()
    scene.priya_says("STOP")
    scene.priya_says("STOP")
    assert len(after(scene, Withdrawn)) == 1


def test_after_start_another_stop_is_another_one():
    scene = Scene(bundle=CONFIRMING).reminded()
    scene.priya_says("STOP")
    scene.conversation = type(scene.conversation)()
    scene.priya_says("START")
    scene.claude_answers("Welcome back.")
    scene.priya_says("STOP")
    assert len([each for each in scene.all(MessageRequested) if each.gates == []]) == 2


@pytest.mark.parametrize("started_on", ["whatsapp", "email"])
def test_who_unsubscribed_from_mail_is_written_to_there_after_a_start_only_where_they_said_it_there(started_on: str):
    scene = Scene(EVERYWHERE, FOUR_CHANNELS)
    scene.doors = {channel: Door("sandbox") for channel in LADDER}
    scene.opens(about(channel_priority=["email"]))
    scene.priya_unsubscribes("email")
    scene.priya_says("STOP")
    scene.conversation = type(scene.conversation)()
    scene.priya_says("START", channel=started_on)
    scene.claude_answers("Welcome back.")
    scene.later(days=2).opens(about(channel_priority=["email"]), matter="matter-2")
    assert scene.followups["matter-2"].status == ("open" if started_on == "email" else "exhausted")


def test_a_stop_that_claude_understood_is_confirmed_in_the_policys_words():
    scene = Scene(bundle=with_policy("stop_confirmation: {text: 'Done, {{contact_name}}.'}")).reminded()
    scene.priya_says("please never write to me again, ok?")
    scene.claude_answers("Sorry!", opt_out=True)
    assert [each.body.text for each in after(scene, Withdrawn)] == ["Done, Priya Sharma."]


@pytest.mark.parametrize("spoken", ["STOP", "Phir kabhi call mat karna"])
def test_a_stop_in_a_call_is_confirmed_in_that_call_and_by_no_message(spoken: str):
    scene = Phoned(bundle=CONFIRMING).talks()
    if spoken == "STOP":
        scene.exchange(spoken)
    else:
        scene.reports("opt_out", spoken)
    assert after(scene, Withdrawn) == []
    assert scene.guided.ends
    assert "it is noted" in scene.guided.instructions


def test_a_stop_in_writing_is_one_from_where_it_was_written_whatever_was_spoken_since():
    scene = Phoned(bundle=CONFIRMING).talks()
    scene.ends()
    scene.priya_says("please never write to me again, ok?")
    scene.exchange("Hello?")
    scene.claude_answers("Sorry!", opt_out=True)
    said = scene.last(Withdrawn)
    assert (said.said_on, said.evidence) == ("whatsapp", "please never write to me again, ok?")
    assert [each.channel for each in after(scene, Withdrawn)] == ["whatsapp"]


def test_where_only_registered_texts_go_it_is_confirmed_with_one_or_not_at_all():
    for templates, sent in (("", []), ("templates: {sms: general_followup}", ["general_followup"])):
        scene = Scene(EVERYWHERE, with_policy(f"stop_confirmation: {{text: Done., {templates}}}"))
        scene.doors = {"sms": Door("sandbox")}
        scene.priya_says("STOP", channel="sms")
        assert [each.body.template for each in after(scene, Withdrawn)] == sent


def test_the_words_of_a_confirmation_may_name_no_matter():
    policy = TEXTS["policy.yaml"].replace(
        "  stop_confirmation: false\n", "  stop_confirmation: {text: 'No more about {{entity_id}}.'}\n"
    )
    with pytest.raises(AssertionError, match="may not be named before anybody"):
        bundle_of({**TEXTS, "policy.yaml": policy})


# Unsubscribed from one channel


def unsubscribed(answered: bool) -> Scene:
    """Priya unsubscribed from mails, and writes one."""
    bundle = replace(FOUR_CHANNELS, policy=structs.replace(FOUR_CHANNELS.policy, answer_unsubscribed=answered))
    scene = Scene(EVERYWHERE, bundle)
    scene.doors = {channel: Door("sandbox") for channel in LADDER}
    scene.opens(about(channel_priority=LADDER))
    scene.message_is("accepted", ref="wamid.E-7")
    scene.priya_unsubscribes("email")
    scene.priya_says("What is E-7?", channel="email", reply_to="wamid.E-7")
    scene.claude_answers("An errand.")
    return scene


def test_who_unsubscribed_and_writes_there_is_answered_elsewhere():
    assert unsubscribed(False).last(MessageRequested).channel == "sms"  # the one of the ladder that was tried least


def test_where_the_policy_says_so_they_are_answered_there_and_their_own_gate_does_not_withhold_it():
    answer = unsubscribed(True).last(MessageRequested)
    assert (answer.channel, answer.purpose) == ("email", "answer")
    assert "contact:c_123/email" not in answer.gates
    assert "contact:c_123" in answer.gates
    assert [each.verdict for each in answer.allowed_by.checks if each.rule == "consent"] == ["exempt"]


def test_what_may_not_be_answered_at_all_is_for_a_person():
    scene = Scene(EVERYWHERE, FOUR_CHANNELS)
    scene.doors = {"email": Door("sandbox")}
    scene.priya_unsubscribes("email")
    scene.priya_says("Hello?", channel="email")
    scene.claude_answers("Hello.")
    assert scene.all(MessageRequested) == []
    assert "consent to email was withdrawn" in scene.last(Escalated).reason
    assert scene.all(PersonHeard) == []
