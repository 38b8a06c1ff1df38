"""What a call tells is in the log, whatever one of its facts is like."""

import asyncio

import pytest
from voice_world import a_call

from events.call import DigitsPressed, Ended, ToolCalled
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from libs.testkit.servers import StoreOf
from voice_service import calls
from voice_service.calls import Call

HALF_A_SIGN = "\ud83d"
"""As Claude's JSON may have it; no text that is stored can."""


async def told(call: Call, store: Store) -> list[type]:
    """What is in the log of a call that is over."""
    async with asyncio.timeout(20):
        await call.write()
    return [type(fact.event) for fact in await store.read_stream(TENANT, f"call-{call.known.call}")]


async def test_a_fact_that_cannot_be_written_stops_nothing_behind_it(
    store_of: StoreOf, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(calls, "AGAIN_S", 0)
    store = await store_of(role="converse_voice")
    call = a_call(store=store)
    call.pressed("1")
    call.tell(
        "tool 1", ToolCalled(conversation="1", turn=1, number=1, tool="t", inputs={"words": HALF_A_SIGN}, said="")
    )
    call.over()
    assert await told(call, store) == [DigitsPressed, Ended]
