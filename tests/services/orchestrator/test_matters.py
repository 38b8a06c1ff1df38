"""Two matters of one contact at once: each message is about one of them, and nothing of it reaches the other."""

import pytest

from events.conversation import ChannelSwitched, ContactSaid, Escalated, MessageRequested, TurnRequested, Understood
from services.orchestrator import claude
from tests.services.orchestrator.channels import (
    DELIVERY,
    FIRST,
    SECOND,
    errand_and_delivery,
    everywhere,
    known_of,
    sent,
    state_of,
    two_errands,
)
from tests.services.orchestrator.errand import about
from tests.services.orchestrator.scene import Scene

BOTH = pytest.mark.parametrize("second", ["whatsapp", "email"])


def read_by_claude(scene: Scene) -> list[str]:
    asked: TurnRequested = scene.last(TurnRequested)
    request = claude.request_for(asked, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
    return [line.text for line in request.unread]


@BOTH
def test_a_reply_that_quotes_a_message_is_about_its_matter(second: str):
    scene = two_errands(second)
    scene.priya_says("haan, theek hai", reply_to="wamid.E-7")
    assert scene.last(ContactSaid).matter == FIRST
    assert scene.last(TurnRequested).matter == FIRST
    scene.claude_answers(intents=["agree"], extracted_info={"payment_date": "2026-02-20"})
    assert (state_of(scene, FIRST), state_of(scene, SECOND)) == ("agreed", "asked")
    assert known_of(scene, FIRST) == {"payment_date": "2026-02-20"}
    assert known_of(scene, SECOND) == {}


def test_a_mail_finds_its_matter_by_any_message_of_its_thread():
    scene = two_errands("email")
    scene.priya_says("Fine.", channel="email", reply_to="stranger@x", thread=["other@x", "email.E-8"])
    assert scene.last(ContactSaid).matter == SECOND


def test_our_own_id_in_the_address_that_was_written_to_tells_the_matter():
    scene = two_errands()
    scene.priya_says("Fine.", channel="email", reference=sent(scene, FIRST)[0].message)
    assert scene.last(ContactSaid).matter == FIRST


def test_an_answer_to_what_she_said_herself_goes_on_with_its_matter():
    scene = two_errands()
    scene.priya_says("haan", reply_to="wamid.E-7")
    scene.claude_answers()
    scene.priya_says("matlab kal", reply_to="in.1")
    assert scene.last(ContactSaid).matter == FIRST


@pytest.mark.parametrize(
    ("text", "subject", "matter"),
    [
        ("E-77 is done", None, None),
        ("E-7 and E-8 are done", None, None),
        ("INV-2026-0042 is done", None, FIRST),
        ("done", "About inv-2026-0042", FIRST),
        ("INV-2026-00421 is done", None, None),
    ],
)
def test_a_message_that_names_one_matter_by_its_id_is_about_it(text: str, subject: str | None, matter: str | None):
    scene = everywhere(entity_id="INV-2026-0042")
    scene.message_is("accepted")
    scene.priya_says(text, subject=subject)
    assert scene.last(ContactSaid).matter == matter


def test_where_nothing_tells_it_is_about_what_was_spoken_of_last():
    scene = two_errands()
    scene.priya_says("theek hai")
    assert (scene.last(ContactSaid).matter, scene.last(TurnRequested).matter) == (None, SECOND)
    scene.claude_answers(intents=["agree"])
    assert (state_of(scene, FIRST), state_of(scene, SECOND)) == ("asked", "agreed")


def test_a_matter_that_has_not_reached_her_yet_is_not_what_she_answers():
    scene = everywhere()
    scene.message_is("accepted")
    scene.later(minutes=10)
    scene.opens(about(entity_id="E-8"), matter=SECOND)
    assert sent(scene, SECOND) == []
    scene.priya_says("theek hai")
    assert scene.last(TurnRequested).matter == FIRST


def test_a_message_that_failed_is_not_what_she_answers():
    scene = two_errands()
    scene.message_is("failed", sent(scene, SECOND)[0])
    scene.priya_says("theek hai")
    assert scene.conversation.about(scene.conversation.lines[-1]) == FIRST


@BOTH
def test_what_she_writes_about_two_matters_at_once_is_read_apart_and_answered_apart(second: str):
    scene = two_errands(second)
    scene.priya_says("kal", reply_to="wamid.E-7")
    scene.priya_says("parson", channel=second, reply_to=f"{second}.E-8")
    assert len(scene.all(TurnRequested)) == (1 if second == "whatsapp" else 2)
    assert read_by_claude(scene) == ["kal"]
    scene.claude_answers("Kal, theek.", extracted_info={"payment_date": "2026-02-17"})
    assert sent(scene, FIRST)[-1].body.text == "Kal, theek."
    assert scene.last(TurnRequested).matter == SECOND
    assert read_by_claude(scene) == ["parson"]
    scene.claude_answers("Parson, theek.", extracted_info={"payment_date": "2026-02-18"})
    assert (sent(scene, SECOND)[-1].channel, sent(scene, SECOND)[-1].body.text) == (second, "Parson, theek.")
    assert known_of(scene, FIRST) == {"payment_date": "2026-02-17"}
    assert known_of(scene, SECOND) == {"payment_date": "2026-02-18"}
    assert scene.conversation.unread == ()


def test_what_waits_to_be_read_about_another_matter_is_not_shown_to_claude():
    scene = two_errands()
    scene.priya_says("kal", reply_to="wamid.E-7")
    scene.priya_says("parson", reply_to="whatsapp.E-8")
    scene.claude_answers("Kal, theek.")
    asked: TurnRequested = scene.last(TurnRequested)
    request = claude.request_for(asked, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
    assert [line.text for line in request.unread] == ["parson"]
    assert "kal" in [line.text for line in request.history]


def test_a_newer_message_about_the_other_matter_does_not_drop_the_answer():
    scene = two_errands()
    scene.priya_says("kal", reply_to="wamid.E-7")
    scene.priya_says("parson", reply_to="whatsapp.E-8")
    told = scene.claude_answers("Kal, theek.")
    assert [fact.body.text for fact in told if isinstance(fact, MessageRequested)] == ["Kal, theek."]


def test_an_intent_that_does_not_move_its_own_matter_moves_no_other_one():
    scene = two_errands()
    scene.priya_says("haan", reply_to="wamid.E-7")
    scene.claude_answers(intents=["agree"])
    scene.priya_says("haan haan", reply_to="wamid.E-7")
    scene.claude_answers(intents=["agree"])
    assert (state_of(scene, FIRST), state_of(scene, SECOND)) == ("agreed", "asked")


def test_the_intents_of_both_matters_are_offered_those_of_the_one_in_question_first():
    scene = errand_and_delivery()
    scene.priya_says("haan", reply_to="wamid.E-7")
    assert next(iter(scene.last(TurnRequested).intents)) == "agree"
    assert "delivery_fine" in scene.last(TurnRequested).intents


def test_claude_is_told_what_else_is_open():
    scene = errand_and_delivery()
    scene.priya_says("haan", reply_to="wamid.E-7")
    assert scene.last(TurnRequested).context["other_matters"] == [
        {"entity_type": "delivery", "entity_id": "D-1", "state": "coming"}
    ]


def test_an_intent_that_only_the_other_process_knows_is_that_ones_with_its_facts():
    scene = errand_and_delivery()
    scene.priya_says("delivery theek hai, 20 ko mili", reply_to="wamid.E-7")
    scene.claude_answers(intents=["delivery_fine"], extracted_info={"delivery_date": "2026-02-20"})
    assert (state_of(scene, FIRST), state_of(scene, DELIVERY)) == ("asked", "fine")
    assert known_of(scene, FIRST) == {}
    assert known_of(scene, DELIVERY) == {"delivery_date": "2026-02-20"}


def test_a_message_about_both_tells_each_its_own():
    scene = errand_and_delivery()
    scene.priya_says("haan kar do, aur delivery 20 ko mili", reply_to="wamid.E-7")
    facts = {"delivery_date": "2026-02-20", "reason": "holiday"}
    scene.claude_answers(intents=["agree", "delivery_fine"], extracted_info=facts)
    assert (state_of(scene, FIRST), state_of(scene, DELIVERY)) == ("agreed", "fine")
    assert (known_of(scene, FIRST), known_of(scene, DELIVERY)) == (
        {"reason": "holiday"},
        {"delivery_date": "2026-02-20"},
    )
    assert [fact.matter for fact in scene.all(Understood)] == [FIRST, DELIVERY]


def test_an_intent_that_both_processes_know_is_that_of_the_matter_in_question():
    scene = errand_and_delivery()
    scene.priya_says("help", reply_to="wamid.E-7")
    scene.claude_answers(intents=["ask_help"])
    assert (state_of(scene, FIRST), state_of(scene, DELIVERY)) == ("stuck", "coming")


def test_a_reply_to_a_settled_matter_moves_no_other_one_and_calls_a_person():
    scene = two_errands()
    scene.is_moved_by_hand("manual", "drop")
    scene.priya_says("haan", reply_to="wamid.E-7")
    assert scene.last(ContactSaid).matter == FIRST
    assert "the matter is settled" in scene.last(Escalated).reason
    scene.claude_answers(intents=["agree"], extracted_info={"payment_date": "2026-02-20"})
    assert state_of(scene, SECOND) == "asked"
    assert known_of(scene, SECOND) == {}
    assert scene.conversation.unread == ()


def test_each_matter_is_answered_on_the_channel_on_which_it_is_talked_about():
    scene = two_errands("email")
    scene.priya_says("kal?", reply_to="wamid.E-7")
    scene.priya_says("When?", channel="email", reply_to="email.E-8")
    told = [*scene.claude_answers("Haan, kal."), *scene.claude_answers("Tomorrow.")]
    assert (sent(scene, FIRST)[-1].channel, sent(scene, SECOND)[-1].channel) == ("whatsapp", "email")
    assert not any(isinstance(fact, ChannelSwitched) for fact in told)


def test_silence_about_one_matter_is_silence_though_the_other_one_is_talked_about():
    scene = two_errands()
    scene.priya_says("haan", reply_to="wamid.E-7")
    scene.claude_answers()
    told = scene.timer_fires("no_reply")
    assert {getattr(fact, "matter", None) for fact in told} >= {SECOND}


def test_what_is_said_about_another_matter_is_no_answer_to_what_waits_to_be_read():
    scene = two_errands().later(hours=2)
    scene.priya_says("kal?", reply_to="wamid.E-7")
    scene.erp_says("errand_changed", matter=SECOND, errand="E-8")
    assert (sent(scene, SECOND)[-1].body.text, sent(scene, SECOND)[-1].purpose) == (
        "Errand E-8 has changed.",
        "approach",
    )
    assert [line.text for line in scene.conversation.unread] == ["kal?"]
    scene.claude_answers("Kal, theek.")
    assert scene.conversation.unread == ()


def test_one_message_that_gives_two_matters_of_a_process_different_values_gives_each_its_own():
    scene = two_errands()
    scene.priya_says("E-7 20 ko kar denge, aur E-8 25 ko")
    assert scene.last(TurnRequested).matter == SECOND
    scene.claude_answers(
        intents=["agree"],
        extracted_info={"payment_date": "2026-02-25"},
        words={"payment_date": "25 ko"},
        elsewhere={
            "E-7": {
                "intents": ["agree"],
                "extracted_info": {"payment_date": "2026-02-20"},
                "words": {"payment_date": "20 ko"},
            }
        },
    )
    assert (state_of(scene, FIRST), state_of(scene, SECOND)) == ("agreed", "agreed")
    assert known_of(scene, FIRST) == {"payment_date": "2026-02-20"}
    assert known_of(scene, SECOND) == {"payment_date": "2026-02-25"}
    assert {fact.matter: fact.words for fact in scene.all(Understood)} == {
        FIRST: {"payment_date": "20 ko"},
        SECOND: {"payment_date": "25 ko"},
    }


def test_what_is_said_of_a_matter_that_is_not_open_here_goes_nowhere():
    scene = two_errands()
    scene.priya_says("E-99 ho gaya")
    scene.claude_answers(elsewhere={"E-99": {"intents": ["agree"], "extracted_info": {"payment_date": "2026-02-20"}}})
    assert (state_of(scene, FIRST), state_of(scene, SECOND)) == ("asked", "asked")
    assert (known_of(scene, FIRST), known_of(scene, SECOND)) == ({}, {})


def test_after_a_release_what_was_withheld_of_one_matter_goes_out_though_she_wrote_about_the_other():
    scene = everywhere()
    scene.message_is("accepted", ref="wamid.E-7")
    scene.later(hours=4).opens(about(entity_id="E-8", channel_priority=["whatsapp"]), matter=SECOND)
    withheld: MessageRequested = scene.last(MessageRequested)
    scene.is_taken_over()
    scene.message_is("withheld", withheld)
    scene.priya_says("haan", reply_to="wamid.E-7")
    scene.is_released()
    scene.claude_answers(intents=["agree"])
    scene.timer_fires("pending")
    asked: TurnRequested = scene.last(TurnRequested)
    assert SECOND in (asked.matter, scene.last(MessageRequested).matter)


def test_a_draft_about_one_matter_that_a_takeover_withheld_is_asked_for_again_though_she_wrote_about_the_other():
    scene = everywhere()
    scene.message_is("accepted", ref="wamid.E-7")
    scene.later(hours=4).opens(about(entity_id="E-8", channel_priority=["email"]), matter=SECOND)
    scene.is_taken_over()
    scene.priya_says("haan", reply_to="wamid.E-7")
    scene.is_released()
    scene.claude_is_withheld()
    assert scene.last(TurnRequested).matter == FIRST
    scene.claude_answers(intents=["agree"])
    scene.timer_fires("pending")
    asked: TurnRequested = scene.last(TurnRequested)
    assert SECOND in (asked.matter, scene.last(MessageRequested).matter)
