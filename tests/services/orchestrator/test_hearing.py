"""What comes in beside words: files, voice notes, and machines that answer in the contact's place."""

from datetime import date, datetime, timedelta

import pytest

from events.conversation import (
    AttachmentsRead,
    AutomaticHeard,
    ContactSaid,
    DraftDropped,
    Escalated,
    MessageRequested,
    Opened,
    TimerSet,
    TurnRequested,
)
from events.followup import AttemptStarted, AttemptUnanswered, Deferred
from events.inbound import Fetched
from events.reach import AwayTold
from events.values import Attachment, Choice
from libs.domain.conversation import Conversation
from libs.testkit.nouns import IST
from services.orchestrator import claude
from tests.services.orchestrator.channels import FIRST, everywhere, nobody, sent
from tests.services.orchestrator.errand import about
from tests.services.orchestrator.scene import Scene
from tests.services.orchestrator.visit import visit

VOICE = Attachment(media_type="audio/ogg", provider_id="m1", voice=True)
RECEIPT = Attachment(media_type="application/pdf", name="utr.pdf", provider_id="m2")


def kept(file: Attachment) -> Attachment:
    return Attachment(media_type=file.media_type, name=file.name, voice=file.voice, object="o/1", size=7)


def asked() -> Scene:
    scene = everywhere()
    scene.message_is("accepted")
    return scene


def shown(scene: Scene) -> list[str]:
    """What Claude reads as unread."""
    turn: TurnRequested = scene.last(TurnRequested)
    request = claude.request_for(turn, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
    return [line.text for line in request.unread]


def turns(scene: Scene) -> int:
    return len(scene.all(TurnRequested))


# Files


def test_a_voice_note_waits_for_its_transcript_which_is_what_she_said():
    scene = asked()
    scene.priya_says("", attachments=[VOICE], kind="audio")
    assert turns(scene) == 0
    scene.files_are(Fetched(attachments=[kept(VOICE)], transcript="haan, 20 February tak"))
    assert shown(scene) == ["haan, 20 February tak"]
    assert scene.conversation.lines[-1].files[0].object == "o/1"


def test_a_document_is_described_to_claude_as_data():
    scene = asked()
    scene.priya_says("payment ho gaya", attachments=[RECEIPT], kind="document")
    scene.files_are(Fetched(attachments=[kept(RECEIPT)]))
    assert shown(scene) == ["payment ho gaya\n[document utr.pdf]"]


@pytest.mark.parametrize(
    ("media_type", "name", "words"),
    [
        ("image/jpeg", None, "[image]"),
        ("application/pdf", "utr.pdf", "[document utr.pdf]"),
        ("video/mp4", "a.mp4", "[video a.mp4]"),
    ],
)
def test_a_file_without_words_is_named_by_what_it_is(media_type: str, name: str | None, words: str):
    scene = asked()
    scene.priya_says("", attachments=[Attachment(media_type=media_type, name=name, object="o/1")])
    assert shown(scene) == [words]


def test_what_is_no_text_and_has_no_file_is_named_too():
    scene = asked()
    scene.priya_says("", kind="location")
    assert shown(scene) == ["[location]"]


def test_files_that_cannot_be_had_are_read_as_what_they_are():
    scene = asked()
    scene.priya_says("", attachments=[VOICE], kind="audio")
    scene.files_are(failed="404 at the provider")
    assert shown(scene) == ["[voice note]"]


def test_nobody_waits_for_ever_for_a_file():
    scene = asked()
    scene.priya_says("", attachments=[RECEIPT])
    told = scene.timer_fires("media")
    assert told[0] == AttachmentsRead(inbound=scene.last(ContactSaid).inbound, failed="they did not come in time")
    assert shown(scene) == ["[document utr.pdf]"]


def test_a_timer_for_files_that_have_come_means_nothing():
    scene = asked()
    scene.priya_says("", attachments=[RECEIPT])
    scene.files_are(Fetched(attachments=[kept(RECEIPT)]))
    assert scene.timer_fires("media") == []


def test_a_transcript_that_comes_after_all_is_read():
    scene = asked()
    scene.priya_says("", attachments=[VOICE])
    scene.timer_fires("media")
    scene.claude_answers("I could not hear it.")
    scene.files_are(Fetched(attachments=[kept(VOICE)], transcript="haan"))
    assert (turns(scene), shown(scene)) == (2, ["haan"])


def test_words_that_follow_a_voice_note_wait_with_it_and_are_read_together():
    scene = asked()
    scene.priya_says("", attachments=[VOICE])
    scene.priya_says("sun lijiye")
    assert turns(scene) == 0
    note = scene.all(ContactSaid)[0]
    scene.files_are(Fetched(attachments=[kept(VOICE)], transcript="20 tak"), said=note)
    assert shown(scene) == ["20 tak", "sun lijiye"]


def test_a_voice_note_that_comes_while_claude_thinks_is_waited_for():
    scene = asked()
    scene.priya_says("kal")
    scene.priya_says("", attachments=[VOICE])
    scene.claude_answers("Kal, theek.")
    assert scene.last(DraftDropped).reason == "newer_message"
    assert scene.timer_fires("quiet") == []
    scene.files_are(Fetched(attachments=[kept(VOICE)], transcript="nahi, parson"))
    assert shown(scene) == ["kal", "nahi, parson"]


def test_stop_may_be_spoken():
    scene = asked()
    scene.priya_says("", attachments=[VOICE])
    scene.files_are(Fetched(attachments=[kept(VOICE)], transcript="Band karo."))
    assert scene.consent.stopped
    assert turns(scene) == 0


# Choices


def test_a_question_with_choices_offers_them_and_a_press_is_an_answer():
    scene = visit()
    scene.hears("20 February ko aaiye")
    assert scene.last(MessageRequested).body.choices == [
        Choice(id="morning", title="morning"),
        Choice(id="afternoon", title="afternoon"),
    ]
    scene.hears("afternoon")
    assert scene.conversation.matters[FIRST].course.values["part_of_day"] == "afternoon"


# Machines


AUTOMATIC = pytest.mark.parametrize("what", ["auto_reply", "out_of_office", "list", "report"])


def test_a_sign_put_on_our_last_message_is_an_answer_and_on_an_older_one_is_none():
    scene = everywhere()
    scene.message_is("accepted", ref="wamid.ours")
    assert scene.priya_says("👍", kind="reaction", reply_to="wamid.older") == []
    scene.priya_says("👍", kind="reaction", reply_to="wamid.ours")
    assert scene.conversation.turn is not None


@AUTOMATIC
def test_a_machines_mail_is_noted_and_never_answered(what: str):
    scene = asked()
    before = scene.conversation
    told = scene.priya_says("I am away.", channel="email", automatic=what, subject="Out of office")
    assert [type(fact) for fact in told] == [AutomaticHeard]
    assert scene.conversation.unread == ()
    assert (scene.conversation.channel, scene.conversation.heard_at) == (before.channel, before.heard_at)


def absence(waits: Deferred) -> set[tuple[str, str]]:
    """What the policy said of the contact's absence, on every channel."""
    checks = [each for decision in waits.decisions for each in decision.checks if each.rule == "out_of_office"]
    return {(each.verdict, each.detail) for each in checks}


def test_a_machines_mail_that_names_the_day_of_return_moves_only_the_next_attempt():
    scene = asked()
    before = scene.conversation
    told = scene.priya_says(
        "I am out of the office until 20 February.",
        channel="email",
        automatic="out_of_office",
        subject="Automatic reply",
    )
    assert [type(fact) for fact in told] == [AwayTold, AutomaticHeard]
    assert (told[0].until, told[0].evidence) == (date(2026, 2, 20), "until 20 February")
    assert (scene.conversation.unread, scene.conversation.heard_at) == ((), before.heard_at)
    scene.timer_fires("no_reply")  # on Tuesday: she has not answered
    assert scene.last(AttemptUnanswered).number == 1
    waits: Deferred = scene.last(Deferred)
    assert waits.until == datetime(2026, 2, 20, 0, 0, tzinfo=IST)  # no hours bind SMS in this bundle
    assert absence(waits) == {
        ("deferred", "a machine answered on 2026-02-16 that the contact is away until 2026-02-20")
    }
    scene.timer_fires("deferred")
    assert (scene.now, scene.last(AttemptStarted).number) == (waits.until, 2)
    assert not scene.consent.stopped


def test_who_is_away_for_long_is_waited_for_as_long_as_the_policy_says():
    scene = asked()
    scene.priya_says("Back on 1 June 2026.", channel="email", automatic="auto_reply", subject="Re: Your errand")
    scene.timer_fires("no_reply")
    assert scene.last(Deferred).until == datetime(2026, 3, 2, 0, 0, tzinfo=IST)


def test_a_day_that_is_over_moves_nothing():
    scene = asked()
    scene.priya_says("On leave until 10 February.", channel="email", automatic="out_of_office")
    scene.timer_fires("no_reply")
    assert scene.all(AwayTold) == []
    assert absence(scene.last(Deferred)) == {("allowed", "no machine has said that the contact is away")}


def test_who_writes_themselves_is_not_away_any_more():
    scene = asked()
    scene.priya_says("Back on 25 February.", channel="email", automatic="out_of_office")
    scene.later(minutes=5).priya_says("I read my messages here")
    scene.claude_answers("Good. When will it be?")
    scene.message_is("accepted")
    scene.later(days=2).opens(about(entity_id="E-8"), matter="matter-2")
    assert (scene.all(Deferred), sent(scene, "matter-2") != []) == ([], True)


def test_a_machines_mail_resets_no_timer():
    scene = asked()
    scene.priya_says("Away.", channel="email", automatic="out_of_office")
    assert scene.timer_fires("no_reply") != []


def test_a_machines_mail_opens_no_conversation():
    scene = nobody()
    assert scene.priya_says("Away.", channel="email", automatic="out_of_office") == []


def test_a_machines_stop_is_nobodys():
    scene = asked()
    scene.priya_says("unsubscribe", channel="email", automatic="list")
    assert not scene.consent.stopped


def chatter(scene: Scene, times: int) -> None:
    for n in range(times):
        scene.priya_says(f"Your message is important to us ({n}).")
        if scene.conversation.turn is None:
            return
        scene.claude_answers("Thank you. When will it be?", extracted_info={"reference": str(n)})


def test_turns_that_bring_nothing_new_end_in_silence_and_a_person():
    scene = asked()
    chatter(scene, 20)
    most = scene.bundle.policy.turns_without_progress
    assert len(scene.all(MessageRequested)) == 1 + most  # the reminder, and the answers: the first brought a reference
    [escalated] = [fact for fact in scene.all(Escalated) if fact.silences]
    assert "is it a machine" in escalated.reason
    assert scene.last(DraftDropped).reason == "no_progress"


def test_who_is_silenced_says_nothing_by_itself_either():
    scene = asked()
    chatter(scene, 20)
    said = len(scene.all(MessageRequested))
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    assert len(scene.all(MessageRequested)) == said


def test_progress_begins_the_count_anew():
    scene = asked()
    chatter(scene, 5)
    scene.priya_says("haan")
    scene.claude_answers(intents=["agree"])
    assert scene.conversation.idle == 0


def test_a_message_in_several_parts_is_one_turn_of_the_count():
    scene = asked()
    scene.priya_says("ek")
    scene.priya_says("do")
    scene.claude_answers()
    assert scene.conversation.idle == 0


def test_a_person_who_has_looked_gives_the_agent_its_voice_back():
    scene = asked()
    chatter(scene, 20)
    scene.is_taken_over()
    scene.is_released()
    assert scene.conversation.turn is not None
    assert (scene.conversation.idle, scene.conversation.silenced) == (0, False)


def test_the_erp_may_move_it_on_too():
    scene = asked()
    chatter(scene, 20)
    scene.erp_says("errand_changed", errand="E-7")
    assert not scene.conversation.silenced


def test_a_machine_that_begins_anew_each_time_is_counted_over_its_conversations():
    scene = nobody()
    answers = 0
    for n in range(20):
        scene.before, scene.conversation = scene.conversation, Conversation()
        scene.priya_says(f"Ticket {n} was opened.", channel="email")
        scene.claude_answers("Thank you.")
        if not scene.conversation.silenced:
            answers += 1
            scene.message_is("accepted")
    assert answers == scene.bundle.policy.turns_without_progress - 1
    assert scene.last(Opened).idle_turns >= answers


def test_a_contact_who_comes_back_after_a_day_is_not_counted_on():
    scene = nobody()
    scene.priya_says("Hello", channel="email")
    scene.claude_answers("Hello.")
    scene.message_is("accepted")
    scene.before, scene.conversation = scene.conversation, Conversation()
    scene.later(days=2)
    scene.priya_says("Hello again", channel="email")
    assert scene.last(Opened).idle_turns == 0


def test_a_timer_is_set_for_each_message_with_files():
    scene = asked()
    scene.priya_says("", attachments=[RECEIPT])
    assert (scene.last(TimerSet).purpose, scene.last(TimerSet).name) == ("media", scene.last(ContactSaid).inbound)
    assert FIRST in scene.conversation.matters


def test_a_message_that_comes_days_late_counts_from_when_it_was_written():
    scene = Scene().reminded()
    scene.later(days=3)
    written = scene.now - timedelta(hours=50)
    scene.priya_says("kal tak kar dungi", sent_at=written)
    assert scene.last(ContactSaid).at == written
    scene.claude_answers("Theek hai, kal tak.")
    assert scene.last(MessageRequested).body.template is not None  # the window for free text is over


@pytest.mark.parametrize("sent", [timedelta(minutes=-20), timedelta(0), timedelta(days=400)])
def test_a_message_that_comes_in_time_or_from_the_future_counts_from_when_it_is_heard(sent: timedelta):
    scene = Scene().reminded()
    scene.priya_says("kal tak kar dungi", sent_at=scene.now + sent)
    assert scene.last(ContactSaid).at == scene.now


def test_an_old_message_takes_nothing_from_the_window_that_a_newer_one_opened():
    scene = Scene().reminded()
    scene.later(days=3)
    scene.priya_says("haan")
    scene.priya_says("kal tak kar dungi", sent_at=scene.now - timedelta(hours=50))
    assert scene.conversation.heard_at["whatsapp"] == scene.now
