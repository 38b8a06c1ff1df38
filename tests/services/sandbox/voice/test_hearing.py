"""Speech that was taught is known again by its sound: late, quieter, in noise, cut off, or while it is still growing."""

import random
from array import array

import pytest

from services.sandbox.voice.hearing import Hearing, Lesson, Lexicon
from services.sandbox.voice.sound import resampled, samples, scaled, silence, wav
from services.sandbox.voice.speech import Speaker, Speech, spread

TEXTS = ("Haan ji, kal payment kar dunga.", "Haan, main kal 5000 de dunga.", "hmm", "Hello?", "नमस्ते, पेमेंट हो गया है।")


@pytest.fixture
def speaker() -> Speaker:
    return Speaker(None)


@pytest.fixture
async def lexicon(speaker: Speaker) -> Lexicon:
    known = Lexicon()
    for text in TEXTS:
        known.teach(await speaker.say(text))
    return known


def heard(lexicon: Lexicon, pcm: bytes, rate: int = 8000) -> str:
    hearing = Hearing(lexicon, rate)
    for block in hearing.slices(pcm):
        hearing.take(block)
    return " ".join(word.text for word in hearing.words)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("late_ms", [0, 37, 137])
async def test_it_is_known_wherever_it_begins(lexicon: Lexicon, speaker: Speaker, text: str, late_ms: int):
    said = await speaker.say(text)
    assert heard(lexicon, silence(late_ms) + said.pcm + silence(300)) == text


@pytest.mark.parametrize("text", TEXTS)
async def test_it_is_known_half_as_loud_and_in_noise(lexicon: Lexicon, speaker: Speaker, text: str):
    said = scaled((await speaker.say(text)).pcm, 6000) + silence(300)
    dice = random.Random(text)
    noisy = array("h", [value + dice.randint(-40, 40) for value in samples(said)])
    assert heard(lexicon, noisy.tobytes()) == text


async def test_what_was_cut_off_is_known_as_far_as_it_went(lexicon: Lexicon, speaker: Speaker):
    said = await speaker.say(TEXTS[0])
    third = said.words[2]
    cut = said.pcm[: int(third.end * 16000) & ~1]
    assert heard(lexicon, cut + silence(300)) == "Haan ji, kal"


@pytest.mark.parametrize("gap_ms", [130, 400, 1000])
async def test_a_gap_between_two_chunks_loses_no_word(speaker: Speaker, gap_ms: int):
    said, lexicon = await speaker.say(TEXTS[0]), Lexicon()
    lexicon.teach(said)
    for at in range(3200, 25600, 1600):
        assert heard(lexicon, said.pcm[:at] + silence(gap_ms) + said.pcm[at:] + silence(300)) == TEXTS[0], at


async def test_the_words_have_their_times_on_the_line(lexicon: Lexicon, speaker: Speaker):
    said = await speaker.say("Hello?")
    hearing = Hearing(lexicon)
    for block in hearing.slices(silence(500) + said.pcm + silence(300)):
        hearing.take(block)
    [word] = hearing.words
    assert word.start == pytest.approx(0.5, abs=0.02)
    assert word.end == pytest.approx(0.5 + said.words[0].end, abs=0.02)


async def test_other_sounds_say_nothing(lexicon: Lexicon, speaker: Speaker):
    other = await speaker.say("Something that nobody has ever taught")
    assert heard(lexicon, other.pcm + silence(300)) == ""


async def test_speech_is_known_while_it_is_still_being_written(speaker: Speaker):
    lexicon = Lexicon()
    lesson = Lesson(lexicon, 8000)
    hearing = Hearing(lexicon)
    told = ""
    for text in ("Namaste", "Priya", "ji,", "aapka", "invoice", "baaki", "hai."):
        speech = await speaker.say(text)
        lesson.add(speech)
        for block in hearing.slices(speech.pcm):
            hearing.take(block)
        told = " ".join(filter(None, (told, text)))
        assert " ".join(word.text for word in hearing.words) == told
    lesson.end()


async def test_it_tells_whether_a_thought_sounds_finished(speaker: Speaker):
    lexicon = Lexicon()
    for text, finished in (("Haan ji", True), ("Main kal…", False), ("Woh,", False), ("Theek hai.", True)):
        said = await speaker.say(text)
        lexicon.teach(said)
        hearing = Hearing(lexicon)
        for block in hearing.slices(said.pcm + silence(200)):
            hearing.take(block)
        assert hearing.finished == finished, text


async def test_a_line_of_another_rate_hears_the_same(lexicon: Lexicon, speaker: Speaker):
    said = await speaker.say(TEXTS[0])
    assert heard(lexicon, resampled(said.pcm, 8000, 16000) + silence(300, 16000), 16000) == TEXTS[0]


async def test_a_recording_is_taught_by_its_words(speaker: Speaker):
    lexicon = Lexicon()
    said = await speaker.say("ek do teen")
    recording = spread("ek do teen", said.pcm, 8000)
    assert isinstance(recording, Speech)
    lexicon.teach(recording)
    assert heard(lexicon, said.pcm + silence(300)) == "ek do teen"


def test_a_wav_file_has_both_sides():
    file = wav([b"\1\0" * 3, b"\2\0" * 5])
    assert file[:4] == b"RIFF"
    assert file[-20:] == b"\1\0\2\0" * 3 + b"\0\0\2\0" * 2
