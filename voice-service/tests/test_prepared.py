"""What is prepared while it rings plays at once on the answer, and is synthesised once."""

from voice_world import Voice

from events.call import Ended, TurnTaken
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.prepared import FIXED, Clip, Sounds, spread

HANGS_UP = [{"on": "heard", "when": "rahi hoon", "do": [{"wait": 0.2, "hang_up": True}]}]
OPENING = "Namaste Priya ji, main Asha bol rahi hoon."


async def test_the_opening_is_ready_when_it_is_answered_and_spoken_by_nobody_again(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 3.0, "acts": HANGS_UP, "deaf": True})
    intent = await voice.call(opening=OPENING)
    await voice.until(intent, Ended)
    spoken = await voice.control("GET", "/cartesia/spoken")
    assert [each["text"] for each in spoken if each["text"] == OPENING] == [OPENING]
    assert [each["context"] for each in spoken if each["text"] in (OPENING, *FIXED)] == [None] * (1 + len(FIXED))
    [placed] = await voice.placed()
    call = await voice.control("GET", f"/exotel/calls/{placed['sid']}")
    assert " ".join(call["heard"]) == OPENING
    [opening] = await voice.told(intent, TurnTaken)
    assert opening.agent == OPENING, "its words are known as heard"


def test_a_calls_own_line_is_found_before_a_fixed_one():
    sounds = Sounds(fixed={"Ji.": Clip(b"ab", [])}, own={"Ji.": Clip(b"cd", [])})
    assert (sounds.audio("Ji."), sounds.audio("Haan.")) == (b"cd", None)


def test_words_are_spread_over_the_sound_by_their_letters():
    assert spread("Haan ji", 0.8) == [("Haan", 0.0, 0.5), ("ji", 0.5, 0.8)]
