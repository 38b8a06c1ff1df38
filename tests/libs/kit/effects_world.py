"""A provider of which a test decides what it does, and a ledger full of intents."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from events.base import Cause, Draft, Event, Recorded
from events.conversation import GateClosed, GateOpened, MessageRequested
from events.message import Accepted, OutcomeUnknown, Rejected, Withheld
from events.values import Body, PolicyDecision
from libs.kit import effect_rows, gates, ids
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome
from libs.kit.effects import EffectLedger
from libs.kit.store import Store
from libs.testkit.nouns import NOON, PRIYA_PHONE, TENANT

KIND = "test.send"
T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], *, seconds: float = 60.0) -> T:
    """What `ask` answers as soon as it is true."""
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is waited for happens in a database or process
            await asyncio.sleep(0.01)
        return answer


@dataclass
class Provider:
    """Answers each call with the next of `answers`, or well; a call waits while `hold` is set to an event."""

    answers: list[Outcome | Exception] = field(default_factory=list)
    calls: list[UUID] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None
    before_first_byte: Callable[[Claim], Awaitable[None]] | None = None

    async def perform(self, claim: Claim) -> Outcome:
        if self.before_first_byte is not None:
            await self.before_first_byte(claim)
        claim.begin_call()
        self.calls.append(claim.id)
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else Done([accepted(claim.intent)])
        if isinstance(answer, Exception):
            raise answer
        return answer


def accepted(intent: Recorded[Any]) -> Draft:
    return Draft(f"message-{intent.id}", Accepted(conversation="1", channel="whatsapp", provider_ref=f"w-{intent.id}"))


def told(event: type[Withheld] | type[OutcomeUnknown]) -> Callable[[Recorded[Any], str], Sequence[Draft]]:
    return lambda intent, reason: [
        Draft(f"message-{intent.id}", event(conversation="1", channel="whatsapp", reason=reason))
    ]


def dead(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [
        Draft(f"message-{intent.id}", Rejected(conversation="1", channel="whatsapp", code="gave_up", reason=reason))
    ]


def kind(provider: Provider, **changes: Any) -> Kind:
    promises: dict[str, Any] = {
        "perform": provider.perform,
        "withheld": told(Withheld),
        "dead": dead,
        "unknown": told(OutcomeUnknown),
        "after_unknown": "wait",
        "timeout": timedelta(minutes=1),  # while a call is held nothing else may end it
        "backoff": timedelta(0),
    }
    return Kind(**(promises | changes))


@dataclass
class LedgerWorld:
    """One database, one ledger, any number of workers."""

    store: Store
    clock: Clock
    provider: Provider = field(default_factory=Provider)
    asked: int = 0

    def worker(
        self, slots: int = 8, store: Store | None = None, room: Callable[[], int] | None = None, **changes: Any
    ) -> EffectLedger:
        return EffectLedger(
            "gateways",
            {KIND: kind(self.provider, **changes)},
            store=store or self.store,
            clock=self.clock,
            source="gateways",
            slots=slots,
            room=room,
        )

    async def record(self, event: Event, stream: str = "conversation-1") -> Recorded[Any]:
        """Append a fact and read it back."""
        self.asked += 1
        cause_id = ids.cause_id(TENANT, "test", str(self.asked))
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="orchestrator")
        appended = await self.store.append_any(TENANT, stream, [Draft(stream, event)], cause)
        [fact] = await self.store.read_stream(TENANT, stream, after_version=appended.version - 1)
        return fact

    async def ask(
        self,
        *,
        scopes: Sequence[str] = (),
        order_key: str | None = None,
        account: str = "whatsapp",
        text: str = "hello",
    ) -> Recorded[MessageRequested]:
        """An intent, heard: its effect is open. Each has an order key of its own unless one is given."""
        decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
        intent = await self.record(
            MessageRequested(message="", channel="whatsapp", to=PRIYA_PHONE, body=Body(text=text), allowed_by=decision)
        )
        await self.hear(intent, scopes=scopes, order_key=order_key, account=account)
        return intent

    async def hear(
        self,
        intent: Recorded[Any],
        *,
        scopes: Sequence[str] = (),
        order_key: str | None = None,
        account: str = "whatsapp",
    ) -> None:
        """Open the effect of an intent."""
        row = effect_rows.open_row(
            "gateways",
            intent,
            kind=KIND,
            account=account,
            order_key=order_key or str(intent.id),
            gates=scopes,
        )
        await self.store.pool.execute(row.sql, *row.args)

    async def close_gate(self, scope: str, *, lasting: bool = False) -> None:
        fact = await self.record(GateClosed(scope=scope, reason="stop", lasting=lasting))
        row = gates.close_row("gateways", fact, scope, lasting=lasting)
        await self.store.pool.execute(row.sql, *row.args)

    async def open_gate(self, scope: str) -> None:
        fact = await self.record(GateOpened(scope=scope))
        row = gates.open_row("gateways", fact, scope)
        await self.store.pool.execute(row.sql, *row.args)

    async def work(self, worker: EffectLedger) -> None:
        """Let a worker do all that can be done now."""
        await worker.sweep()
        while await worker.claim_and_start():
            await worker.idle()

    async def outcomes(self, intent: Recorded[Any]) -> list[str]:
        """The facts about an intent, by name."""
        facts = await self.store.read_stream(TENANT, f"message-{intent.id}")
        return [fact.envelope.type.split(".")[1] for fact in facts]

    async def row(self, intent: Recorded[Any]) -> dict[str, Any]:
        record = await self.store.pool.fetchrow("SELECT * FROM gateways.effect WHERE id = $1", intent.id)
        return dict(record)

    async def expire_lease(self, intent: Recorded[Any]) -> None:
        """Let the lease of a claim run out."""
        await self.store.pool.execute(
            "UPDATE gateways.effect SET lease_until = now() - interval '1 second' WHERE id = $1 AND state = 'claimed'",
            intent.id,
        )
