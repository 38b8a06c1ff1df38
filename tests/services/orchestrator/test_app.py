"""The orchestrator on the real log with the rights of its own role: from a follow-up to Claude's answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest_asyncio

from events.backend import CallCompleted
from events.base import Cause, Draft, Event, Recorded
from events.contact import Lookup, Registered
from events.conversation import MessageRequested, TimerSet, ToolRequested, TurnRequested
from events.inbound import Received
from events.message import Accepted
from events.operator import FollowupTriggered
from events.turn import Completed
from libs.kit import ids, quarantine
from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.serve import serve
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA, PRIYA_PHONE, TENANT
from libs.testkit.servers import StoreOf
from services.orchestrator.app import build
from services.orchestrator.settings import Settings
from services.sandbox import app as sandbox
from services.sandbox.settings import Settings as SandboxSettings
from tests.services.orchestrator.scene import PRIYA_IS, shipped

NOWHERE = "nats://127.0.0.1:1"
"""Without NATS a reactor reads the log."""


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve([app], port=0, on_ready=port.set_result))
    try:
        yield f"http://127.0.0.1:{await asyncio.wait_for(port, 10)}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def because() -> Cause:
    cause = ids.fresh()
    return Cause(id=cause, correlation_id=cause, occurred_at=MORNING, source="test")


class Neighbours:
    """What the other services say, and what the orchestrator said."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def say(self, stream: str, event: Event, *, contact: str | None = PRIYA) -> None:
        draft = Draft(stream, event, f"contact-{contact}" if contact else None, contact)
        await self.store.append_any(TENANT, stream, [draft], because())

    async def heard(self, kind: type[Event]) -> Recorded[Any]:
        """The first fact of a kind, as soon as it stands in the log."""
        grown = asyncio.Event()
        undo = self.store.listener.on("log_0", lambda _: grown.set())
        try:
            async with asyncio.timeout(20):
                while True:
                    grown.clear()
                    for fact in await self.store.read_log(0, 0, 1000):
                        if isinstance(fact.event, kind):
                            return fact
                    await grown.wait()
        finally:
            undo()


@pytest_asyncio.fixture
async def neighbours(store: Store, clock: Clock, store_of: StoreOf) -> AsyncIterator[Neighbours]:
    """The service as it runs alone, beside Claude's emulator."""
    await clock.set(MORNING)
    await publish(store, TENANT, shipped(), because())
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(serving(sandbox.build(SandboxSettings(people=()), now=clock.now)))
        own = await store_of(role="converse_orchestrator", name="orchestrator")
        bus = await Bus.connect(NOWHERE, name="orchestrator", patience=0.1)
        stack.push_async_callback(bus.close)
        its_clock = await stack.enter_async_context(Clock.open(own.pool, own.listener))
        service = await build(
            Settings(sandbox_url=sandbox.base_urls(origin)["llm"]), store=own, bus=bus, clock=its_clock
        )
        await stack.enter_async_context(serving(service))
        yield Neighbours(store)


async def test_it_does_its_work_with_the_rights_of_its_role(neighbours: Neighbours):
    digest = (await neighbours.store.keyring.lookup(TENANT, "whatsapp", PRIYA_PHONE)).hex()
    known = Registered(contact_id=PRIYA, profile=PRIYA_IS, lookups=[Lookup(channel="whatsapp", digest=digest)])
    await neighbours.say(f"contact-{PRIYA}", known)
    await neighbours.say(
        "operator-1",
        FollowupTriggered(
            followup="f-1",
            contact_id=PRIYA,
            fingerprint="f",
            reason="Payment overdue 17 days",
            process_type="payment_collection",
            entity_type="invoice",
            entity_id=INVOICE,
            flow="payment_reminder",
            business_context=INVOICE_OVERDUE,
        ),
        contact=None,
    )
    tool = await neighbours.heard(ToolRequested)
    conversation = tool.subject_id
    answer = CallCompleted(
        kind="tool", conversation=conversation, endpoint=tool.event.endpoint, status=200, result={"paid": False}
    )
    cause = Cause(id=tool.id, correlation_id=tool.id, occurred_at=MORNING, source="backend-sync")
    stream = f"backend-{tool.id}"
    await neighbours.store.append_any(TENANT, stream, [Draft(stream, answer, f"contact-{PRIYA}", PRIYA)], cause)
    message = await neighbours.heard(MessageRequested)
    accepted = Accepted(conversation=conversation, channel="whatsapp", provider_ref="wamid.1")
    await neighbours.say(f"message-{message.id}", accepted)
    await neighbours.heard(TimerSet)

    said = Received(
        channel="whatsapp",
        account="1",
        digest=digest,
        sender=PRIYA_PHONE,
        text="20 February tak",
        provider_ref="wamid.2",
    )
    await neighbours.say("inbound-whatsapp-1", said, contact=None)
    await neighbours.heard(TurnRequested)
    turn = await neighbours.heard(Completed)
    assert turn.event.conversation == conversation
    assert turn.envelope.source == "orchestrator"
    assert await quarantine.entries(neighbours.store.pool) == []
