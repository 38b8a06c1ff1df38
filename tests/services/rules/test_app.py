"""Rules on the real log, with the rights of its own role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest_asyncio

from events.base import Cause, Draft, Recorded
from events.business import EventReceived
from events.rules import Evaluated
from libs.config.bundle import Bundle
from libs.config.model import Content
from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.ids import cause_id
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, NOON, TENANT
from libs.testkit.servers import StoreOf
from services.rules.app import build
from services.rules.settings import Settings
from tests.services.rules.test_decide import REMINDER

BUNDLE = Bundle.of(Content(rules=(REMINDER,)))


def because(what: str) -> Cause:
    told = cause_id(TENANT, "test", what)
    return Cause(id=told, correlation_id=told, occurred_at=NOON, source="test")


async def told(store: Store, number: int, **data: Any) -> Recorded[Any]:
    """The ERP's event as ingest appends it."""
    stream = f"business-{number}"
    event = EventReceived(
        event_name="invoice_overdue",
        external_id=str(number),
        origin="erp",
        fingerprint="f",
        data={**INVOICE_OVERDUE, **data},
    )
    await store.append(TENANT, stream, 0, [Draft(stream, event)], because(stream))
    [fact] = await store.read_stream(TENANT, stream)
    return fact


async def evaluation_of(store: Store, fact: Recorded[Any]) -> Recorded[Any]:
    """What rules said of a fact, as soon as it stands in the log."""
    grown = asyncio.Event()
    undo = store.listener.on("log_0", lambda _: grown.set())
    try:
        async with asyncio.timeout(60):
            while not (found := await store.read_stream(TENANT, f"rules-{fact.id}")):
                await grown.wait()
                grown.clear()
    finally:
        undo()
    [evaluation] = found
    return evaluation


@pytest_asyncio.fixture
async def rules(store: Store, store_of: StoreOf, nats_url: str) -> AsyncIterator[None]:
    """The service as it runs alone, on a published bundle."""
    await publish(store, TENANT, BUNDLE, because("bundle"))
    own = await store_of(role="converse_rules", name="rules")
    bus = await Bus.connect(nats_url, name="rules")
    async with Clock.open(own.pool, own.listener) as clock:
        app = await build(Settings(), store=own, bus=bus, clock=clock)
        loops = [asyncio.ensure_future(loop.run()) for loop in app.loops]
        yield
        for loop in loops:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
    await bus.close()


async def test_an_event_is_evaluated_by_the_published_bundle(store: Store, rules: None):
    fact = await told(store, 1)
    evaluation = await evaluation_of(store, fact)
    assert isinstance(evaluation.event, Evaluated)
    assert evaluation.event.business_stream == fact.stream
    assert [each.entity_id for each in evaluation.event.matched] == [INVOICE]
    assert evaluation.envelope.config == BUNDLE.hash
    assert evaluation.envelope.causation_id == fact.id
    assert evaluation.envelope.correlation_id == fact.envelope.correlation_id


async def test_an_event_that_asks_for_nothing_is_evaluated_too(store: Store, rules: None):
    evaluation = await evaluation_of(store, await told(store, 1, days_overdue=1))
    assert evaluation.event.matched == []
    assert evaluation.event.rejected[0].reasons == ["days_overdue 1 is not >= 3"]


async def test_a_newly_published_bundle_decides_from_then_on(store: Store, rules: None):
    first = await evaluation_of(store, await told(store, 1))
    silent = Bundle.of(Content())
    await publish(store, TENANT, silent, because("silent"))
    number = 2
    evaluation = await evaluation_of(store, await told(store, number))
    while evaluation.envelope.config != silent.hash:  # the news of a bundle travels beside the log
        number += 1
        assert number < 50, "the new bundle was never heard of"
        evaluation = await evaluation_of(store, await told(store, number))
    assert evaluation.event.matched == []
    assert first.envelope.config == BUNDLE.hash
