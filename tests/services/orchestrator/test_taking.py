"""Somebody calls us: they are talked with in the same conversation, never in two calls at once, and called where we missed them."""

from events import call
from events.call import CallRequested, CallTaken
from events.consent import Withdrawn
from events.conversation import Escalated, GateClosed, MessageRequested
from events.phone import CallGuided, RangUs
from libs.domain.contact import Contact
from libs.testkit.nouns import INVOICE, PRIYA, PRIYA_PHONE
from services.orchestrator.approach import approach_of
from services.orchestrator.story import Door
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import CONVERSATION

PROMISE = "20 February tak payment kar denge"


def written_to() -> Phoned:
    """She was written to about the invoice, and calls."""
    scene = Phoned()
    scene.doors["voice"] = Door("off")
    scene.reminded()
    scene.doors["voice"] = Door("sandbox", sender="+911600047189")
    return scene


def test_who_calls_is_asked_who_it_is_and_hears_nothing_of_the_debt_before():
    scene = written_to()
    scene.calls_us()
    taken: CallTaken = scene.last(CallTaken)
    assert (taken.call, taken.caller, taken.identifies) == ("in-1", PRIYA_PHONE, True)
    told = f"{taken.opening} {taken.instructions} {taken.context} {taken.intents}".lower()
    assert not [secret for secret in (INVOICE, "52400", "overdue") if secret.lower() in told]
    assert not scene.all(CallRequested), "nobody is dialled"


def test_who_confirms_talks_about_what_is_open_and_the_map_moves_in_the_call():
    scene = written_to()
    scene.calls_us()
    scene.picks_up()
    scene.reports("confirms_person", "Haan ji")
    assert INVOICE in scene.guided.instructions
    assert "They called us" in scene.guided.instructions
    scene.reports("promise_to_pay", PROMISE, payment_date="2026-02-20")
    assert scene.state == "promised"
    assert scene.answer()["status"] == "done"
    scene.exchange("Theek hai, bye")
    said = scene.ends()
    assert scene.outcome == "talked"
    assert not [event for event in said if isinstance(event, CallRequested | Escalated)]


def test_a_call_of_ours_that_was_not_answered_yet_gives_way_to_theirs():
    scene = Phoned().dials()
    ours = scene.asked
    said = scene.calls_us()
    [closed] = [event for event in said if isinstance(event, GateClosed)]
    assert closed.scope in ours.gates
    assert not closed.lasting
    [over] = [event for event in said if type(event).__name__ == "CallOver"]
    assert (over.call, over.outcome, over.reason) == (ours.call, "withheld", "the contact calls us at this moment")
    assert not [event for event in said if isinstance(event, MessageRequested)], "they are on the line already"
    assert scene.conversation.phone is not None
    assert scene.conversation.phone.call == "in-1"
    late = scene.happens(call.Ended(conversation=CONVERSATION, reason="busy", seconds=0), ours.call)
    assert late == [], "that ours was busy says nothing about theirs"


def test_who_is_on_the_phone_with_us_is_not_talked_with_twice():
    scene = Phoned().talks()
    said = scene.calls_us("in-2")
    assert not [event for event in said if isinstance(event, CallTaken)]
    said = scene.gives_up(name="in-2")
    assert [type(event) for event in said] == [RangUs]


def test_while_they_are_on_the_phone_nothing_is_written_about_it():
    scene = Phoned()
    scene.calls_us()
    scene.opens()
    said = scene.erp_answers({"paid": False})
    assert not [event for event in said if isinstance(event, MessageRequested | CallRequested)]


def test_who_was_missed_is_called_in_the_same_conversation():
    scene = written_to()
    scene.calls_us()
    scene.gives_up()
    assert scene.outcome == "unanswered"
    assert (scene.asked.purpose, scene.asked.to) == ("answer", PRIYA_PHONE)


def test_who_could_not_wait_is_called_back_after_a_missed_call():
    scene = Phoned().dials()
    scene.ends("no_answer", seconds=0)
    scene.calls_us(waits=False)
    assert (scene.asked.purpose, scene.asked.to) == ("answer", PRIYA_PHONE)
    assert len(scene.all(CallRequested)) == 2


def test_who_is_cut_off_with_our_process_is_called():
    scene = written_to()
    scene.calls_us()
    scene.picks_up()
    scene.exchange("Hello?")
    scene.ends("failed")
    assert scene.asked.purpose == "answer"


def test_who_hangs_up_before_saying_who_they_are_leaves_all_as_it_was():
    scene = written_to()
    before = scene.state
    scene.calls_us()
    scene.picks_up()
    scene.exchange("Kaun?")
    said = scene.ends("contact_hung_up")
    assert scene.state == before
    assert not [event for event in said if isinstance(event, CallRequested | MessageRequested)]


def test_somebody_who_calls_about_nothing_is_heard_and_then_a_person_sees_it():
    scene = Phoned()
    scene.calls_us()
    assert "nothing is open" in scene.last(CallTaken).instructions
    assert not scene.all(Escalated)
    scene.picks_up()
    scene.exchange("Mujhe ek aur order karna hai")
    scene.ends()
    assert "called us" in scene.last(Escalated).reason
    assert not scene.all(CallRequested)


def test_a_stranger_is_not_greeted_by_their_number():
    scene = Phoned()
    scene.contact = Contact(id="unknown-voice-1", profile=scene.contact.profile)
    scene.calls_us()
    assert "Priya" not in scene.last(CallTaken).opening
    assert not scene.last(CallTaken).identifies


def test_who_had_said_stop_is_answered_and_nothing_is_begun():
    scene = written_to()
    scene.priya_says("STOP")
    assert scene.last(Withdrawn).contact_id == PRIYA
    scene.conversation = type(scene.conversation)()
    scene.calls_us()
    taken: CallTaken = scene.last(CallTaken)
    assert taken.answers_only
    assert "what they ask is answered" in taken.instructions.lower()
    assert (taken.channels, taken.tools) == ([], {})
    scene.picks_up()
    scene.exchange("Mera invoice kya tha?")
    scene.asks_for("schedule_callback", "Kal call karo", at="2026-02-17T10:00")
    assert scene.answer()["status"] == "refused"
    said = scene.ends()
    assert not [event for event in said if isinstance(event, CallRequested | MessageRequested)]


def test_who_had_said_stop_and_was_missed_is_for_a_person():
    scene = written_to()
    scene.priya_says("STOP")
    scene.conversation = type(scene.conversation)()
    scene.calls_us(waits=False)
    assert "said stop" in scene.last(Escalated).reason
    assert not scene.all(CallRequested)


def test_the_policy_sees_that_they_called():
    scene = written_to()
    scene.calls_us()
    seen = []
    scene.tells(
        lambda story: seen.append(
            approach_of(story, None, "voice", "answer", PRIYA_PHONE, category=None, identifies=False)
        )
    )
    assert seen[0].last_inbound_channel == "voice"
    assert not scene.all(CallGuided), "nothing is news to the call"
