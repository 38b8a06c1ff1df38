"""A call that lasts or costs what it may is closed: a line is spoken first, and the end says why."""

from voice_world import Voice, published

from events.call import Ended, TurnTaken
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.limits import CLOSING, CLOSING_S

TALKS_ON = [{"on": "heard", "when": "", "do": [{"say": "Haan ji, 20 February tak kar denge."}]}]


async def test_a_call_at_its_longest_hears_a_goodbye_first(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": TALKS_ON, "deaf": True})
    intent = await voice.call(max_seconds=CLOSING_S + 6)
    [ended] = await voice.until(intent, Ended, seconds=60)
    assert ended.reason == "max_duration"
    assert ended.seconds <= CLOSING_S + 6, "the telephony provider would have cut it off"
    *_, last = await voice.told(intent, TurnTaken)
    assert last.agent.endswith(CLOSING["hi"].rpartition(". ")[2]), "the whole line was heard"


async def test_a_call_that_has_cost_what_it_may_is_closed_politely(voice: Voice):
    await published(
        voice.store,
        voice.clock,
        settings="voice: {costs: {per_call: {INR: 0.80}}}\n",
    )
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": TALKS_ON, "deaf": True})
    intent = await voice.call()
    [ended] = await voice.until(intent, Ended, seconds=60)
    assert ended.reason == "budget"
    *_, last = await voice.told(intent, TurnTaken)
    assert last.agent.endswith("namaste.")
    telephony, *_ = ended.consumed
    assert (telephony.component, telephony.unit, telephony.quantity) == ("telephony", "pulse", 1)
