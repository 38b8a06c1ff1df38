"""After a call its summary is written: what was promised, when, and what is next; or it is said that there is none."""

from typing import Any
from uuid import UUID

import pytest
from voice_world import Voice, until

from events.base import Cause, Draft, Event
from events.call import Ended, Summarised, SummaryFailed, TurnTaken
from libs.kit import ids
from libs.testkit.nouns import PRIYA, PRIYA_PHONE, TENANT

PROMISES = [
    {"on": "heard", "when": "kab tak", "do": [{"say": "Haan ji, 52400 rupees 20 February tak kar denge."}]},
    {"on": "heard", "when": "kar denge", "do": [{"wait": 0.3, "hang_up": True}]},
]


async def test_what_was_promised_in_a_call_is_on_record(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": PROMISES, "deaf": True})
    intent = await voice.call()
    [summary] = await voice.until(intent, Summarised, seconds=60)
    assert "Priya Sharma promised to pay" in summary.summary
    assert "20 February 2026" in summary.summary
    assert len(summary.summary.split()) <= 80
    assert (summary.facts["date"], summary.facts["amount"], summary.facts["currency"]) == ("2026-02-20", 52400, "INR")
    assert summary.facts["next_step"].startswith("check the payment")
    assert summary.mood in ("positive", "neutral")
    assert await voice.told(intent, SummaryFailed) == []


async def test_a_call_in_which_nobody_spoke_has_nothing_to_summarise(voice: Voice):
    hangs_up = [{"on": "answered", "do": [{"wait": 0.2, "hang_up": True}]}]
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": hangs_up, "deaf": True})
    intent = await voice.call()
    await voice.until(intent, Ended, seconds=60)
    opened: int = await voice.store.pool.fetchval("SELECT count(*) FROM voice.effect WHERE kind = 'voice.summarise'")
    assert opened == 0


async def talked(voice: Voice) -> UUID:
    """A call that was held elsewhere: its facts are in the log."""
    call, at = ids.fresh(), voice.clock.now()
    facts = (
        TurnTaken(conversation="1", turn=1, contact="Kal 5000 bhej dunga.", agent="Theek hai, kal tak.", at=at),
        Ended(conversation="1", reason="completed", seconds=20, turns=1),
    )
    for number, fact in enumerate(facts):
        cause = Cause(
            id=ids.cause_id(TENANT, "test", f"{call} {number}"), correlation_id=call, occurred_at=at, source="voice"
        )
        draft = Draft(f"call-{call}", fact, f"contact-{PRIYA}", PRIYA)
        await voice.store.append_any(TENANT, draft.stream, [draft], cause)
    return call


async def afterwards(voice: Voice, call: UUID) -> Event:
    """The fact that follows the end."""

    async def there() -> list[Any]:
        return (await voice.store.read_stream(TENANT, f"call-{call}"))[2:]

    [fact] = await until(there)
    event: Event = fact.event
    return event


@pytest.mark.parametrize("kind", ["no_tool", "overloaded", "max_tokens"])
async def test_what_cannot_be_used_is_asked_for_again(voice: Voice, kind: str):
    await voice.control("POST", "/anthropic/faults", {"kind": kind})
    summary = await afterwards(voice, await talked(voice))
    assert isinstance(summary, Summarised)
    assert summary.facts["amount"] == 5000


async def test_where_claude_refuses_for_good_there_is_none_and_it_is_said(voice: Voice):
    await voice.control("POST", "/anthropic/faults", {"kind": "unauthorized", "times": 10})
    failed = await afterwards(voice, await talked(voice))
    assert failed == SummaryFailed(conversation="1", reason="Claude refuses: 401 authentication_error")
