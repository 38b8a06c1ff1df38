"""The orchestrator's table of contents: one reactor that decides, the worker that asks Claude, timers."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from events.base import Recorded
from events.conversation import TimerSet, TurnRequested
from events.followup import Scheduled
from libs.channels import chat
from libs.config.bundle import Bundle
from libs.config.model import LLM_API_KEY
from libs.config.providers import CALLING_NUMBER, SANDBOX_CALLER
from libs.config.secrets import resolve
from libs.domain.conversation import Conversation
from libs.domain.phone import VOICE
from libs.domain.policy import next_allowed_minute
from libs.domain.zones import contact_zone
from libs.kit import ids, timers
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome
from libs.kit.effects import EffectLedger
from libs.kit.folds import Fold, FoldCache, Folded, Overlay
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from libs.kit.world import Row
from libs.llm.claude import Claude, OnReply
from libs.llm.failures import TurnFailed
from services.orchestrator import claude
from services.orchestrator.draft import drafting
from services.orchestrator.gather import CONVERSATIONS, Gatherer
from services.orchestrator.handle import CONSUMER, Orchestrator
from services.orchestrator.settings import Settings
from services.orchestrator.story import Door
from services.orchestrator.turning import KIND, LEDGER

log = structlog.get_logger(__name__)

SANDBOX_KEY = "sandbox"
ANTHROPIC = "https://api.anthropic.com"
TURN_TIMEOUT = timedelta(seconds=30)
CONVERSATIONS_KEPT = 1000
"""Folded conversations that the worker keeps, so that the fiftieth turn reads no more than the second."""
OWN_FAMILIES = frozenset({"followup", "conversation", "consent", "reach"})


def target_of(fact: Recorded[Any]) -> str:
    """What a fact is for: its conversation where it names one, so that a poisoned one parks nothing else."""
    conversation = getattr(fact.event, "conversation", None)
    return f"conversation-{conversation}" if isinstance(conversation, str) else fact.stream


class KitShell:
    """Ids and rows as the kit makes them."""

    def fact_id(self, cause: UUID, stream: str, n: int) -> str:
        return ids.event_text(cause, CONSUMER, stream, n)

    def timer_row(self, fact: Recorded[Any], stream: str, timer: TimerSet | Scheduled) -> Row:
        return timers.timer_row(fact, timer=timer.timer, due_at=timer.due_at, stream=stream, set_by=UUID(timer.timer))

    def bind_rows(self, tenant: str, keys: Iterable[str], contact: str) -> list[Row]:
        return [Row("SELECT keys.bind($1, $2, $3)", (tenant, list(keys), contact))]


@dataclass(frozen=True, slots=True)
class Doors:
    """The channels as the bundle and the environment leave them."""

    settings: Settings
    _known: dict[str, Mapping[str, Door]] = field(default_factory=dict)

    def __call__(self, bundle: Bundle) -> Mapping[str, Door]:
        if bundle.hash not in self._known:
            self._known.clear()
            self._known[bundle.hash] = self._doors(bundle)
        return self._known[bundle.hash]

    def _doors(self, bundle: Bundle) -> Mapping[str, Door]:
        doors: dict[str, Door] = {}
        for channel, chosen in bundle.settings.channels.items():
            mode = bundle.channel_mode(channel, self.settings.environment)
            bound = mode == "live" and self.settings.profile == "development"
            sender = resolve(chosen.credentials.get(CALLING_NUMBER), self.settings.environment)
            if channel in self.settings.off:
                mode = "off"
            elif channel == VOICE and mode == "sandbox":
                sender = SANDBOX_CALLER
            doors[channel] = Door(mode, chosen.test_recipients if bound else (), sender)
        return doors


Newest = Callable[[Fold[Conversation], str, str], Folded[Conversation] | None]
"""The newest state of a tenant's stream, where it is at hand."""


class TurnWorker:
    """Takes turns with Claude: the effect `llm.turn`. Without a bus nobody sees a reply while it is written."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        bus: Bus | None,
        clock: Clock,
        bundles: Bundles[Bundle],
        newest: Newest | None = None,
        client: Claude | None = None,
    ) -> None:
        self._given = client
        self._newest = newest
        self._settings = settings
        self._store = store
        self._bus = bus
        self._clock = clock
        self._bundles = bundles
        self._clients: dict[tuple[str, str], Claude] = {}
        self._states = FoldCache(CONVERSATIONS_KEPT)

    async def perform(self, claim: Claim) -> Outcome:
        """Ask Claude; both models failing is an outcome too."""
        intent = claim.intent
        asked: TurnRequested = intent.event
        bundle = await self._bundles.current(claim.tenant)
        state = await self._conversation(intent)
        now = self._clock.now()
        request = claude.request_for(asked, state, bundle, now=now, zone=contact_zone(None, bundle.policy.timezone))
        client = self._client(bundle)
        claim.begin_call()
        try:
            async with self._drafting(claim, request.channel) as on_reply:
                result = await client.settle(request, on_reply=on_reply)
        except TurnFailed as failure:
            log.warning("claude could not", reason=type(failure).__name__, request_id=failure.request_id)
            cost = claude.cost_of(failure.calls, bundle, now)
            return Done(claude.failed(intent, f"{type(failure).__name__}: {failure}", cost))
        return Done(claude.completed(intent, result, bundle, now))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _conversation(self, intent: Recorded[Any]) -> Conversation:
        """The conversation as it was when the turn was asked for: the one that decided so, where it stands there still."""
        newest = self._newest(CONVERSATIONS, intent.envelope.tenant, intent.stream) if self._newest else None
        if newest is not None and newest.version == intent.version:
            return newest.state
        overlay = Overlay(self._states, self._store, own=())
        state = await overlay.fold(CONVERSATIONS, intent.stream, intent)
        overlay.keep()
        return state

    def _drafting(self, claim: Claim, channel: str | None) -> AbstractAsyncContextManager[OnReply | None]:
        """In the chat the contact sees the reply as it is written; elsewhere nobody does."""
        contact = claim.intent.envelope.subject
        if channel != "chat" or contact is None or self._bus is None:
            return nullcontext()
        return drafting(self._bus, chat.to_contact(claim.tenant, contact), str(claim.intent.id))

    def _client(self, bundle: Bundle) -> Claude:
        if self._given is not None:
            return self._given
        key = resolve(LLM_API_KEY, self._settings.environment)
        base_url = resolve(bundle.settings.llm.base_url, self._settings.environment)
        if base_url is None:
            base_url = ANTHROPIC if key else self._settings.sandbox_url
        if base_url is None:
            raise RuntimeError("no CONVERSE_LLM_API_KEY is set and there is no sandbox: set the key, or llm.base_url")
        known = (base_url, key or SANDBOX_KEY)
        if known not in self._clients:
            self._clients[known] = Claude(
                api_key=known[1],
                base_url=base_url,
                model=bundle.settings.llm.model,
                fallback_model=bundle.settings.llm.fallback_model,
                max_tokens=bundle.settings.llm.max_tokens,
            )
        return self._clients[known]


async def build(
    settings: Settings,
    *,
    store: Store,
    bus: Bus,
    clock: Clock,
    timeout: timedelta = TURN_TIMEOUT,
    client: Claude | None = None,
) -> App:
    """Wire the orchestrator. `timeout` bounds a turn with Claude; `client` takes the turns instead of the bundle's Claude."""
    bundles = Bundles(store, Bundle.from_json)
    await _look_at_the_calendar(bundles, clock)
    shell = KitShell()
    decides = Reactor(
        CONSUMER,
        settings.shard,
        Orchestrator(Gatherer(bundles, shell, Doors(settings)), shell).handlers(),
        store=store,
        bus=bus,
        clock=clock,
        own_families=OWN_FAMILIES,
        target=target_of,
    )
    worker = TurnWorker(
        settings, store=store, bus=bus, clock=clock, bundles=bundles, newest=decides.newest, client=client
    )
    ledger = EffectLedger(
        LEDGER,
        {
            KIND: Kind(
                perform=worker.perform,
                withheld=claude.withheld,
                dead=claude.failed,
                after_unknown="repeat",
                timeout=timeout,
            )
        },
        store=store,
        clock=clock,
        source=CONSUMER,
    )

    async def ready() -> dict[str, str]:
        return decides.health()

    return App(
        name=CONSUMER,
        loops=[
            Loop("orchestrator", decides.run),
            Loop("llm worker", ledger.run),
            Loop("timers", timers.DueLoop(store, clock).run),
        ],
        ready=ready,
        close=worker.close,
    )


async def _look_at_the_calendar(bundles: Bundles[Bundle], clock: Clock) -> None:
    """Holidays are computed once a year and process: now, and not inside the first approach."""
    try:
        policy = (await bundles.current(DEFAULT_TENANT)).policy
    except NothingPublished:
        return
    next_allowed_minute(policy, channel="whatsapp", purpose=None, at=clock.now(), zone=policy.timezone)
