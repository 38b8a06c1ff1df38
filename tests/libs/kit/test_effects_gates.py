"""Gates: what was asked before one closed is withheld, up to the claim itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import buckets
from libs.kit.buckets import Limits
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Retry
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from tests.libs.kit.effects_world import LedgerWorld


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    return LedgerWorld(store, Clock())


async def test_a_gate_withholds_what_was_asked_before_it_closed(world: LedgerWorld):
    before = await world.ask(scopes=["contact:c_123", "matter:7"])
    other = await world.ask(scopes=["matter:8"])
    await world.close_gate("matter:7")
    after = await world.ask(scopes=["contact:c_123", "matter:7"])
    await world.work(world.worker())
    assert await world.outcomes(before) == ["withheld"]
    assert await world.outcomes(other) == ["accepted"]
    assert await world.outcomes(after) == ["accepted"]
    assert before.id not in world.provider.calls


async def test_a_gate_that_closes_after_the_last_sweep_stands_against_the_claim_itself(world: LedgerWorld):
    worker = world.worker()
    await world.ask(scopes=["contact:c_123", "matter:7"])
    await world.close_gate("matter:7")
    assert await worker.claim_and_start() == 0
    await world.close_gate("conversation:1", lasting=True)
    await world.ask(scopes=["conversation:1"])
    assert await worker.claim_and_start() == 0
    after = await world.ask(scopes=["contact:c_123", "matter:7"])
    assert await worker.claim_and_start() == 1
    await worker.idle()
    assert world.provider.calls == [after.id]


async def test_a_lasting_gate_withholds_later_ones_too_until_it_is_opened(world: LedgerWorld):
    await world.close_gate("contact:c_123", lasting=True)
    stopped = await world.ask(scopes=["contact:c_123"])
    worker = world.worker()
    await world.work(worker)
    assert await world.outcomes(stopped) == ["withheld"]
    await world.open_gate("contact:c_123")
    allowed = await world.ask(scopes=["contact:c_123"])
    await world.work(worker)
    assert await world.outcomes(allowed) == ["accepted"]


async def test_a_passing_closing_does_not_end_a_lasting_one(world: LedgerWorld):
    await world.close_gate("conversation:1", lasting=True)
    await world.close_gate("conversation:1")
    stopped = await world.ask(scopes=["conversation:1"])
    await world.work(world.worker())
    assert await world.outcomes(stopped) == ["withheld"]


async def test_a_gate_that_was_opened_still_withholds_what_was_asked_before_it_closed(world: LedgerWorld):
    before = await world.ask(scopes=["conversation:1"])
    await world.close_gate("conversation:1", lasting=True)
    await world.open_gate("conversation:1")
    await world.work(world.worker())
    assert await world.outcomes(before) == ["withheld"]


async def test_a_gate_that_closes_while_an_effect_waits_for_its_retry_withholds_it(world: LedgerWorld):
    world.provider.answers = [Retry("away", timedelta(hours=1))]
    intent = await world.ask(scopes=["matter:7"])
    worker = world.worker()
    await world.work(worker)
    await world.close_gate("matter:7")
    await world.work(worker)
    assert await world.outcomes(intent) == ["withheld"]
    assert len(world.provider.calls) == 1


async def test_what_was_claimed_before_the_gate_closed_is_finished(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask(scopes=["matter:7"])
    worker = world.worker()
    await worker.claim_and_start()
    await world.provider.began.wait()
    await world.close_gate("matter:7")
    await worker.sweep()
    world.provider.hold.set()
    await worker.idle()
    assert await world.outcomes(intent) == ["accepted"]


async def test_a_kill_switch_withholds_everything_of_its_account(world: LedgerWorld):
    intent = await world.ask(account="whatsapp")
    other = await world.ask(account="email")
    pool = world.store.pool
    await buckets.configure(pool, "gateways", TENANT, "whatsapp", Limits(), killed="switched off by Asha")
    await world.work(world.worker())
    assert await world.outcomes(intent) == ["withheld"]
    [fact] = await world.store.read_stream(TENANT, f"message-{intent.id}")
    assert getattr(fact.event, "reason", None) == "switched off by Asha"
    assert await world.outcomes(other) == ["accepted"]
