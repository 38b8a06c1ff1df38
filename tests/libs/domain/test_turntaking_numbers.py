"""Every number and every word that was promised about turn-taking, as the engine keeps it."""

from itertools import pairwise

import pytest

from libs.domain.endpointing import BACKCHANNELS, FILLERS
from libs.domain.floor import (
    DEFAULT,
    INDIAN,
    PROMPTS,
    AgentBegan,
    AgentEnded,
    BreakSilence,
    EndOfTurn,
    Heard,
    Nod,
    TurnClosed,
)
from tests.libs.domain.turntaking_play import STATEMENT, asks, of, play, said

# The end of a turn: the preset, what the contact says, whether after a question of ours, and the milliseconds after the last
# word; the situations stand in the order of precedence.
ENDPOINTING = [
    (DEFAULT, "my father died and the number is nine eight seven because matlab nine eight", False, "number_dictation", 1500),
    (DEFAULT, "nine eight", True, "number_dictation", 1500),
    (DEFAULT, "I am upset and I will pay because you know", True, "after_filler", 1000),
    (DEFAULT, "I am upset because", True, "mid_sentence", 700),
    (DEFAULT, "main pareshan hoon", True, "emotional", 600),
    (DEFAULT, "kal kar denge", True, "after_question", 250),
    (DEFAULT, "kal kar denge", False, "base", 300),
    (INDIAN, "mera number nau aath", True, "number_dictation", 1500),
    (INDIAN, "kal kar denge lekin matlab", True, "after_filler", 1000),
    (INDIAN, "kal kar denge lekin", True, "mid_sentence", 700),
    (INDIAN, "main pareshan hoon", True, "emotional", 600),
    (INDIAN, "kal kar denge", True, "after_question", 250),
    (INDIAN, "kal kar denge", False, "base", 350),
]  # fmt: skip


@pytest.mark.parametrize(("manners", "text", "asked", "situation", "waits"), ENDPOINTING)
def test_a_turn_ends_so_long_after_the_last_word(manners, text, asked, situation, waits):
    before = asks(ends=500) if asked else []
    [(at, closed)] = of(play(*before, said(1000, text), EndOfTurn(1050), until=2900, manners=manners), TurnClosed)
    assert (at, closed.situation) == (1000 + waits, situation)


@pytest.mark.parametrize(("manners", "text", "asked", "situation", "waits"), ENDPOINTING)
def test_and_never_before_the_provider_believes_it(manners, text, asked, situation, waits):
    before = asks(ends=500) if asked else []
    [(at, _)] = of(play(*before, said(1000, text), EndOfTurn(2700), until=2900, manners=manners), TurnClosed)
    assert at == 2700


@pytest.mark.parametrize(
    ("manners", "seconds"), [(DEFAULT, (5, 10, 20, 30)), (INDIAN, (8, 15, 25, 35))], ids=["default", "indian"]
)
def test_silence_is_broken_at_these_seconds(manners, seconds):
    expected = [(second * 1000, BreakSilence(level)) for second, level in zip(seconds, PROMPTS, strict=True)]
    assert play(until=90_000, manners=manners) == expected


SPECIFIED_FILLERS = [
    "um",
    "uh",
    "like",
    "you know",
    "I mean",
    "sort of",
    "well",
    "so",
    "actually",
    "let me think",
    "matlab",
    "woh",
    "acha",
    "haan",
    "toh",
    "basically",
    "dekho",
    "ek minute",
    "ruko",
    "theek hai",
]


@pytest.mark.parametrize("filler", [*SPECIFIED_FILLERS, *(" ".join(each) for each in FILLERS if each[0][0] > "z")])
def test_a_filler_at_the_end_of_a_longer_phrase_is_given_a_second(filler):
    [(at, closed)] = of(play(said(1000, f"payment hoga {filler}"), EndOfTurn(1050), until=3000), TurnClosed)
    assert (at, closed.situation) == (2000, "after_filler")


@pytest.mark.parametrize("filler", SPECIFIED_FILLERS)
def test_a_filler_alone_is_no_longer_phrase(filler):
    [(_, closed)] = of(play(said(1000, filler), EndOfTurn(1050), until=3000), TurnClosed)
    assert closed.situation != "after_filler"


@pytest.mark.parametrize("murmur", [" ".join(each) for each in BACKCHANNELS])
def test_a_backchannel_while_we_speak_neither_interrupts_nor_is_answered(murmur):
    done = play(
        AgentBegan(0, STATEMENT),
        Heard(500, murmur),
        said(700, murmur),
        EndOfTurn(800, eager=True),
        EndOfTurn(900),
        AgentEnded(3000),
        until=7000,
    )
    assert done == []


HAAN = {"haan", "acha", "theek hai", "ji", "ok"}


@pytest.mark.parametrize("word", sorted(HAAN))
def test_the_same_word_is_an_answer_a_backchannel_or_a_filler(word):
    answer = play(*asks(ends=2000), said(2500, word), EndOfTurn(2600), until=4000)
    assert answer == [(2750, TurnClosed(1, word, "after_question"))]
    assert play(AgentBegan(0, STATEMENT), said(500, word), AgentEnded(3000), until=7000) == []


LONG_SPEECH = [
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


def test_in_long_speech_we_nod_now_and_then():
    spoken = [Heard(1000 + 500 * n, " ".join(LONG_SPEECH[: n + 1])) for n in range(len(LONG_SPEECH))]
    pause = spoken[-1].at + 3000
    done = play(*spoken, Heard(pause - 100, " ".join([*LONG_SPEECH, "anyway"])), until=pause)
    assert [at for at, _ in of(done, Nod)] == [spoken[12].at + 250]


def test_we_do_not_nod_more_often_than_every_eight_seconds():
    spoken = [Heard(1000 + 900 * n, " ".join(f"word{m}" for m in range(n + 1))) for n in range(40)]
    nods = [at for at, _ in of(play(*spoken), Nod)]
    assert len(nods) == 4
    assert all(later - earlier >= 8000 for earlier, later in pairwise(nods))


def test_short_speech_is_not_nodded_at():
    assert of(play(Heard(1000, "kal kar denge"), until=3500), Nod) == []
