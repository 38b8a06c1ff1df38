"""The service's table of contents: one reactor, the effect workers, and the adapter of each channel."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import asyncpg
import httpx

from libs.config.bundle import Bundle
from libs.kit import buckets, http
from libs.kit.bundles import Bundles, NothingPublished, Publications
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.objects import Objects
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from services.gateways import stops
from services.gateways.chat.adapter import Chat
from services.gateways.desk import Desk
from services.gateways.email.adapter import Email
from services.gateways.forget import Forgetting
from services.gateways.handle import CONSUMER, LEDGER, Handlers, target
from services.gateways.port import AnyAdapter, Limited, Tools, Watches, Works
from services.gateways.send import Sender
from services.gateways.settings import ChannelOff, Settings
from services.gateways.sms.adapter import Sms
from services.gateways.whatsapp.adapter import WhatsApp

NAME = "gateways"
TIMEOUT = timedelta(seconds=10)
SMTP_EXCHANGES = 4  # a mail takes several with its server


def adapters_of(
    settings: Settings, tools: Tools, client: httpx.AsyncClient, bus: Bus, timeout: timedelta
) -> list[AnyAdapter]:
    """The adapters of the channels that this process serves. `timeout` bounds a whole call."""
    every: list[AnyAdapter] = [
        WhatsApp(settings, tools, client),
        Email(settings, tools, client, timeout * SMTP_EXCHANGES),
        Sms(settings, client, timeout),
        Chat(settings, store=tools.store, bus=bus, clock=tools.clock),
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
    objects = Objects.at(settings.objects_url, store.keyring) if settings.objects_url else None
    adapters = adapters_of(settings, Tools(store, clock, bundles, objects), client, bus, timeout)
    works = [adapter for adapter in adapters if isinstance(adapter, Works)]
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
        {
            **{
                f"{each.channel}.send": Sender(each, bundles, desk).kind(timeout=timeout, wait=evidence)
                for each in adapters
            },
            **{name: kind for each in works for name, kind in each.kinds().items()},
            **({"contact.forget": Forgetting(store, objects).kind()} if objects is not None else {}),
        },
        store=store,
        clock=clock,
        source=NAME,
        slots=settings.slots,
    )
    accounts = Accounts(adapters, store, bundles)

    async def ready() -> Mapping[str, str]:
        await store.pool.fetchval("SELECT 1")
        told = [adapter.health() for adapter in adapters if isinstance(adapter, Watches)]
        nats = "ok" if bus.connected else "not connected"
        return {"nats": nats, **reactor.health(), **{name: text for each in told for name, text in each.items()}}

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
        self._publications = Publications(store)

    async def run(self) -> None:
        """Look at once, at every publication, and now and then."""
        await self._publications.each_tenant(self.configure)

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
            stopped = await stops.reason_of(pool, tenant, adapter.channel, bundle.hash)
            await buckets.configure(pool, LEDGER, tenant, adapter.channel, limits, killed=killed or stopped)
            for account, its in adapter.accounts().items() if isinstance(adapter, Works) else ():
                await buckets.configure(pool, LEDGER, tenant, account, its, killed=killed)
