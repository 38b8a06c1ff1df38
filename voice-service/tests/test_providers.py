"""Which providers a call has is the bundle's to say, and a fail-over is a fact."""

from typing import Any

from voice_world import Voice, published

from events.call import Ended, ProviderSwitched, TurnTaken
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.turns import OPENING_S

PROMISE = "Haan ji, 20 February tak kar denge."
PROMISES = {"on": "heard", "when": "kab tak hoga", "do": [{"say": PROMISE}]}
NOTED = "payment kar denge"
"""The end of what the promise is answered: who acts on any word takes a pause in ours for our end."""
OTHERS = """voice:
  stt: {model: nova-3, endpointing_ms: 300, keywords: [invoice], flux: {model: flux-general-multi}}
  tts:
    default: {provider: elevenlabs, voice_id: v2, speed: 1.1}
    cartesia: {provider: cartesia}
"""


async def talked(voice: Voice, acts: list[dict[str, Any]]) -> tuple[list[TurnTaken], list[ProviderSwitched]]:
    """A call to Priya, until it is over."""
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.5, "acts": acts, "deaf": True})
    intent = await voice.call(opening="Namaste, payment kab tak hoga?")
    await voice.until(intent, Ended, seconds=60)
    return await voice.told(intent, TurnTaken), await voice.told(intent, ProviderSwitched)


async def test_the_bundles_profiles_hear_and_speak(voice: Voice):
    await published(voice.store, voice.clock, OTHERS)
    acts = [PROMISES, {"on": "heard", "when": NOTED, "do": [{"say": "Theek hai, bye."}]}]
    turns, switches = await talked(voice, acts)
    assert [turn.contact for turn in turns if turn.contact] == [PROMISE, "Theek hai, bye."]
    assert "20 February 2026" in turns[1].agent
    assert switches == []
    sockets = await voice.control("GET", "/deepgram/live/requests")
    heard = [each for each in sockets if each["seconds"] > 0]
    assert [(each["version"], ["endpointing", "300"] in each["query"]) for each in heard] == [("v1", True)]
    assert await voice.control("GET", "/cartesia/spoken") == []
    spoken = " ".join(each["text"] for each in await voice.control("GET", "/elevenlabs/spoken"))
    assert "bees February" in spoken, "as our voice says the 20th"


async def test_who_took_over_and_why_is_a_fact(voice: Voice):
    await voice.control("POST", "/cartesia/faults", {"when": "bees February", "fails": 402})
    await voice.control("POST", "/anthropic/faults", {"kind": "rate_limit", "when": "20 February", "retry_after": 30})
    acts = [PROMISES, {"on": "heard", "when": NOTED, "do": [{"hang_up": True}]}]
    turns, switches = await talked(voice, acts)
    assert "20 February 2026" in turns[1].agent
    assert [(each.component, each.to_provider, each.reason) for each in switches] == [
        ("llm", "anthropic claude-sonnet-5-5", "rate_limited"),
        ("tts", "elevenlabs eleven_flash_v2_5", "quota"),
    ]


async def test_who_is_silent_about_noise_has_not_failed(voice: Voice):
    await voice.control("POST", "/deepgram/live/faults", {"on": "v2", "mute": True, "times": 9})
    acts = [{"on": "heard", "do": [*[{"beep": True}] * 8, {"wait": 3, "hang_up": True}]}]
    turns, switches = await talked(voice, acts)
    assert [turn.contact for turn in turns if turn.contact] == []
    assert switches == []
    sockets = await voice.control("GET", "/deepgram/live/requests")
    assert [each["version"] for each in sockets if each["seconds"] > 0] == ["v2", "v1"], "a second one listened too"


async def test_who_speaks_before_a_late_opening_is_answered_and_not_greeted_by_it_as_well(voice: Voice):
    await published(voice.store, voice.clock, "voice: {tts: {default: {provider: elevenlabs}}}\n")
    await voice.control("POST", "/elevenlabs/faults", {"when": "kab tak hoga", "mute": True, "times": 4})
    acts = [
        {"on": "silence", "after_seconds": OPENING_S + 1.5, "do": [{"say": "Hello, kaun bol raha hai?"}]},
        {"on": "heard", "do": [{"wait": 1, "hang_up": True}]},
    ]
    turns, _ = await talked(voice, acts)
    assert turns[0].contact == "Hello, kaun bol raha hai?"
    assert turns[0].agent
    assert "kab tak hoga" not in " ".join(each.agent for each in turns)
