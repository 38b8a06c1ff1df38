"""Who is to be forgotten hears nothing more, and nothing more is promised to them, whatever comes later."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from events.call import CallRequested
from events.consent import Given, Withdrawn
from events.conversation import Closed, Escalated, MessageRequested, TimerSet, TurnRequested
from events.phone import CallGuided
from libs.domain.call_lines import LANGUAGES, TEXTS
from libs.domain.contact import Consent, evolve_consent
from libs.testkit.nouns import PRIYA
from services.orchestrator import calling, decide, taking
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import Scene

FORGET = Withdrawn(contact_id=PRIYA, how="erasure", evidence="")
SPEAKS = (MessageRequested, CallRequested, TurnRequested)


def erased(scene: Scene) -> int:
    """The erasure is asked for: the conversation ends, and the consent with it, as the handler tells it.

    How many facts were told until then.
    """
    scene.tells(decide.erase)
    scene.consent = evolve_consent(scene.consent, FORGET)
    return len(scene.told)


def test_nothing_that_is_said_later_takes_an_erasure_back():
    asked = evolve_consent(Consent(), FORGET)
    assert (asked.erasing, asked.stopped) == (True, True)
    assert evolve_consent(asked, Given(contact_id=PRIYA, evidence="START")) == asked


LATE = st.lists(
    st.sampled_from(["accepted", "failed", "read", "withheld", "timers", "claude", "erp", "hand", "release"]),
    max_size=8,
)


@given(st.sampled_from(["opened", "reminded", "answered", "promised", "taken"]), LATE)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_after_an_erasure_nothing_is_said_asked_or_set(where: str, late: list[str]):
    scene = Scene()
    if where == "opened":
        scene.opens()
    else:
        scene.promised() if where == "promised" else scene.reminded()
    if where == "answered":
        scene.priya_says("20 February tak")
    if where == "taken":
        scene.is_taken_over()
    timers, asked, sent = scene.all(TimerSet), scene.all(TurnRequested), scene.all(MessageRequested)
    before = erased(scene)
    for each in late:
        if each in ("accepted", "failed", "read", "withheld") and sent:
            scene.message_is(each)
        elif each == "timers":
            for timer in timers:
                scene.now = max(scene.now, timer.due_at)
                scene.tells(partial(decide.after_timer, timer=timer))
        elif each == "claude" and asked:
            scene.claude_answers("Hum kal call karenge.", intents=["promise_to_pay"])
        elif each == "erp":
            scene.erp_answers({"paid": False})
        elif each == "hand":
            scene.is_moved_by_hand("manual", "mark_paid")
        elif each == "release":
            scene.is_released()
    assert [fact for fact in scene.told[before:] if isinstance(fact, (*SPEAKS, TimerSet))] == []


def test_who_is_erased_during_a_call_hears_goodbye_and_is_promised_no_call():
    scene = Phoned()
    scene.talks()
    before = erased(scene)
    assert scene.tells(calling.guide) == [] or scene.guided.ends
    for tool, inputs in (
        ("schedule_callback", {"at": "2026-02-17T11:00:00+05:30"}),
        ("transfer", {"reason": "wants somebody"}),
        ("send_on_channel", {"channel": "whatsapp"}),
    ):
        scene.asks_for(tool, "call me tomorrow", **inputs)
        assert scene.answer()["status"] == "refused", tool
    assert "call" not in scene.guided.instructions.replace("end_call", "")
    scene.ends("contact_hung_up")
    assert [fact for fact in scene.told[before:] if isinstance(fact, (*SPEAKS, TimerSet, Escalated))] == []


def test_a_caller_who_is_erased_while_their_call_is_missed_is_not_called_and_sent_to_nobody():
    scene = Phoned()
    scene.dials()
    erased(scene)
    assert scene.tells(taking.call_back) == []


def test_who_is_told_to_be_called_by_a_colleague_has_not_said_stop():
    scene = Phoned()
    scene.consent = Consent(stopped=True)
    scene.calls_us()
    scene.asks_for("transfer", "ek aadmi se baat karao", reason="wants somebody")
    assert "call them" not in scene.answer()["note"]


def test_no_line_that_anybody_may_hear_at_the_end_of_a_call_promises_another_one():
    promising = ("call again", "call you", "call karenge", "कॉल करेंगे")
    for language in LANGUAGES:
        for name in ("goodbye", "trouble", "time_up", "final_check", "welcome", "stopped"):
            assert not any(words in TEXTS[language][name] for words in promising), (language, name)


def test_the_erasure_of_an_open_conversation_closes_it():
    scene = Scene().reminded()
    scene.tells(decide.erase)
    assert scene.last(Closed).reason == "cancelled"
    assert scene.all(CallGuided) == []
