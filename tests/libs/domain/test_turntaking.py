"""Turn-taking as a table of scenes: what happens at which millisecond, and what the engine does then."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.floor import (
    DEFAULT,
    INDIAN,
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
    Nod,
    Resume,
    Speculate,
    StopSpeaking,
    Tick,
    TurnClosed,
    TurnResumed,
    Withdraw,
)
from libs.domain.turntaking import Floor, step, wake_at

REMINDER = "Your invoice of fifty-two thousand rupees is open. When will you pay?"


def play(*happened: Happening, until: int = 0, manners: Manners = DEFAULT) -> list[tuple[int, Action]]:
    """What the engine does in a scene, each with its millisecond; it is woken exactly when it asks to be."""
    floor, done = Floor(), []
    pending = [*happened, *([Tick(until)] if until else [])]
    for each in pending:
        while (due := wake_at(floor, manners)) is not None and due < each.at:
            floor, actions = step(floor, Tick(due), manners)
            done += [(due, action) for action in actions]
        floor, actions = step(floor, each, manners)
        done += [(each.at, action) for action in actions]
    return done


def closings(done: list[tuple[int, Action]]) -> list[tuple[int, str]]:
    return [(at, action.text) for at, action in done if isinstance(action, TurnClosed)]


def kinds(done: list[tuple[int, Action]]) -> list[tuple[int, str]]:
    return [(at, type(action).__name__) for at, action in done]


@pytest.mark.parametrize(
    ("text", "candidate", "closes"),
    [
        ("I will pay tomorrow", 1100, 1300),
        ("I will pay tomorrow", 1600, 1600),
        ("my number is nine eight seven", 1100, 2500),
        ("I will pay matlab", 1100, 2000),
        ("I will pay when", 1100, 1700),
        ("main pareshan hoon", 1100, 1600),
    ],
)
def test_a_turn_closes_at_the_later_of_the_candidate_and_the_situations_wait(text, candidate, closes):
    done = play(Heard(1000, text, final=True), EndOfTurn(candidate), until=4000)
    assert closings(done) == [(closes, text)]


def test_after_our_question_we_wait_less():
    done = play(
        AgentBegan(0, REMINDER, expects="answer"),
        AgentEnded(3000),
        Heard(4000, "tomorrow", final=True),
        EndOfTurn(4100),
        until=5000,
    )
    assert closings(done) == [(4250, "tomorrow")]


def test_the_indian_preset_waits_longer():
    done = play(Heard(1000, "I will pay", final=True), EndOfTurn(1100), until=2000, manners=INDIAN)
    assert closings(done) == [(1350, "I will pay")]


def test_an_emotional_contact_is_given_time():
    done = play(Felt(0, True), Heard(1000, "I told you", final=True), EndOfTurn(1100), until=2000)
    assert closings(done) == [(1600, "I told you")]


def test_going_on_after_a_filler_makes_one_turn_of_it():
    done = play(
        Heard(1000, "payment kar denge matlab", final=True),
        EndOfTurn(1100),
        Heard(1700, "agle hafte", final=True),
        EndOfTurn(1800),
        until=3000,
    )
    assert closings(done) == [(2000, "payment kar denge matlab agle hafte")]


def test_a_provider_that_falls_silent_does_not_leave_the_contact_waiting():
    done = play(Heard(1000, "kal kar denge"), until=6000)
    assert closings(done) == [(4000, "kal kar denge")]


def test_a_real_word_stops_us_at_once_and_what_was_heard_is_kept():
    done = play(
        AgentBegan(0, REMINDER, expects="answer"),
        AgentSpoke(1500, "Your invoice of fifty-two thousand"),
        Heard(1600, "nahi suno"),
        until=1700,
    )
    assert done == [(1600, StopSpeaking(0, "Your invoice of fifty-two thousand"))]


@pytest.mark.parametrize("murmur", ["haan", "hmm", "ok ok", "हाँ जी", "acha"])
def test_a_backchannel_does_not_interrupt_and_is_not_answered(murmur):
    done = play(
        AgentBegan(0, "We have sent the invoice to your office on Monday."),
        Heard(500, murmur),
        Heard(700, murmur, final=True),
        EndOfTurn(800),
        AgentEnded(3000),
        until=6000,
    )
    assert done == []


def test_a_backchannel_that_goes_on_becomes_an_interruption():
    done = play(AgentBegan(0, REMINDER), Heard(500, "haan"), Heard(800, "haan lekin invoice galat hai"), until=900)
    assert kinds(done) == [(800, "StopSpeaking")]


def test_haan_over_the_last_syllable_of_a_question_is_its_answer():
    done = play(
        AgentBegan(0, "Will you pay tomorrow?", expects="answer"),
        Heard(1800, "haan ji", final=True),
        AgentEnded(2000),
        until=4000,
    )
    assert closings(done) == [(2250, "haan ji")]


def test_haan_in_the_middle_of_a_question_is_not():
    done = play(AgentBegan(0, REMINDER, expects="answer"), Heard(500, "haan", final=True), AgentEnded(3000), until=6000)
    assert done == []


def test_haan_after_a_question_is_an_answer():
    done = play(
        AgentBegan(0, "Will you pay tomorrow?", expects="answer"),
        AgentEnded(2000),
        Heard(2500, "haan", final=True),
        EndOfTurn(2600),
        until=4000,
    )
    assert closings(done) == [(2750, "haan")]


def test_a_false_interruption_is_followed_by_the_rest_and_not_by_silence():
    done = play(
        AgentBegan(0, REMINDER, expects="answer"),
        AgentSpoke(900, "Your invoice"),
        Heard(1000, "the"),
        Heard(1300, "", final=True),
        EndOfTurn(1400),
        until=1500,
    )
    assert done == [
        (1000, StopSpeaking(0, "Your invoice")),
        (1400, Resume("of fifty-two thousand rupees is open. When will you pay?")),
    ]


def test_an_answer_may_be_thought_of_early_and_is_taken_back_when_the_contact_goes_on():
    done = play(
        Heard(1000, "kal"),
        EndOfTurn(1100, eager=True),
        TurnResumed(1200),
        Heard(1250, "kal nahi parso", final=True),
        EndOfTurn(1300, eager=True),
        EndOfTurn(1400),
        until=2000,
    )
    assert [action for _, action in done] == [
        Speculate(1, "kal"),
        Withdraw(1),
        Speculate(1, "kal nahi parso"),
        TurnClosed(1, "kal nahi parso", "base", speculated=True),
    ]


def test_words_after_the_turn_withdraw_the_answer_that_is_being_thought_of():
    done = play(
        Heard(1000, "kal", final=True),
        EndOfTurn(1100),
        Heard(1500, "nahi parso", final=True),
        EndOfTurn(1600),
        until=2000,
    )
    assert kinds(done) == [(1300, "TurnClosed"), (1500, "Withdraw"), (1800, "TurnClosed")]


def test_the_answer_to_an_old_turn_is_never_spoken_in_a_new_one():
    done = play(
        Heard(1000, "kal", final=True),
        EndOfTurn(1100),
        Heard(1500, "nahi parso"),
        AgentBegan(1550, "Noted, tomorrow.", turn=1),
        until=1600,
    )
    assert done[-1] == (1550, StopSpeaking(1, "", "stale"))


def test_dictated_numbers_are_read_back():
    done = play(Heard(1000, "fifty two thousand", final=True), EndOfTurn(1100), until=3000)
    [closed] = [action for _, action in done if isinstance(action, TurnClosed)]
    assert (closed.situation, closed.read_back) == ("number_dictation", True)


def test_silence_is_broken_at_5_10_20_and_30_seconds():
    done = play(until=60_000)
    assert done == [
        (5000, BreakSilence("gentle_prompt")),
        (10_000, BreakSilence("check_in")),
        (20_000, BreakSilence("final_check")),
        (30_000, BreakSilence("goodbye")),
    ]


def test_the_indian_preset_is_more_patient():
    assert [at for at, _ in play(until=60_000, manners=INDIAN)] == [8000, 15_000, 25_000, 35_000]


def test_our_own_prompt_does_not_begin_the_silence_anew():
    done = play(Tick(5000), AgentBegan(5100, "Hello?", prompt=True), AgentEnded(5600), until=12_000)
    assert done == [(5000, BreakSilence("gentle_prompt")), (10_000, BreakSilence("check_in"))]


def test_a_word_of_the_contact_begins_the_silence_anew():
    done = play(
        Tick(5000),
        Heard(6000, "haan bolo", final=True),
        EndOfTurn(6100),
        AgentBegan(7000, "We call about your invoice.", turn=1),
        AgentEnded(9000),
        until=15_000,
    )
    assert [(at, action) for at, action in done if isinstance(action, BreakSilence)] == [
        (5000, BreakSilence("gentle_prompt")),
        (14_000, BreakSilence("gentle_prompt")),
    ]


def test_nobody_waits_in_silence_while_we_think():
    done = play(Heard(1000, "kab tak", final=True), EndOfTurn(1100), until=9000)
    assert kinds(done) == [(1300, "TurnClosed"), (3100, "HoldOn")]
    assert done[1][1] == HoldOn(1)


def test_in_long_speech_we_nod_now_and_then():
    words = [
        "we",
        "had",
        "a",
        "problem",
        "with",
        "the",
        "goods",
        "because",
        "the",
        "truck",
        "came",
        "late",
        "and",
        "the",
        "boxes",
        "were",
        "wet",
        "so",
    ]
    spoken = [Heard(1000 + 500 * n, " ".join(words[: n + 1])) for n in range(len(words))]
    pause = spoken[-1].at + 3000
    done = play(*spoken, Heard(pause - 100, " ".join([*words, "anyway"])), until=pause)
    assert [at for at, action in done if isinstance(action, Nod)] == [spoken[12].at + 250]


def test_short_speech_is_not_nodded_at():
    assert not any(isinstance(action, Nod) for _, action in play(Heard(1000, "kal kar denge"), until=3500))


HAPPENINGS = st.one_of(
    st.builds(Heard, st.just(0), st.sampled_from(["", "haan", "nahi", "kal kar denge", "nine eight"]), st.booleans()),
    st.builds(EndOfTurn, st.just(0), st.booleans()),
    st.builds(TurnResumed, st.just(0)),
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
    done = play(*happened, AgentEnded(at), until=at + 60_000)  # nobody speaks for ever
    turns = [action.turn for _, action in done if isinstance(action, TurnClosed)]
    assert turns == sorted(set(turns))
    assert all(action.text for _, action in done if isinstance(action, TurnClosed))
    levels = [action.level for _, action in done[-1:] if isinstance(action, BreakSilence)]
    assert levels in ([], ["goodbye"])
