"""Stops, before a call is answered and in it: nobody who may not be talked with any more hears a word, and no word of theirs reaches Claude."""

import json
from typing import Any

import pytest
from voice_world import Voice, published, until

from events.base import Recorded
from events.call import Answered, Dialled, Ended, Summarised, ToolCalled, TurnTaken
from events.conversation import GateClosed, GateOpened
from libs.domain.call_lines import TEXTS, Language
from libs.testkit.nouns import PRIYA, PRIYA_PHONE

SCOPE = f"contact:{PRIYA}"
_CLOSED = "SELECT closed_at_pos FROM voice.gate WHERE scope = $1"
_OPENED = "SELECT opened_at_pos FROM voice.gate WHERE scope = $1"


async def rings(voice: Voice) -> Recorded[Any]:
    """A call that rings on, and that a stop would have withheld."""
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 25})
    intent = await voice.call(gates=[SCOPE])
    await voice.until(intent, Dialled)
    return intent


@pytest.mark.parametrize("lasting", [True, False])
async def test_who_said_stop_or_has_paid_while_their_phone_rang_hears_no_word_of_ours(voice: Voice, lasting: bool):
    intent = await rings(voice)
    await voice.happens(GateClosed(scope=SCOPE, reason="the contact said stop", lasting=lasting))
    await until(lambda: voice.store.pool.fetchval(_CLOSED, SCOPE))
    socket = await voice.picks_up(intent)
    assert [each async for each in socket] == [], "nothing is played, and the line ends"
    [ended] = await voice.until(intent, Ended)
    assert (ended.reason, ended.seconds, ended.turns) == ("withdrawn", 0, 0)
    assert await voice.told(intent, TurnTaken) == []


async def test_another_runtime_is_told_to_say_nothing_and_to_hang_up(voice: Voice):
    await published(voice.store, voice.clock, "voice: {telephony: {media_url: 'ws://127.0.0.1:9/nobody'}}\n")
    intent = await rings(voice)
    await voice.happens(GateClosed(scope=SCOPE, reason="the contact said stop", lasting=True))
    await until(lambda: voice.store.pool.fetchval(_CLOSED, SCOPE))
    asks = {"call_id": str(intent.id), "turn": 0, "speaker": "contact", "text": ""}
    answer = await voice.client.post(f"{voice.origin}/api/v1/voice/transcript", json=asks, timeout=30)
    assert answer.json() == {"turn": 0, "say": "", "tools": [], "end_call": True}


async def test_a_stop_that_was_taken_back_while_their_phone_rang_changes_nothing(voice: Voice):
    await voice.happens(GateClosed(scope=SCOPE, reason="the contact said stop", lasting=True))
    await voice.happens(GateOpened(scope=SCOPE))
    await until(lambda: voice.store.pool.fetchval(_OPENED, SCOPE))
    intent = await rings(voice)
    socket = await voice.picks_up(intent)
    assert json.loads(await socket.recv())["event"] == "media", "they are talked with"
    await socket.close()


async def test_what_closes_by_the_answer_itself_cuts_no_talk(voice: Voice, secret: str):
    """A process may end with the answer, and the provider tell of it before the media come."""
    intent = await rings(voice)
    told = {"CallSid": "C1", "EventType": "answered", "Status": "in-progress", "CustomField": str(intent.id)}
    (await voice.client.post(f"{voice.origin}/api/v1/voice/status/{secret}", json=told)).raise_for_status()
    await voice.until(intent, Answered)
    await voice.happens(GateClosed(scope=SCOPE, reason="the matter is settled"))
    await until(lambda: voice.store.pool.fetchval(_CLOSED, SCOPE))
    socket = await voice.picks_up(intent)
    assert json.loads(await socket.recv())["event"] == "media", "they are talked with"
    await socket.close()


@pytest.mark.parametrize("words", ["Stop calling me.", "कॉल मत करो"])
async def test_who_says_stop_in_a_call_is_obeyed_before_claude_reads_it(voice: Voice, words: str):
    says = {"on": "heard", "when": "kar denge", "do": [{"say": words}]}
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.3, "deaf": True, "acts": [says]})
    before = (await voice.control("GET", "/anthropic"))["requests"]
    intent = await voice.call()
    await voice.until(intent, Summarised, seconds=60)
    [ended] = await voice.told(intent, Ended)
    _, stop = await voice.told(intent, TurnTaken)
    assert (ended.reason, ended.turns) == ("completed", 1)
    assert stop.agent == TEXTS[stop_language(words)]["stopped"]
    assert await voice.told(intent, ToolCalled) == []
    requests = (await voice.control("GET", "/anthropic"))["requests"] - before
    assert requests == 1, "no answer, but after the call its summary"


def stop_language(words: str) -> Language:
    return "hi-Latn" if words.isascii() else "hi"


async def test_another_runtime_that_hears_stop_is_given_the_goodbye_and_asks_nobody(voice: Voice):
    await published(voice.store, voice.clock, "voice: {telephony: {media_url: 'ws://127.0.0.1:9/nobody'}}\n")
    intent = await rings(voice)
    before = (await voice.control("GET", "/anthropic"))["requests"]
    asks = {"call_id": str(intent.id), "turn": 1, "speaker": "contact", "text": "band karo"}
    answer = await voice.client.post(f"{voice.origin}/api/v1/voice/transcript", json=asks, timeout=30)
    said = {"turn": 1, "say": TEXTS["hi-Latn"]["stopped"], "tools": [], "end_call": True}
    assert answer.json() == said
    assert (await voice.control("GET", "/anthropic"))["requests"] == before
