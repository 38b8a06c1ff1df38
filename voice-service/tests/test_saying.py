"""What a contact has heard of our words: what was played while they were there."""

import pytest
from voice_world import a_call

from voice_service.prepared import Sounds
from voice_service.saying import Speech


@pytest.mark.parametrize(("hung_up", "heard"), [(False, "Dhanyavaad, namaste."), (True, "")])
def test_who_has_hung_up_hears_nothing_more(hung_up: bool, heard: str):
    call = a_call()
    speech = Speech(call, "hi-Latn", 80, Sounds())
    speech.opening("Dhanyavaad, namaste.")
    call.hung_up = hung_up
    speech.hear("Dhanyavaad, namaste.")
    assert call.exchange.heard == heard


def test_a_line_from_before_everything_was_cut_is_not_said():
    speech = Speech(a_call(), "hi-Latn", 80, Sounds())
    early = speech.line("Ek minute.")
    speech.cut()
    assert (speech.arrange(early), speech.arrange(speech.line("Ji."))) == (False, True)
    assert speech.utterance.written == "Ji."
