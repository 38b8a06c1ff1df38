"""The turn-taking engine as a table: what happens at which millisecond, and everything that the engine then does.

The engine is woken exactly when it asks to be. A scene ends at its last line's time, or at `until`.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.floor import (
    DEFAULT,
    Action,
    AgentBegan,
    AgentEnded,
    AgentSpoke,
    BreakSilence,
    EndOfTurn,
    Felt,
    Happening,
    Heard,
    HoldOn,
    Manners,
    Pressed,
    Resume,
    Speculate,
    StopSpeaking,
    ThinkAgain,
    Tick,
    TurnClosed,
    TurnResumed,
    Withdraw,
)
from tests.libs.domain.turntaking_play import REMINDER, STATEMENT, asks, of, play, said


@dataclass(frozen=True)
class Scene:
    """What happens, and all that the engine does, each with its millisecond."""

    given: list[Happening]
    then: list[tuple[int, Action]]
    until: int = 0
    manners: Manners = DEFAULT


SCENES = {
    # --- the end of a turn
    "the last word counts from when it was spoken, not from when we learn of it": Scene(
        [Heard(1120, "kal kar denge", ended=1000), EndOfTurn(1260)],
        [(1300, TurnClosed(1, "kal kar denge", "base"))],
        until=2000,
    ),
    "going on after a filler makes one turn of it": Scene(
        [said(1000, "payment kar denge matlab"), EndOfTurn(1100), said(1700, "agle hafte"), EndOfTurn(1800)],
        [(2000, TurnClosed(1, "payment kar denge matlab agle hafte", "base"))],
        until=3000,
    ),
    "a provider that never ends the turn does not leave the contact waiting": Scene(
        [Heard(1000, "kal kar denge")], [(4000, TurnClosed(1, "kal kar denge", "base"))], until=5000
    ),
    "one number word is dictation where a number was asked for": Scene(
        [*asks(ends=500, text="Kitna amount?", expects="number"), said(1000, "only nine"), EndOfTurn(1050)],
        [(2500, TurnClosed(1, "only nine", "number_dictation"))],
        until=3000,
    ),
    "digits that come one by one are one number": Scene(
        [
            said(1000, "five"), EndOfTurn(1260), said(1900, "two"), EndOfTurn(2160),
            said(2800, "four"), EndOfTurn(3060), said(3700, "zero zero"), EndOfTurn(3960),
        ],
        [(5200, TurnClosed(1, "five two four zero zero", "number_dictation", read_back=True))],
        until=6000,
    ),
    "digits with pauses are one number, read back when it is whole": Scene(
        [
            said(1000, "I can pay five two"), EndOfTurn(1100),
            said(2200, "four zero zero"), EndOfTurn(2300),
        ],
        [(3700, TurnClosed(1, "I can pay five two four zero zero", "number_dictation", read_back=True))],
        until=4000,
    ),
    "a date is read back": Scene(
        [said(1000, "20 February tak"), EndOfTurn(1100)],
        [(1300, TurnClosed(1, "20 February tak", "base", read_back=True))],
        until=2000,
    ),
    "an upset contact is given time in the next turn, too": Scene(
        [
            said(1000, "this is ridiculous"), EndOfTurn(1100), AgentBegan(2000, STATEMENT, turn=1), AgentEnded(4000),
            said(5000, "I told you"), EndOfTurn(5100),
        ],
        [(1600, TurnClosed(1, "this is ridiculous", "emotional")), (5600, TurnClosed(2, "I told you", "emotional"))],
        until=6000,
    ),
    "who sounds upset is given time whatever the words": Scene(
        [Felt(0, True), said(1000, "I told you"), EndOfTurn(1100)],
        [(1600, TurnClosed(1, "I told you", "emotional"))],
        until=2000,
    ),
    # --- interrupting
    "a real word stops us at once, and what was heard is kept": Scene(
        [AgentBegan(0, REMINDER), AgentSpoke(1500, "Your invoice of fifty-two thousand"), Heard(1600, "nahi suno")],
        [(1600, StopSpeaking(0, "Your invoice of fifty-two thousand"))],
    ),
    "stop means stop": Scene(
        [AgentBegan(0, STATEMENT), Heard(700, "stop")], [(700, StopSpeaking(0, ""))]
    ),
    "ruko means stop, although it is a filler elsewhere": Scene(
        [AgentBegan(0, STATEMENT), Heard(700, "ruko")], [(700, StopSpeaking(0, ""))]
    ),
    "a backchannel that goes on is an interruption": Scene(
        [AgentBegan(0, REMINDER), Heard(500, "haan"), Heard(800, "haan lekin invoice galat hai")],
        [(800, StopSpeaking(0, ""))],
    ),
    "who takes the call with a hello does not interrupt our first words": Scene(
        [AgentBegan(0, STATEMENT, opening=True), said(600, "Hello?"), EndOfTurn(900), AgentEnded(3000)], [], until=7000
    ),
    "a hello later on is somebody who does not hear us": Scene(
        [AgentBegan(0, STATEMENT), Heard(600, "Hello?")], [(600, StopSpeaking(0, ""))]
    ),
    "haan over the last syllable of a question is its answer": Scene(
        [AgentBegan(0, "Will you pay tomorrow?", expects="answer"), said(1800, "haan ji"), AgentEnded(2000)],
        [(2250, TurnClosed(1, "haan ji", "after_question"))],
        until=4000,
    ),
    "haan in the middle of a question is not": Scene(
        [AgentBegan(0, REMINDER, expects="answer"), said(500, "haan"), AgentEnded(3000)], [], until=7000
    ),
    # --- false interruptions: dead silence is what peers are blamed for most
    "noise that was no word is followed by the rest": Scene(
        [
            AgentBegan(0, REMINDER), AgentSpoke(900, "Your invoice"),
            Heard(1000, "the"), said(1300, ""), EndOfTurn(1400),
        ],
        [
            (1000, StopSpeaking(0, "Your invoice")),
            (1400, Resume("of fifty-two thousand rupees is open. When will you pay?")),
        ],
        until=1500,
    ),
    "and when the provider says nothing more, too": Scene(
        [AgentBegan(0, REMINDER), AgentSpoke(900, "Your invoice"), Heard(1000, "the"), Heard(1300, "")],
        [
            (1000, StopSpeaking(0, "Your invoice")),
            (2000, Resume("of fifty-two thousand rupees is open. When will you pay?")),
        ],
        until=2100,
    ),
    "a word that becomes a backchannel is followed by the rest, not by an answer": Scene(
        [
            AgentBegan(0, REMINDER), AgentSpoke(900, "Your invoice"),
            Heard(1000, "ha"), said(1300, "haan ji bataiye"), EndOfTurn(1400),
        ],
        [
            (1000, StopSpeaking(0, "Your invoice")),
            (1600, Resume("of fifty-two thousand rupees is open. When will you pay?")),
        ],
        until=1700,
    ),
    "unless only the end of a question was missing: then it is the answer": Scene(
        [
            AgentBegan(0, REMINDER, expects="answer"), AgentSpoke(2900, REMINDER.removesuffix(" you pay?")),
            Heard(3000, "ha"), said(3200, "haan"), EndOfTurn(3300),
        ],
        [(3000, StopSpeaking(0, REMINDER.removesuffix(" you pay?"))), (3450, TurnClosed(1, "haan", "after_question"))],
        until=3600,
    ),
    "after the rest, silence is noticed again": Scene(
        [
            AgentBegan(0, REMINDER), Heard(1000, "the"), said(1300, ""), EndOfTurn(1400),
            AgentBegan(1500, REMINDER), AgentEnded(4000),
        ],
        [(1000, StopSpeaking(0, "")), (1400, Resume(REMINDER)), (9000, BreakSilence("gentle_prompt"))],
        until=10_000,
    ),
    # --- thinking early
    "an answer is thought of early, and used when the turn ends with the same words": Scene(
        [Heard(1000, "kal"), EndOfTurn(1100, eager=True), said(1200, "Kal."), EndOfTurn(1210)],
        [(1100, Speculate(1, "kal")), (1300, TurnClosed(1, "Kal.", "base", speculated=True))],
        until=2000,
    ),
    "it is withdrawn when the contact goes on": Scene(
        [
            Heard(1000, "kal"), EndOfTurn(1100, eager=True), TurnResumed(1200),
            said(1250, "kal nahi parso"), EndOfTurn(1300, eager=True), EndOfTurn(1400),
        ],
        [
            (1100, Speculate(1, "kal")),
            (1200, Withdraw(1)),
            (1300, Speculate(1, "kal nahi parso")),
            (1550, TurnClosed(1, "kal nahi parso", "base", speculated=True)),
        ],
        until=2000,
    ),
    "it is withdrawn by other words without the provider's saying so": Scene(
        [Heard(1000, "kal"), EndOfTurn(1100, eager=True), said(1250, "kal nahi"), EndOfTurn(1300)],
        [(1100, Speculate(1, "kal")), (1250, Withdraw(1)), (1550, TurnClosed(1, "kal nahi", "base"))],
        until=2000,
    ),
    "it is never said before the turn is over, however early it is ready": Scene(
        [Heard(1000, "nau aath saat"), EndOfTurn(1100, eager=True), EndOfTurn(1250)],
        [
            (1100, Speculate(1, "nau aath saat")),
            (2500, TurnClosed(1, "nau aath saat", "number_dictation", read_back=True, speculated=True)),
        ],
        until=3000,
    ),
    # --- answers to old turns
    "words after the turn withdraw the answer that is being thought of": Scene(
        [said(1000, "kal"), EndOfTurn(1100), said(1500, "nahi parso"), EndOfTurn(1600)],
        [
            (1300, TurnClosed(1, "kal", "base")),
            (1500, Withdraw(1)),
            (1800, TurnClosed(2, "nahi parso", "base")),
        ],
        until=2000,
    ),
    "the answer to an old turn is never spoken in a new one": Scene(
        [
            said(1000, "kal"), EndOfTurn(1100), Heard(1500, "nahi parso"),
            AgentBegan(1550, "Noted, tomorrow.", turn=1),
        ],
        [(1300, TurnClosed(1, "kal", "base")), (1500, Withdraw(1)), (1550, StopSpeaking(1, "", "stale"))],
        until=1600,
    ),
    "nor when the new turn has been closed already": Scene(
        [
            said(1000, "kal"), EndOfTurn(1100), said(1500, "nahi parso"), EndOfTurn(1600),
            AgentBegan(1900, "Noted, tomorrow.", turn=1),
        ],
        [
            (1300, TurnClosed(1, "kal", "base")),
            (1500, Withdraw(1)),
            (1800, TurnClosed(2, "nahi parso", "base")),
            (1900, StopSpeaking(1, "", "stale")),
        ],
        until=1950,
    ),
    "a hmm while we think changes nothing": Scene(
        [said(1000, "kal kar denge"), EndOfTurn(1100), Heard(1500, "hmm"), said(1700, "haan ji"), EndOfTurn(1800)],
        [(1300, TurnClosed(1, "kal kar denge", "base"))],
        until=2000,
    ),
    "noise while we think takes the answer back for no longer than it is noise": Scene(
        [said(1000, "kal"), EndOfTurn(1100), Heard(1500, "the"), said(1800, ""), EndOfTurn(1900)],
        [
            (1300, TurnClosed(1, "kal", "base")),
            (1500, Withdraw(1)),
            (1800, ThinkAgain(1)),
            (3600, HoldOn(1)),
        ],
        until=4000,
    ),
    # --- waiting for us
    "nobody waits over two seconds without hearing something": Scene(
        [said(1000, "kab tak"), EndOfTurn(1100)],
        [(1300, TurnClosed(1, "kab tak", "base")), (3100, HoldOn(1))],
        until=4000,
    ),
    "a hold-on is no answer: the contact is asked for patience again, then the silence is broken": Scene(
        [
            said(1000, "kab tak"), EndOfTurn(1100),
            AgentBegan(3200, "Ek second.", turn=1, filler=True), AgentEnded(3800),
        ],
        [
            (1300, TurnClosed(1, "kab tak", "base")),
            (3100, HoldOn(1)),
            (8100, HoldOn(1, 2)),
            (13_100, HoldOn(1, 3)),
            (23_100, BreakSilence("gentle_prompt")),
            (28_100, BreakSilence("check_in")),
        ],
        until=30_000,
    ),
    "the answer that comes after a hold-on is spoken": Scene(
        [
            said(1000, "kab tak"), EndOfTurn(1100),
            AgentBegan(3200, "Ek second.", turn=1, filler=True), AgentEnded(3800),
            AgentBegan(4000, "By Friday.", turn=1), AgentEnded(5000),
        ],
        [(1300, TurnClosed(1, "kab tak", "base")), (3100, HoldOn(1)), (10_000, BreakSilence("gentle_prompt"))],
        until=11_000,
    ),
    # --- silence
    "our own prompt does not begin the silence anew": Scene(
        [Tick(5000), AgentBegan(5100, "Hello?", prompt=True), AgentEnded(5600)],
        [(5000, BreakSilence("gentle_prompt")), (10_000, BreakSilence("check_in"))],
        until=12_000,
    ),
    "a word of the contact does": Scene(
        [
            Tick(5000), said(6000, "haan bolo"), EndOfTurn(6100),
            AgentBegan(7000, "We call about your invoice.", turn=1), AgentEnded(9000),
        ],
        [
            (5000, BreakSilence("gentle_prompt")),
            (6300, TurnClosed(1, "haan bolo", "base")),
            (14_000, BreakSilence("gentle_prompt")),
        ],
        until=15_000,
    ),
    # --- keys
    "a pressed key is a turn of its own after two seconds without another": Scene(
        [*asks(ends=1000), Pressed(2000, "1")],
        [(4000, TurnClosed(1, "(pressed 1)", "after_question", digits="1"))],
        until=5000,
    ),
    "keys are one number, which # ends at once and is read back": Scene(
        [Pressed(1000, "5"), Pressed(1500, "2"), Pressed(2500, "4"), Pressed(3000, "#")],
        [(3000, TurnClosed(1, "(pressed 524)", "base", read_back=True, digits="524"))],
        until=4000,
    ),
    "a key interrupts us": Scene(
        [AgentBegan(0, STATEMENT), Pressed(500, "2"), Pressed(600, "#")],
        [(500, StopSpeaking(0, "")), (600, TurnClosed(1, "(pressed 2)", "base", digits="2"))],
        until=700,
    ),
    "words and keys are one turn": Scene(
        [said(1000, "my number is"), EndOfTurn(1100), Pressed(1400, "7"), Pressed(1600, "#")],
        [(1600, TurnClosed(1, "my number is (pressed 7)", "mid_sentence", digits="7"))],
        until=3000,
    ),
    "a key withdraws the answer that is being thought of": Scene(
        [said(1000, "kal"), EndOfTurn(1100), Pressed(1500, "1")],
        [
            (1300, TurnClosed(1, "kal", "base")),
            (1500, Withdraw(1)),
            (3500, TurnClosed(2, "(pressed 1)", "base", digits="1")),
        ],
        until=4000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_a_scene_is_played_as_it_is_written(scene):
    assert play(*scene.given, until=scene.until, manners=scene.manners) == scene.then


HAPPENINGS = st.one_of(
    st.builds(Heard, st.just(0), st.sampled_from(["", "haan", "nahi", "kal kar denge", "nine eight"]), st.booleans()),
    st.builds(EndOfTurn, st.just(0), st.booleans()),
    st.builds(TurnResumed, st.just(0)),
    st.builds(Pressed, st.just(0), st.sampled_from("1#")),
    st.builds(AgentBegan, st.just(0), st.just(REMINDER), st.integers(0, 3), st.sampled_from(["nothing", "answer"])),
    st.builds(AgentSpoke, st.just(0), st.just("Your invoice")),
    st.builds(AgentEnded, st.just(0)),
    st.builds(Tick, st.just(0)),
)


@given(st.lists(st.tuples(st.integers(0, 4000), HAPPENINGS), max_size=25))
def test_whatever_happens_no_turn_is_answered_twice_and_the_engine_never_hangs(scene):
    at, happened = 0, []
    for wait, each in scene:
        at += wait
        happened.append(replace(each, at=at))
    done = play(*happened, AgentEnded(at), until=at + 120_000)  # nobody speaks for ever
    turns = [action.turn for _, action in of(done, TurnClosed)]
    assert turns == sorted(set(turns))
    assert all(action.text for _, action in of(done, TurnClosed))
    levels = [action.level for _, action in done[-1:] if isinstance(action, BreakSilence)]
    assert levels in ([], ["goodbye"])
    last = [action for _, action in done if not isinstance(action, BreakSilence)][-1:]
    assert levels or not isinstance(last[0] if last else None, StopSpeaking | TurnClosed), "never dead silence"
