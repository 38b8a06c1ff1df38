"""How much of a speech goes on, and what is left of it when its voice fails: everything that has not become sound, once."""

from typing import Any

from voice_service.providers.speech import AHEAD_S, Part, Speech

TEXT = "Haan ji, note kar liya. Dhanyavaad."
RATE = 8000
LINE: Any = object()


def asked(*, at: float = 100.0, block: float = 0.0) -> tuple[Speech, Part]:
    """All of the text was told to a voice, which is to say no more than that."""
    speech = Speech("t1", RATE, text=TEXT, finished=True, began_at=at, block=block)
    return speech, told_all(speech, at)


def told_all(speech: Speech, at: float) -> Part:
    """One more voice is asked, and told all that is left."""
    part = speech.ask(LINE, at)
    part.sent, part.asked_at, part.told_finish = len(speech.text), at, True
    return part


def sounds(speech: Speech, part: Part, seconds: float, now: float, words: str = "") -> tuple[float, list[str]]:
    """So much sound comes, and that each of these words takes half a second; seconds and words that go on."""
    each = [(word, n / 2, n / 2 + 0.5) for n, word in enumerate(words.split())]
    part.told(now, pcm=bytes(2 * round(seconds * RATE)), seconds=seconds, words=each)
    pcm, said = speech.released(now)
    return len(pcm) / 2 / RATE, [word for word, _, _ in said]


def spoken(seconds: float, words: str = TEXT) -> tuple[Speech, Part]:
    """A second of sound had come at 100.1 s, and so much in all by 100.2 s."""
    speech, part = asked()
    sounds(speech, part, 1.0, 100.1, words)
    if seconds > 1.0:
        sounds(speech, part, seconds - 1.0, 100.2)
    return speech, part


def left(speech: Speech) -> str:
    return speech.text[speech.rest :]


def test_the_first_sound_goes_on_at_once_and_what_comes_ahead_of_its_time_in_whole_words():
    speech, part = asked()
    assert sounds(speech, part, 0.3, 100.1, TEXT) == (0.3, [])
    assert sounds(speech, part, 0.6, 100.15) == (0.6, ["Haan"]), "less than the line wants ahead was there"
    assert sounds(speech, part, 0.5, 100.2) == (0.1, ["ji,"]), "it ends with the second word"
    assert left(speech) == "note kar liya. Dhanyavaad."


def test_the_beginning_of_a_word_goes_on_before_there_is_a_gap():
    speech, part = spoken(1.4)
    assert (part.released, part.cut) == (1.0, False)
    assert speech.needed_at() == 100.1 + 1.0 - AHEAD_S
    assert len(speech.released(100.1 + 1.0 - AHEAD_S)[0]) == 2 * round(0.4 * RATE)
    assert part.cut


def test_where_a_voice_breaks_off_the_next_begins_with_the_word_that_is_missing_and_none_is_heard_by_half():
    speech, part = spoken(1.4)
    assert not speech.drop(part)
    assert left(speech) == "note kar liya. Dhanyavaad."
    other = told_all(speech, 101.0)
    assert (other.remote, speech.before) == ("t1-1", 1.0)
    assert sounds(speech, other, 0.7, 101.5, "note kar") == (0.7, ["note"])


def test_a_word_that_had_begun_is_begun_anew():
    speech, part = spoken(1.4)
    speech.released(101.0)
    assert speech.drop(part)
    assert left(speech) == "note kar liya. Dhanyavaad."


def test_of_a_beginning_that_the_line_could_not_send_nothing_was_heard_and_the_next_voice_begins_with_it():
    speech, part = asked(block=0.2)
    assert sounds(speech, part, 0.1, 100.1, TEXT) == (0.0, [])
    assert (speech.needed_at(), speech.unheard_at(1.2)) == (None, 101.2), "they have heard nothing, and more is to come"
    assert not speech.drop(part)
    assert (left(speech), speech.before) == (TEXT, 0.0)
    assert sounds(speech, told_all(speech, 100.2), 0.2, 100.5, TEXT) == (0.2, []), "so much is sent at once"


def test_what_is_shorter_than_the_line_sends_at_once_goes_on_once_it_is_whole():
    speech, part = asked(block=0.2)
    assert sounds(speech, part, 0.1, 100.1) == (0.0, [])
    part.whole = True
    assert sounds(speech, part, 0.0, 100.2) == (0.1, [])


def test_a_word_that_may_have_begun_is_begun_anew_also_where_a_voice_told_no_times():
    speech, part = asked(block=0.2)
    assert sounds(speech, part, 0.2, 100.1) == (0.2, [])
    assert speech.drop(part), "a breath before it"
    assert left(speech) == TEXT


def test_words_are_in_the_time_of_the_whole_speech():
    speech, part = spoken(1.2)
    speech.drop(part)
    other = speech.ask(LINE, 103.0)
    other.told(103.0, pcm=bytes(2 * 4800), seconds=0.6, words=[("note", 0.0, 0.5)])
    assert speech.released(103.0)[1] == [("note", 1.0, 1.5)]


def test_words_that_are_cut_otherwise_than_they_were_sent_count_by_their_letters():
    speech, part = asked()
    part.told(100.1, pcm=bytes(2 * 4800), seconds=0.6, words=[("Haan ji,", 0.0, 0.4), ("no", 0.4, 0.5)])
    speech.released(100.1)
    speech.drop(part)
    assert left(speech) == "note kar liya. Dhanyavaad."


def test_a_voice_without_times_is_taken_to_speak_as_people_do_and_nothing_of_it_waits():
    speech, part = asked()
    assert sounds(speech, part, 1.0, 100.1) == (1.0, [])
    speech.drop(part)
    assert left(speech) == "kar liya. Dhanyavaad."


def test_nothing_is_left_when_all_has_become_sound():
    speech, part = spoken(3.0)
    assert (left(speech).strip(), speech.left(part), part.waiting) == ("", 0, [])


def test_who_has_heard_nothing_is_reassured_once_whoever_was_asked():
    speech, part = asked()
    speech.drop(part)
    told_all(speech, 100.8)
    assert speech.unheard_at(1.2) == 101.2
    speech.reassured = True
    assert speech.unheard_at(1.2) is None
    assert spoken(1.0)[0].unheard_at(1.2) is None


def test_a_voice_is_late_without_a_first_sound_and_later_when_little_is_left_to_be_played():
    speech, _ = asked()
    assert speech.late_at(0.8, 0.5) == 100.8
    assert spoken(1.0)[0].late_at(0.8, 0.5) == 100.1 + 0.5
    assert spoken(2.5)[0].late_at(0.8, 0.5) == 100.1 + 2.5 - 0.8
    assert spoken(3.0)[0].late_at(0.8, 0.5) == 100.1 + 3.0, "only its end is missing"


def test_letters_that_wait_for_the_end_of_their_sentence_are_not_waited_for():
    speech, part = spoken(2.0)
    part.told_finish, part.unsaid = False, len("liya.Dhanyavaad.") - len("liya.")
    assert speech.late_at(0.8, 0.5) is not None
    part.unsaid = len("liya.Dhanyavaad.")
    assert speech.late_at(0.8, 0.5) is None


def test_of_two_that_have_said_nothing_the_first_with_sound_is_heard():
    speech, first = asked()
    second = told_all(speech, 100.8)
    assert speech.better(100.9) is None
    second.told(100.9, pcm=bytes(1600), seconds=0.1)
    assert speech.better(100.9) is second
    first.told(100.9, pcm=bytes(1600), seconds=0.1)
    assert (speech.resumed, speech.better(100.9)) == (True, None), "who was asked first goes on"


def test_who_falls_silent_is_heard_again_if_it_goes_on_before_its_sound_is_played():
    speech, first = spoken(1.4)
    second = told_all(speech, 100.7)
    second.told(100.75, pcm=bytes(1600), seconds=0.1)
    runs_out = 100.1 + 1.0 - AHEAD_S
    assert (speech.better(runs_out - 0.01), speech.better(runs_out)) == (None, second)
    assert speech.released(runs_out) == (b"", []), "no half of a word, as another one can say all of it"
    assert sounds(speech, first, 0.1, 100.76) == (0.5, ["note"])
    assert (speech.resumed, speech.better(runs_out)) == (True, None)
