"""The stage of scenarios: the services' own handlers over the real log, fact by fact, with a clock of their own.

Left out is what carries facts between services (relay, JetStream, leases) and the wires of the channels' providers. The
ERP is the emulated one, Claude the emulated or the real one.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import msgspec

from events.base import Cause, Draft, Event, Intent, Recorded
from events.business import EventReceived
from events.conversation import GateClosed, GateOpened, MessageRequested
from libs.channels.outcome import Refused as RefusedByProvider
from libs.config.bundle import Bundle
from libs.config.model import Content
from libs.kit import http, ids
from libs.kit.bundles import Bundles
from libs.kit.cancelling import end
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Kind, Retry, Unknown, Withheld
from libs.kit.folds import FoldCache, Overlay
from libs.kit.serve import App, serve
from libs.kit.store import Store
from libs.kit.timers import DueLoop
from libs.kit.world import Handler, PrivateRows, World
from services.backend_sync.rest import Rest
from services.backend_sync.settings import Settings as BackendSettings
from services.cli.system import publish
from services.gateways import decide as gateways
from services.gateways import plain
from services.gateways.desk import Desk
from services.ingest.handle import Ingest
from services.orchestrator import claude
from services.orchestrator.app import OWN_FAMILIES, Doors, KitShell, TurnWorker
from services.orchestrator.gather import Gatherer
from services.orchestrator.handle import CONSUMER as ORCHESTRATOR
from services.orchestrator.handle import Orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.rules.handle import CONSUMER as RULES
from services.rules.handle import Rules
from services.sandbox import anthropic, erp_http
from services.sandbox.erp import Erp
from services.sandbox.settings import ErpSettings

Llm = Literal["emulated", "real"]
START = datetime.fromisoformat("2026-02-16T00:00:00+05:30")
SHARD = 0
PAGE = 200
ROUNDS = 2_000
"""So many facts may one thing that happens lead to, before it is called endless."""
CACHED = 500
LEASE_S = 600.0
UNREACHABLE = RefusedByProvider(scope="contact", code="131026", reason="nobody is reached at this address")
NEXT_TIMER = "SELECT min(due_at) FROM orchestrator.timer WHERE tenant = $1"
NO_MORE_TIMERS = "DELETE FROM orchestrator.timer WHERE tenant = $1"


class Endless(Exception):
    """One thing that happened led to more and more facts."""


@dataclass(slots=True)
class Ear:
    """A service that hears: its handlers, and the streams that it alone writes."""

    consumer: str
    handlers: Mapping[type[Event], Handler]
    own: frozenset[str] = frozenset()
    cache: FoldCache = field(default_factory=lambda: FoldCache(CACHED))


@dataclass(slots=True)
class Gate:
    """What withholds: where it closed last, whether that lasts, and where it was opened since."""

    closed: int = 0
    lasting: bool = False
    opened: int = 0

    def withholds(self, pos: int) -> bool:
        return pos < self.closed or (self.lasting and self.opened < self.closed)


class Stage:
    """One scenario at a time is played here; each has a tenant of its own, and so begins with nothing."""

    def __init__(self, store: Store, bundle: Bundle, erp: Erp, rest: Rest, turns: TurnWorker, clock: Clock) -> None:
        self.store, self.bundle, self.erp, self.clock = store, bundle, erp, clock
        bundles = Bundles(store, Bundle.from_json)
        shell = KitShell()
        doors = Doors(OrchestratorSettings())
        self.doors = doors(bundle)
        self.ingest = Ingest(store, clock, bundles)
        self.desk = Desk(store, clock, bundles)
        self._handlers = (
            (RULES, {EventReceived: Rules(bundles).on_event_received}, frozenset({"rules"})),
            (ORCHESTRATOR, Orchestrator(Gatherer(bundles, shell, doors), shell).handlers(), OWN_FAMILIES),
        )
        turn = Kind(perform=turns.perform, withheld=claude.withheld, dead=claude.failed, after_unknown="repeat")
        self._kinds: dict[str, Kind] = {**rest.kinds(), "llm.turn": turn}
        self._timers = DueLoop(store, clock)
        self._pos = 0

    async def begin(self, tenant: str, at: datetime) -> None:
        """An empty world at `at`."""
        await self.clock.set(at)
        await self.store.tenants.create(tenant, SHARD)
        await publish(self.store, self.clock, self.bundle, tenant)
        self.erp.reset()
        self.tenant = tenant
        self.unreachable: frozenset[str] = frozenset()
        self.facts: list[Recorded[Any]] = []
        self._pos = await self.store.head(SHARD)
        self._ears = [Ear(*each) for each in self._handlers]
        self._gates: dict[str, Gate] = {}
        self._intents: deque[Recorded[Any]] = deque()

    async def end(self) -> None:
        """What would still have been due never comes."""
        await self.store.pool.execute(NO_MORE_TIMERS, self.tenant)

    async def settle(self) -> None:
        """Let everything that was begun be done, in this moment. Raises Endless."""
        rounds = 0
        while True:
            facts = await self.store.read_log(SHARD, self._pos, PAGE)
            for fact in facts:
                self._pos = fact.pos
                self._note(fact)
                for ear in self._ears:
                    await self._hear(ear, fact)
            rounds += len(facts)
            if rounds > ROUNDS:
                raise Endless(f"more than {ROUNDS} facts in one moment, the last a {self.facts[-1].type}")
            if not facts and not self._intents:
                return
            if not facts:
                await self._do(self._intents.popleft())

    async def until(self, at: datetime) -> None:
        """Let business time go on to `at`: what is due meanwhile happens when it is due."""
        await self.settle()
        while (due := await self.store.pool.fetchval(NEXT_TIMER, self.tenant)) is not None and due <= at:
            await self.clock.set(max(due, self.clock.now()))
            await self._timers.fire_due()
            await self.settle()
        await self.clock.set(at)

    def _note(self, fact: Recorded[Any]) -> None:
        self.facts.append(fact)
        match fact.event:
            case GateClosed(scope=scope, lasting=lasting):
                gate = self._gates.setdefault(scope, Gate())
                gate.closed, gate.lasting = fact.pos, lasting or (gate.lasting and gate.opened < gate.closed)
            case GateOpened(scope=scope):
                self._gates.setdefault(scope, Gate()).opened = fact.pos
            case Intent():
                self._intents.append(fact)

    async def _hear(self, ear: Ear, fact: Recorded[Any]) -> None:
        """As a reactor does: the handler decides, and its facts and rows are committed together."""
        handler = ear.handlers.get(type(fact.event))
        if handler is None:
            return
        now = self.clock.now()
        async with self.store.transaction(SHARD, lazily=True) as unit:
            overlay, rows = Overlay(ear.cache, unit, ear.own), PrivateRows(unit)
            decision = await handler(fact, World(fact, now, rows, overlay))
            if decision is not None:
                rows.add(decision.rows)
                if decision.drafts:
                    cause = _cause(fact, ear.consumer, now, decision.config)
                    overlay.add(fact.tenant, decision.drafts, cause, decision.reached)
            await rows.flush()
            await unit.commit(appends=overlay.appends(ear.consumer))
        overlay.keep()

    async def _do(self, intent: Recorded[Any]) -> None:
        """As a worker does: withheld by a gate, or done; what came of it is a fact."""
        now = self.clock.now()
        if isinstance(intent.event, MessageRequested):
            drafts = self._say(intent, now)
        else:
            drafts = await self._perform(intent)
        for draft in drafts:
            cause = _cause(intent, "scenario", now)
            await self.store.append_any(intent.tenant, draft.stream, [draft], cause)

    def _say(self, intent: Recorded[MessageRequested], now: datetime) -> list[Draft]:
        """What the gateway decides of a message that it is asked to send; who gets it reads it."""
        message = gateways.message_of(intent)
        door = self.doors[message.channel]
        if self._withheld(intent):
            return [gateways.withheld(message, "withdrawn")]
        if reason := gateways.veto(intent, _Anyone(), self.bundle, now):
            return [gateways.withheld(message, reason)]
        if door.mode == "off" or message.channel in self.unreachable:
            return [gateways.rejected(message, UNREACHABLE)]
        reference = f"{message.channel}.{intent.id}"
        taken = gateways.accepted(message, reference, gateways.cost(self.bundle, message, now))
        _, known = gateways.progress(replace(message, state="accepted"), plain.arrived(message.channel, reference, now))
        return [taken, *known]

    async def _perform(self, intent: Recorded[Any]) -> list[Draft]:
        kind = self._kinds[intent.event.effect]
        if self._withheld(intent):
            return list(kind.withheld(intent, "withdrawn"))
        reason = ""
        for attempt in range(1, kind.attempts + 1):
            match await kind.perform(_claim(intent, attempt, self.clock.now())):
                case Retry(why) | Unknown(why):
                    reason = why
                case Withheld(why):
                    return list(kind.withheld(intent, why))
                case outcome:
                    return list(outcome.drafts)
        return list(kind.dead(intent, reason))

    def _withheld(self, intent: Recorded[Any]) -> bool:
        scopes = getattr(intent.event, "gates", ())
        return any(scope in self._gates and self._gates[scope].withholds(intent.pos) for scope in scopes)


class _Anyone:
    """No list of test recipients binds a scenario."""

    def may_write_to(self, address: str) -> bool:
        return True


@asynccontextmanager
async def stage(store: Store, bundle: Bundle, environment: Mapping[str, str], llm: Llm) -> AsyncIterator[Stage]:
    """A stage for `bundle` over a migrated database. Channels and ERP are never the real ones."""
    clock = Clock.fixed(START)
    erp = Erp(ErpSettings(), now=clock.now)
    emulated = anthropic.AnthropicSandbox(now=clock.now)
    emulators = App(name="emulators", routes=[erp_http.api(erp), *anthropic.routes(emulated)])
    ours = isolated(bundle, llm)
    secrets = dict(environment) if llm == "real" else {}
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(_serving(emulators))
        client = http.client()
        stack.push_async_callback(client.aclose)
        bundles = Bundles(store, Bundle.from_json)
        rest = Rest(BackendSettings(sandbox_url=origin + erp_http.API), store, bundles, client)
        settings = OrchestratorSettings(environment=secrets, sandbox_url=origin + anthropic.BASE)
        turns = TurnWorker(settings, store=store, bus=None, clock=clock, bundles=bundles)
        stack.push_async_callback(turns.close)
        yield Stage(store, ours, erp, rest, turns, clock)


def isolated(bundle: Bundle, llm: Llm) -> Bundle:
    """The bundle without the address of the real ERP; that of Claude stays where the real one is wanted."""
    content = msgspec.json.decode(bundle.to_json(), type=Content)
    settings = content.settings
    changes: dict[str, Any] = {"backend": msgspec.structs.replace(settings.backend, base_url=None)}
    if llm == "emulated":
        changes["llm"] = msgspec.structs.replace(settings.llm, base_url=None)
    return Bundle.of(msgspec.structs.replace(content, settings=msgspec.structs.replace(settings, **changes)))


@asynccontextmanager
async def _serving(app: App) -> AsyncIterator[str]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve([app], port=0, on_ready=port.set_result), name="emulators")
    task.add_done_callback(lambda _: port.cancel())
    try:
        yield f"http://127.0.0.1:{await port}"
    finally:
        await end(task)


def _cause(fact: Recorded[Any], source: str, now: datetime, config: str | None = None) -> Cause:
    return Cause(
        id=fact.id,
        correlation_id=fact.envelope.correlation_id,
        occurred_at=now,
        source=source,
        config=config or fact.envelope.config,
    )


def _claim(intent: Recorded[Any], attempt: int, now: datetime) -> Claim:
    claim = Claim(
        id=intent.id,
        tenant=intent.tenant,
        kind=intent.event.effect,
        account="scenario",
        attempt=attempt,
        token=ids.fresh(),
        stream=intent.stream,
        version=intent.version,
        pos=intent.pos,
        opened_at=now,
        claimed_at=time.monotonic(),
        lease=LEASE_S,
    )
    claim.intent = intent
    return claim
