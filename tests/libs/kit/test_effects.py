"""The ledger: what is claimed, in which order, by whom, and what withholds it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit import buckets, effect_rows
from libs.kit.buckets import Limits
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Refused, Retry
from libs.kit.effects import EffectLedger
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from tests.libs.kit.effects_world import KIND, LedgerWorld, Provider, dead, kind, until


@pytest.fixture
async def world(store_of: Callable[..., Awaitable[Store]]) -> LedgerWorld:
    store = await store_of(CONVERSATION, MESSAGE)
    return LedgerWorld(store, Clock())


async def test_an_intent_is_performed_once_and_its_outcome_is_told(world: LedgerWorld):
    intent = await world.ask()
    await world.work(world.worker())
    assert world.provider.calls == [intent.id]
    assert await world.outcomes(intent) == ["accepted"]
    row = await world.row(intent)
    assert (row["state"], row["outcome"], row["attempt"]) == ("closed", "done", 1)
    [outcome] = await world.store.read_stream(TENANT, f"message-{intent.id}")
    assert outcome.envelope.causation_id == intent.id
    assert outcome.envelope.correlation_id == intent.envelope.correlation_id


async def test_an_intent_heard_again_changes_nothing(world: LedgerWorld):
    intent = await world.ask()
    await world.work(world.worker())
    again = await world.row(intent)
    row = effect_rows.open_row("gateways", intent, kind="test.send", account="whatsapp", order_key="x")
    await world.store.pool.execute(row.sql, *row.args)
    await world.work(world.worker())
    assert await world.row(intent) == again
    assert len(world.provider.calls) == 1


async def test_the_claim_is_committed_before_the_call(world: LedgerWorld):
    seen: list[str] = []

    async def look(claim: object) -> None:
        seen.append((await world.row(intent))["state"])

    world.provider.before_first_byte = look
    intent = await world.ask()
    await world.work(world.worker())
    assert seen == ["claimed"]


async def test_many_workers_claim_each_effect_once(world: LedgerWorld):
    intents = [await world.ask() for _ in range(40)]
    workers = [world.worker(slots=8) for _ in range(4)]
    await asyncio.gather(*map(world.work, workers))
    assert sorted(world.provider.calls) == sorted(intent.id for intent in intents)
    for intent in intents:
        assert await world.outcomes(intent) == ["accepted"]


async def test_a_worker_without_room_claims_nothing_and_leaves_all_to_its_siblings(world: LedgerWorld):
    intents = [await world.ask() for _ in range(3)]
    room = [0]
    full = world.worker(room=lambda: room[0])
    assert await full.claim_and_start() == 0
    room[0] = 1
    assert await full.claim_and_start() == 1, "as many as it has room for"
    await full.idle()
    await world.work(world.worker())
    assert sorted(world.provider.calls) == sorted(intent.id for intent in intents)


async def test_effects_of_one_order_key_go_one_after_the_other_in_the_order_of_their_intents(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    first, second, third = [await world.ask(order_key="priya/whatsapp") for _ in range(3)]
    one, other = world.worker(), world.worker()
    assert await one.claim_and_start() == 1
    assert await other.claim_and_start() == 0
    world.provider.hold.set()
    await one.idle()
    await world.work(other)
    assert world.provider.calls == [first.id, second.id, third.id]


async def test_an_effect_that_waits_for_its_retry_holds_up_the_next_of_its_order_key(world: LedgerWorld):
    world.provider.answers = [Retry("pair rate", timedelta(minutes=1))]
    first = await world.ask(order_key="priya/whatsapp")
    await world.ask(order_key="priya/whatsapp")
    await world.work(world.worker())
    assert world.provider.calls == [first.id]


async def test_one_of_unknown_outcome_does_not_hold_up_the_next(world: LedgerWorld):
    world.provider.answers = [ConnectionResetError()]
    first = await world.ask(order_key="priya/whatsapp")
    second = await world.ask(order_key="priya/whatsapp")
    await world.work(world.worker())
    assert world.provider.calls == [first.id, second.id]
    assert await world.outcomes(first) == ["outcome_unknown"]
    assert await world.outcomes(second) == ["accepted"]


async def test_an_account_is_used_by_so_many_at_once_over_all_workers(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    await buckets.configure(world.store.pool, "gateways", TENANT, "whatsapp", Limits(concurrency=3))
    intents = [await world.ask() for _ in range(8)]
    one, other = world.worker(), world.worker()
    assert await one.claim_and_start() + await other.claim_and_start() == 3
    world.provider.hold.set()
    await one.idle()
    await other.idle()
    await asyncio.gather(world.work(one), world.work(other))
    assert sorted(world.provider.calls) == sorted(intent.id for intent in intents)


async def test_the_token_bucket_of_an_account_is_shared(world: LedgerWorld):
    await buckets.configure(world.store.pool, "gateways", TENANT, "whatsapp", Limits(rate=0.001, burst=5))
    for _ in range(8):
        await world.ask()
    one, other = world.worker(slots=3), world.worker(slots=8)
    assert await one.claim_and_start() == 3
    assert await other.claim_and_start() == 2
    assert await other.claim_and_start() == 0
    await one.idle()
    await other.idle()
    await world.store.pool.execute("UPDATE gateways.account SET refilled_at = refilled_at - interval '2000 seconds'")
    assert await one.claim_and_start() == 2
    await one.idle()


async def test_a_retry_comes_again_and_a_success_follows(world: LedgerWorld):
    world.provider.answers = [Retry("429", timedelta(0)), Retry("429", timedelta(0))]
    intent = await world.ask()
    await world.work(world.worker())
    assert world.provider.calls == [intent.id] * 3
    assert await world.outcomes(intent) == ["accepted"]


async def test_retry_after_is_waited_for_and_not_before(world: LedgerWorld):
    world.provider.answers = [Retry("429", timedelta(seconds=90))]
    intent = await world.ask()
    worker = world.worker()
    await world.work(worker)
    row = await world.row(intent)
    assert row["state"] == "open"
    left = row["not_before"] - world.clock.machine()
    assert timedelta(seconds=30) < left <= timedelta(seconds=90)
    await world.store.pool.execute("UPDATE gateways.effect SET not_before = now()")
    await world.work(worker)
    assert await world.outcomes(intent) == ["accepted"]


async def test_attempts_come_to_an_end_and_that_is_told(world: LedgerWorld):
    world.provider.answers = [Retry("away", timedelta(0))] * 9
    intent = await world.ask()
    await world.work(world.worker(attempts=3))
    assert len(world.provider.calls) == 3
    assert await world.outcomes(intent) == ["rejected"]
    assert (await world.row(intent))["outcome"] == "dead"


async def test_an_effect_that_would_come_too_late_is_given_up(world: LedgerWorld):
    world.provider.answers = [Retry("away", timedelta(hours=2))]
    intent = await world.ask()
    await world.work(world.worker(max_age=timedelta(hours=1)))
    assert await world.outcomes(intent) == ["rejected"]


async def test_a_refusal_is_told_and_not_tried_again(world: LedgerWorld):
    intent = await world.ask()
    world.provider.answers = [Refused(dead(intent, "no such number"))]
    await world.work(world.worker())
    assert await world.outcomes(intent) == ["rejected"]
    assert len(world.provider.calls) == 1


async def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_trial_through(world: LedgerWorld):
    world.provider.answers = [Retry("away", timedelta(hours=1))] * buckets.TROUBLE
    for _ in range(buckets.TROUBLE):
        await world.ask()
    worker = world.worker()
    await world.work(worker)
    later = [await world.ask(), await world.ask()]
    await world.work(worker)
    assert not {intent.id for intent in later} & set(world.provider.calls)
    await world.store.pool.execute("UPDATE gateways.account SET open_until = now()")
    assert await worker.claim_and_start() == 1
    await worker.idle()
    assert await world.store.pool.fetchval("SELECT failures FROM gateways.account") == 0
    await world.work(worker)
    assert {intent.id for intent in later} <= set(world.provider.calls)


async def test_a_worker_is_woken_by_a_new_effect_and_ends_when_cancelled(world: LedgerWorld):
    task = asyncio.create_task(world.worker().run())
    intent = await world.ask()

    async def done() -> bool:
        return await world.outcomes(intent) == ["accepted"]

    await until(done)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_worker_finishes_what_it_claimed(world: LedgerWorld):
    world.provider.hold = asyncio.Event()
    intent = await world.ask()
    task = asyncio.create_task(world.worker().run())
    await world.provider.began.wait()
    task.cancel()
    second = await world.ask()
    world.provider.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.outcomes(intent) == ["accepted"]
    assert await world.outcomes(second) == []


def test_the_backoff_doubles_and_has_a_bound():
    promise = kind(Provider(), backoff=timedelta(seconds=1), backoff_at_most=timedelta(seconds=10))
    assert [promise.pause(attempt, 1.0).total_seconds() for attempt in (1, 2, 3, 9)] == [1, 2, 4, 10]
    assert promise.pause(3, 0.0) == timedelta(seconds=2)


async def test_an_effect_that_is_claimed_too_late_is_given_up_without_a_call(world: LedgerWorld):
    intent = await world.ask()
    await world.store.pool.execute("UPDATE gateways.effect SET opened_at = now() - interval '2 hours'")
    await world.work(world.worker(max_age=timedelta(hours=1)))
    assert world.provider.calls == []
    assert await world.outcomes(intent) == ["rejected"]


async def test_the_kinds_of_another_worker_are_left_alone(world: LedgerWorld):
    intent = await world.ask()
    other = EffectLedger("gateways", {"email.send": kind(Provider())}, store=world.store, clock=world.clock, source="x")
    await world.close_gate("matter:7")
    await world.work(other)
    assert (await world.row(intent))["state"] == "open"
    await world.work(world.worker())
    assert await world.outcomes(intent) == ["accepted"]


async def test_what_is_open_and_how_it_ended_is_counted(world: LedgerWorld):
    def done() -> float:
        labels = {"ledger": "gateways", "kind": KIND, "outcome": "done"}
        return REGISTRY.get_sample_value("converse_effects_total", labels) or 0

    before = done()
    await world.ask()
    worker = world.worker()
    await worker.sweep()
    labels = {"ledger": "gateways", "kind": KIND, "state": "open"}
    assert REGISTRY.get_sample_value("converse_effect_rows", labels) == 1
    await world.work(worker)
    assert done() == before + 1


async def test_closed_effects_are_forgotten_after_a_month(world: LedgerWorld):
    old, new = await world.ask(), await world.ask()
    await world.work(world.worker())
    await world.store.pool.execute(
        "UPDATE gateways.effect SET closed_at = now() - interval '31 days' WHERE id = $1", old.id
    )
    await world.worker().sweep()
    assert [row["id"] for row in await world.store.pool.fetch("SELECT id FROM gateways.effect")] == [new.id]
