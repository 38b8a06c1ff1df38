"""What is left of a speech when its voice fails: everything that has not become sound, from the beginning of a word."""

from voice_service.providers.speech import Speech

TEXT = "Haan ji, note kar liya. Dhanyavaad."


def spoken(*, until: float, words: bool = True) -> Speech:
    """The text was asked for at 100 s, a word takes half a second, and so much sound has come at 101 s."""
    speech = Speech("t1", "t1", text=TEXT, sent=len(TEXT), asked_at=100.0)
    if words:
        speech.waiting = [(word, n / 2, n / 2 + 0.5) for n, word in enumerate(TEXT.split())]
    speech.sounded(until, 101.0)
    return speech


def test_the_words_whose_sound_has_come_are_told_and_the_others_wait():
    speech = spoken(until=1.6)
    assert speech.waiting[0][0] == "kar"
    assert speech.left == len("karliya.Dhanyavaad.")
    assert [word for word, _, _ in speech.done()] == ["kar", "liya.", "Dhanyavaad."]


def test_another_voice_begins_with_the_word_that_was_not_whole():
    speech = spoken(until=1.2)
    speech.hand_over("t1-1", 102.0)
    assert speech.text == "note kar liya. Dhanyavaad."
    assert (speech.remote, speech.sent, speech.before, speech.asked_at) == ("t1-1", 0, 1.2, 102.0)


def test_its_words_are_in_the_time_of_the_whole_speech():
    speech = spoken(until=1.2)
    speech.hand_over("t1-1", 102.0)
    speech.waiting = [("note", 0.0, 0.5)]
    assert speech.sounded(0.6, 103.0) == [("note", 1.2, 1.7)]


def test_words_that_are_cut_otherwise_than_they_were_sent_count_by_their_letters():
    speech = spoken(until=0.0, words=False)
    speech.waiting = [("Haan ji,", 0.0, 0.4), ("no", 0.4, 0.5)]
    speech.sounded(0.6, 101.0)
    speech.hand_over("t1-1", 102.0)
    assert speech.text == "note kar liya. Dhanyavaad."


def test_a_voice_without_times_is_taken_to_speak_as_people_do():
    speech = spoken(until=1.0, words=False)
    speech.hand_over("t1-1", 102.0)
    assert speech.text == "kar liya. Dhanyavaad."


def test_nothing_is_left_when_all_has_become_sound():
    speech = spoken(until=9.0)
    speech.hand_over("t1-1", 102.0)
    assert (speech.text, speech.asked_at) == ("", None)


def test_who_has_heard_nothing_is_reassured_once_whoever_was_asked():
    speech = Speech("t1", "t1", text=TEXT, sent=len(TEXT), asked_at=100.0, began_at=100.0)
    speech.hand_over("t1-1", 100.8)
    assert speech.unheard_at(1.2) == 101.2
    speech.reassured = True
    assert speech.unheard_at(1.2) is None
    assert spoken(until=0.1).unheard_at(1.2) is None


def test_a_voice_is_due_with_its_first_sound_then_when_what_came_has_been_played():
    silent = Speech("t1", "t1", text=TEXT, sent=len(TEXT), asked_at=100.0)
    assert silent.due(0.8, 0.5) == 100.8
    assert spoken(until=1.2).due(0.8, 0.5) == 101.0 + 1.2
    assert spoken(until=0.1).due(0.8, 0.5) == 101.0 + 0.5
    assert spoken(until=9.0).due(0.8, 0.5) is None, "it has said all that it was told"
