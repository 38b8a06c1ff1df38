"""The service's table of contents: one reactor, the effect workers, the webhooks."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import asyncpg

from libs.config.bundle import Bundle
from libs.kit import buckets, http
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from services.gateways.handle import CONSUMER, LEDGER, Handlers, target
from services.gateways.http import Webhooks
from services.gateways.settings import WHATSAPP, ChannelOff, Settings, whatsapp_door
from services.gateways.whatsapp import TIMEOUT, WhatsAppSender

NAME = "gateways"
WHATSAPP_LIMITS = buckets.Limits(rate=80, burst=80, concurrency=40)  # messages a second of one number, in and out
EVIDENCE = timedelta(minutes=10)
LOOK_AGAIN_S = 60.0


async def build(
    settings: Settings,
    *,
    store: Store,
    bus: Bus,
    clock: Clock,
    timeout: timedelta = TIMEOUT,
    evidence: timedelta = EVIDENCE,
) -> App:
    """The service. `timeout` bounds a call to a provider; `evidence` is how long a webhook may explain an unknown outcome."""
    bundles: Bundles[Bundle] = Bundles(store, Bundle.from_json)
    client = http.client(timeout=timeout)
    handlers = Handlers(settings, bundles)
    reactor = Reactor(
        CONSUMER,
        settings.shard,
        handlers.table(),
        store=store,
        bus=bus,
        clock=clock,
        own_families=frozenset(),  # the workers write `message` too: versions come from the log
        source=NAME,
        target=target,
    )
    sender = WhatsAppSender(settings, bundles, clock, client)
    worker = EffectLedger(
        LEDGER,
        {f"{WHATSAPP}.send": sender.kind(timeout=timeout, wait=evidence)},
        store=store,
        clock=clock,
        source=NAME,
        slots=settings.slots,
    )
    accounts = Accounts(settings, store, bundles)

    async def ready() -> Mapping[str, str]:
        await store.pool.fetchval("SELECT 1")
        return {"nats": "ok" if bus.connected else "not connected", **reactor.health()}

    return App(
        name=NAME,
        routes=Webhooks(settings, store, clock, bundles).routes(),
        loops=[
            Loop("reactor", reactor.run),
            Loop("effects", worker.run),
            Loop("accounts", accounts.run),
        ],
        ready=ready,
        close=client.aclose,
    )


class Accounts:
    """Keeps limits and kill switches of the ledger's accounts as the tenants' bundles say."""

    def __init__(self, settings: Settings, store: Store, bundles: Bundles[Bundle]) -> None:
        self._settings = settings
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
        """Set a tenant's account; a channel that is off lets nothing out."""
        killed = None
        try:
            whatsapp_door(await self._bundles.current(tenant), self._settings)
        except NothingPublished:
            return
        except ChannelOff as off:
            killed = str(off)
        pool: asyncpg.Pool = self._store.pool
        await buckets.configure(pool, LEDGER, tenant, WHATSAPP, WHATSAPP_LIMITS, killed=killed)
