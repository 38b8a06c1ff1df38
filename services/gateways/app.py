"""The service's table of contents: one reactor, the effect workers, and the adapter of each channel."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import asyncpg
import httpx

from libs.config.bundle import Bundle
from libs.kit import buckets, http
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from services.gateways.chat import Chat
from services.gateways.desk import Desk
from services.gateways.handle import CONSUMER, LEDGER, Handlers, target
from services.gateways.port import AnyAdapter, Limited
from services.gateways.send import Sender
from services.gateways.settings import ChannelOff, Settings
from services.gateways.sms import Sms
from services.gateways.whatsapp import WhatsApp

NAME = "gateways"
TIMEOUT = timedelta(seconds=10)
LOOK_AGAIN_S = 60.0


def adapters_of(
    settings: Settings, client: httpx.AsyncClient, *, store: Store, bus: Bus, clock: Clock, timeout: timedelta
) -> list[AnyAdapter]:
    """The adapters of the channels that this process serves. `timeout` bounds a whole call."""
    every: list[AnyAdapter] = [
        WhatsApp(settings, client),
        Chat(settings, store=store, bus=bus, clock=clock),
        Sms(settings, client, timeout),
    ]
    return [adapter for adapter in every if adapter.channel in settings.channels]


async def build(
    settings: Settings,
    *,
    store: Store,
    bus: Bus,
    clock: Clock,
    timeout: timedelta = TIMEOUT,
    evidence: timedelta | None = None,
) -> App:
    """The service. `timeout` bounds a call to a provider; `evidence`, where given, how long a webhook may explain an unknown outcome."""
    bundles: Bundles[Bundle] = Bundles(store, Bundle.from_json)
    client = http.client(timeout=timeout)
    desk = Desk(store, clock, bundles)
    adapters = adapters_of(settings, client, store=store, bus=bus, clock=clock, timeout=timeout)
    reactor = Reactor(
        CONSUMER,
        settings.shard,
        Handlers(bundles).table(),
        store=store,
        bus=bus,
        clock=clock,
        own_families=frozenset(),  # the workers write `message` too: versions come from the log
        source=NAME,
        target=target,
    )
    worker = EffectLedger(
        LEDGER,
        {f"{each.channel}.send": Sender(each, bundles, desk).kind(timeout=timeout, wait=evidence) for each in adapters},
        store=store,
        clock=clock,
        source=NAME,
        slots=settings.slots,
    )
    accounts = Accounts(adapters, store, bundles)

    async def ready() -> Mapping[str, str]:
        await store.pool.fetchval("SELECT 1")
        return {"nats": "ok" if bus.connected else "not connected", **reactor.health()}

    def drain() -> None:
        for adapter in adapters:
            if isinstance(adapter, Chat):  # the only one whose clients stay connected
                adapter.drain()

    async def close() -> None:
        for adapter in adapters:
            await adapter.close()
        await client.aclose()

    return App(
        name=NAME,
        routes=[route for adapter in adapters for route in adapter.routes(desk)],
        loops=[
            Loop("reactor", reactor.run),
            Loop("effects", worker.run),
            Loop("accounts", accounts.run),
            *(loop for adapter in adapters for loop in adapter.loops()),
        ],
        ready=ready,
        drain=drain,
        close=close,
    )


class Accounts:
    """Keeps limits and kill switches of the ledger's accounts as the tenants' bundles say."""

    def __init__(self, adapters: Sequence[AnyAdapter], store: Store, bundles: Bundles[Bundle]) -> None:
        self._adapters = adapters
        self._store = store
        self._bundles = bundles
        self._published = asyncio.Event()
        store.listener.on("bundle", lambda _: self._published.set())

    async def run(self) -> None:
        """Look at once, at every publication, and now and then."""
        while True:
            self._published.clear()
            for tenant in await self._store.tenants.all():
                await self.configure(tenant.name)
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._published.wait()
            except TimeoutError:
                pass

    async def configure(self, tenant: str) -> None:
        """Set a tenant's accounts; a channel that is off lets nothing out."""
        try:
            bundle = await self._bundles.current(tenant)
        except NothingPublished:
            return
        pool: asyncpg.Pool = self._store.pool
        for adapter in self._adapters:
            limits, killed = adapter.limits, None
            try:
                door = adapter.door(bundle)
                if isinstance(door, Limited):
                    limits = door.limits
            except ChannelOff as off:
                killed = str(off)
            await buckets.configure(pool, LEDGER, tenant, adapter.channel, limits, killed=killed)
