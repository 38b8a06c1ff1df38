"""The voice service as its neighbours see it, and how to wait for what it does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from events.base import Cause, Draft, Event, Recorded
from events.call import CallRequested, CallTaken, CameIn
from events.values import PolicyDecision
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import ids
from libs.kit.bundles import publish
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, NOON, PRIYA, PRIYA_PHONE, TENANT
from voice_service.calls import Call, Calls
from voice_service.facts import Facts, Known
from voice_service.settings import SANDBOX_SECRET

ROOT = Path(__file__).resolve().parents[2]
CONVERSATION = "conversation-1"
T = TypeVar("T")
_HELD = "SELECT held_by IS NOT NULL FROM voice.call WHERE call = $1"

BUNDLE = {
    "prices.yaml": """prices:
  - {provider: exotel, unit: minute, currency: INR, amount: 0.80, effective: 2026-01-01}
  - {provider: sip, unit: minute, currency: INR, amount: 0.50, effective: 2026-01-01}
  - {provider: deepgram, unit: minute, currency: USD, amount: 0.0078, effective: 2026-01-01}
  - {provider: cartesia, unit: character, currency: USD, amount: 37.4, per: 1000000, effective: 2026-01-01}
""",
    "policy.yaml": "policy: {timezone: Asia/Kolkata, hours: {voice: {from: '09:00', to: '19:00'}}}\n",
}


def bundle(settings: str = "", credentials: str = "{}", line: str = "provider: exotel") -> Bundle:
    """The bundle, with more in its settings and with credentials of the channel, over a line."""
    channel = f"{{enabled: true, {line}, credentials: {credentials}}}"
    given = {**BUNDLE, "settings.yaml": f"channels: {{voice: {channel}}}\n{settings}"}
    loaded = compile_bundle(given, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


class Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOON


def a_call(opening: str = "Namaste.", store: Store | None = None) -> Call:
    """A call; without a store what it tells waits in it."""
    allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=NOON)
    asked = CallRequested(call="", to=PRIYA_PHONE, opening=opening, instructions="", allowed_by=allowed)
    known = Known(tenant=TENANT, call=UUID(int=7), conversation="1", contact=None, correlation=UUID(int=8))
    facts = Facts(store, Noon())  # type: ignore[arg-type] # without a store nobody writes
    intent: Recorded[Any] = Recorded(envelope=None, event=asked)  # type: ignore[arg-type] # nobody looks at it
    return Call(facts, known, intent, bundle(), "ref", Calls())


async def published(
    store: Store, clock: Clock, settings: str = "", credentials: str = "{}", line: str = "provider: exotel"
) -> None:
    """The bundle is in force, with more in its settings and with credentials of the channel."""
    cause_id = ids.cause_id(TENANT, "test", f"bundle {settings} {credentials} {line}")
    cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=clock.now(), source="cli")
    await publish(store, TENANT, bundle(settings, credentials, line), cause)


async def until(ask: Callable[[], Awaitable[T]], *, seconds: float = 30.0) -> T:
    """What `ask` answers as soon as it is true."""
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.05)
        return answer


@dataclass
class Voice:
    """The running service as its neighbours see it: the orchestrator through the log, the providers on the wire."""

    origin: str
    sandbox: str
    store: Store
    clock: Clock
    client: httpx.AsyncClient
    _asked: int = field(default=0)

    async def happens(self, event: Event, *, conversation: str = CONVERSATION, contact: str = PRIYA) -> Recorded[Any]:
        """The orchestrator appends a fact to the conversation."""
        self._asked += 1
        cause_id = ids.cause_id(TENANT, "test", f"{conversation} {self._asked}")
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="orchestrator")
        draft = Draft(conversation, event, f"contact-{contact}", contact)
        appended = await self.store.append_any(TENANT, conversation, [draft], cause)
        return (await self.store.read_stream(TENANT, conversation, appended.version - 1))[0]

    async def call(
        self, *, conversation: str = CONVERSATION, contact: str = PRIYA, **changed: Any
    ) -> Recorded[CallRequested]:
        """The orchestrator asks for a call about the overdue invoice."""
        given: dict[str, Any] = {
            "to": PRIYA_PHONE,
            "opening": f"Namaste Priya ji, invoice {INVOICE} ka payment baaki hai. Aap kab tak kar denge?",
            "instructions": "Ask when they will pay the invoice.",
            "intents": {"promise_to_pay": "will pay by a date", "already_paid": "has paid"},
            "context": {"invoice_number": INVOICE, "amount": 52400, "contact_name": "Priya Sharma"},
            "channels": ["whatsapp"],
        }
        allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=self.clock.now())
        asked = CallRequested(call="", allowed_by=allowed, **(given | changed))
        return await self.happens(asked, conversation=conversation, contact=contact)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control of the emulators, which must succeed."""
        answer = await self.client.request(method, f"{self.sandbox}/_sandbox{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    async def flow(self) -> None:
        """The flow has our applets: who talks, whether it goes on, whom it rings, and how that went."""
        url = f"{self.origin}/api/v1/voice/flow/{TENANT}/{SANDBOX_SECRET}"
        behind = {name: f"{url}/{name}" for name in ("next", "connect", "after")}
        await self.control("PUT", "/exotel/flow", {"url": url, **behind})

    async def calls_us(self, caller: str = PRIYA_PHONE) -> tuple[str, Recorded[CameIn]]:
        """Somebody calls us over the flow that has our applet: Exotel's id, and the fact that they did."""
        await self.flow()
        await until(self._has_lines)
        sid: str = (await self.control("POST", f"/phones/{caller}/call"))["sid"]

        async def came() -> list[Recorded[Any]]:
            facts = await self.store.read_log(0, 0, 1000)
            return [fact for fact in facts if isinstance(fact.event, CameIn) and fact.event.provider_ref == sid]

        [fact] = await until(came)
        return sid, fact

    async def _has_lines(self) -> bool:
        """A process has beaten, so that its row is no longer the one that it began with."""
        return bool(await self.store.pool.fetchval("SELECT count(*) FROM voice.worker WHERE ctid <> '(0,1)'"))

    async def takes(self, came: Recorded[CameIn], **changed: Any) -> None:
        """The orchestrator takes a call that came in: its conversation goes on in it."""
        given: dict[str, Any] = {
            "opening": "Namaste Priya ji, boliye, main aapki kya madad kar sakti hoon?",
            "instructions": "They called us. Ask when they will pay the invoice.",
            "intents": {"promise_to_pay": "will pay by a date"},
            "context": {"invoice_number": INVOICE, "contact_name": "Priya Sharma"},
            "language": "hi-Latn",
        }
        taken = CallTaken(call=came.subject_id, caller=came.event.caller, at=self.clock.now(), **(given | changed))
        await self.happens(taken)

    async def told(self, intent: Recorded[Any], kind: type[T]) -> list[T]:
        """The facts of a kind about a call (by what asked for it, or by its coming in), in order."""
        facts = await self.store.read_stream(TENANT, f"call-{_id(intent)}")
        return [fact.event for fact in facts if isinstance(fact.event, kind)]

    async def until(self, intent: Recorded[Any], kind: type[T], number: int = 1, *, seconds: float = 40) -> list[T]:
        """The facts of a kind about a call, once there are so many."""

        async def there() -> list[T]:
            found = await self.told(intent, kind)
            return found if len(found) >= number else []

        return await until(there, seconds=seconds)

    async def held(self, intent: Recorded[Any]) -> None:
        """A call's media have come. The carrier may tell of the answer before."""
        await until(lambda: self.store.pool.fetchval(_HELD, _id(intent)))

    async def picks_up(self, intent: Recorded[CallRequested]) -> ClientConnection:
        """Exotel's stream of a call that rings, as if it were answered now; nobody speaks in it."""
        origin = self.origin.replace("http", "ws", 1)
        socket = await connect(f"{origin}/api/v1/voice/media/w/{TENANT}/{SANDBOX_SECRET}?call={intent.id}")
        start = {"stream_sid": "MZ1", "call_sid": "C1", "custom_parameters": {"call": str(intent.id)}}
        for frame in ({"event": "connected"}, {"event": "start", "stream_sid": "MZ1", "start": start}):
            await socket.send(msgspec.json.encode(frame).decode())
        return socket

    async def placed(self, number: str = PRIYA_PHONE) -> list[dict[str, Any]]:
        """The calls to somebody (Priya), as Exotel saw them."""
        found: list[dict[str, Any]] = await self.control("GET", f"/exotel/calls?to=%2B{number[1:]}")
        return found


def _id(intent: Recorded[Any]) -> UUID:
    """Of a call, by what asked for it or by its coming in."""
    return UUID(intent.subject_id) if isinstance(intent.event, CameIn) else intent.id
