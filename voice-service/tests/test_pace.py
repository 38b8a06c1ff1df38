"""A call whose answers come too late goes on with another model and fewer words, and the fact says so."""

from voice_world import Voice, published

from events.call import Degraded, Ended, TurnTaken
from libs.testkit.nouns import PRIYA_PHONE

SETTINGS = """voice:
  llm: {model: claude-haiku-5-5}
  latency: {target_ms: 1, alarm_ms: 2, turns: 2, degraded: {model: claude-sonnet-5-5, max_response_words: 5}}
"""
# The second answer counts when the third question is closed, and what that one's answer is was asked before: early.
TALKS = [
    {"on": "heard", "when": "kab tak", "do": [{"say": "Kaunsa invoice hai?"}]},
    {"on": "heard", "do": [{"say": "Kitna amount hai?"}]},
    {"on": "heard", "do": [{"say": "Kab tak dena hai?"}]},
    {"on": "heard", "do": [{"say": "20 February tak kar denge."}]},
    {"on": "heard", "do": [{"wait": 0.3, "hang_up": True}]},
]


async def test_after_late_answers_the_next_one_is_of_the_other_model(voice: Voice):
    await published(voice.store, voice.clock, SETTINGS)
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": TALKS, "deaf": True})
    before = (await voice.control("GET", "/anthropic"))["served"].get("claude-sonnet-5-5", 0)
    intent = await voice.call()
    [ended] = await voice.until(intent, Ended, seconds=60)
    [degraded] = await voice.told(intent, Degraded)
    assert degraded.p90_ms > 2
    turns = [each for each in await voice.told(intent, TurnTaken) if each.contact]
    assert len(turns) == ended.turns >= 4
    assert (await voice.control("GET", "/anthropic"))["served"].get("claude-sonnet-5-5", 0) > before
    assert ("llm", "claude-sonnet-5-5") in {(each.component, each.category) for each in ended.consumed}
