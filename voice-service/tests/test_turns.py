"""How the agent takes turns and speaks on a real line: each call as long as people talk. The rules are tests/libs/domain's."""

import re
from typing import Any

import pytest
from voice_world import Voice, published

from events.call import DigitsPressed, Ended, Summarised, TurnTaken
from libs.domain.call_lines import TEXTS
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.providers import mind

OPENING = "Namaste Priya ji, aapke invoice INV-2026-0042 ka ₹52,400 baaki hai. Aap kab tak kar denge?"


def hangs_up(when: str) -> dict[str, Any]:
    """Priya hangs up when she has heard this: a pause in what we say is not its end."""
    return {"on": "heard", "when": when, "do": [{"wait": 0.2, "hang_up": True}]}


async def answers(voice: Voice, *acts: dict[str, Any], **phone: Any) -> None:
    """Priya takes calls like this."""
    body = {"rings_seconds": 0.3, "deaf": True, "acts": list(acts), **phone}
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", body)


async def line(voice: Voice) -> dict[str, Any]:
    """The one call, as it was heard on the line."""
    [placed] = await voice.placed()
    found: dict[str, Any] = await voice.control("GET", f"/exotel/calls/{placed['sid']}")
    return found


async def test_a_hello_and_a_hmm_do_not_interrupt_and_amounts_are_said_in_words(voice: Voice):
    hello = {"on": "answered", "do": [{"wait": 0.3, "say": "Hello?"}]}
    hmm = {"on": "speaking", "after_seconds": 2.0, "do": [{"say": "hmm"}]}
    await answers(voice, hello, hmm, hangs_up("kar denge"), rings_seconds=1.5)
    intent = await voice.call(opening=OPENING)
    await voice.until(intent, Ended, seconds=60)
    [opening] = await voice.told(intent, TurnTaken)
    assert (opening.contact, opening.agent, opening.interrupted) == ("", OPENING, False)
    moments = (await line(voice))["moments"]
    assert not any(each["what"].startswith("clear") for each in moments)
    first = next(each["at"] for each in moments if each["who"] == "agent")
    assert first < 3.5, "the first word is no four seconds away"
    spoken = " ".join(each["text"] for each in await voice.control("GET", "/cartesia/spoken"))
    assert "baavan hazaar chaar sau rupaye" in spoken
    assert not re.search(r"[\d₹]", spoken)


async def test_an_answer_that_was_thought_of_early_costs_one_request_and_waits_for_the_end_of_the_turn(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mind, "FIRST_TOKEN_S", 20)  # of a slow machine another model would be asked, too
    asks = {"on": "heard", "when": "kar denge", "do": [{"say": "Aap kaun bol rahe hain?"}]}
    await answers(voice, asks, hangs_up("assistant"))
    before = (await voice.control("GET", "/anthropic"))["requests"]
    intent = await voice.call(opening=OPENING, intents={}, channels=[])
    await voice.until(intent, Summarised, seconds=60)
    _, answer = await voice.told(intent, TurnTaken)
    assert answer.contact == "Aap kaun bol rahe hain?"
    assert answer.agent
    requests = (await voice.control("GET", "/anthropic"))["requests"] - before
    assert requests == 2, "the answer, and after the call its summary"
    assert answer.latency_ms["stt"] + answer.latency_ms["decision"] >= 250, "and was not heard before"


async def test_who_says_nothing_is_asked_three_times_and_hears_goodbye(voice: Voice):
    await published(
        voice.store,
        voice.clock,
        "voice: {silence: {gentle_prompt_s: 1, check_in_s: 4, final_check_s: 7, goodbye_s: 12}}\n",
    )
    await answers(voice)
    intent = await voice.call(opening="Namaste.")
    [ended] = await voice.until(intent, Ended, seconds=60)
    assert ended.reason == "silence"
    [told] = await voice.told(intent, TurnTaken)
    levels = ("gentle_prompt", "check_in", "final_check", "goodbye")
    assert told.agent == " ".join(["Namaste.", *(TEXTS["hi-Latn"][level] for level in levels)])


async def test_pressed_keys_are_a_turn(voice: Voice):
    presses = {"on": "heard", "when": "dabaiye", "do": [{"press": "5"}, {"wait": 0.3, "press": "24#"}]}
    await answers(voice, presses, hangs_up("dhanyavaad"))
    intent = await voice.call(opening="Namaste Priya ji, apna PIN dabaiye.")
    await voice.until(intent, Ended, seconds=60)
    _, keys = await voice.told(intent, TurnTaken)
    assert keys.contact == "(pressed 524)"
    assert keys.agent, "Claude has answered"
    assert [each.digits for each in await voice.told(intent, DigitsPressed)] == ["5", "2", "4", "#"]


async def test_digits_with_pauses_between_them_are_one_turn(voice: Voice):
    await published(voice.store, voice.clock, "voice: {endpointing: {number_dictation_ms: 4000}}\n")
    digits = [{"wait": 0.0 if n == 0 else 0.6, "say": digit} for n, digit in enumerate(["five", "two", "four"])]
    await answers(voice, {"on": "heard", "when": "amount", "do": digits}, hangs_up("dhanyavaad"))
    intent = await voice.call(opening="Namaste Priya ji, kitna amount denge?")
    await voice.until(intent, Ended, seconds=60)
    _, dictated = await voice.told(intent, TurnTaken)
    assert (dictated.contact, dictated.situation) == ("five two four", "number_dictation")
    assert dictated.agent


async def test_a_mailbox_is_hung_up_on(voice: Voice):
    await answers(voice, fate="voicemail")
    intent = await voice.call(opening="Namaste.")
    [ended] = await voice.until(intent, Ended, seconds=60)
    assert (ended.reason, ended.turns) == ("voicemail", 0)
    assert ended.seconds < 30, "long before our silence would have said goodbye"


async def test_a_mailbox_is_left_a_message_after_its_tone(voice: Voice):
    await published(
        voice.store, voice.clock, 'voice: {voicemail: {policy: leave_message, message: "Please call us back."}}\n'
    )
    await answers(voice, fate="voicemail")
    intent = await voice.call(opening="Namaste.")
    [ended] = await voice.until(intent, Ended, seconds=60)
    assert ended.reason == "voicemail"
    moments = (await line(voice))["moments"]
    [beep] = [each["end"] for each in moments if each["what"] == "beep"]
    spoken = [each["at"] for each in moments if each["who"] == "agent"]
    assert spoken[-1] >= beep
    [told] = await voice.told(intent, TurnTaken)
    assert told.agent.endswith("Please call us back.")
