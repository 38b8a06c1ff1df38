"""Backend-sync's table of contents: intents for the ERP, the calls that answer them, and polling."""

from datetime import timedelta

from events.operator import ContactGiven
from libs.config.bundle import Bundle
from libs.kit import http
from libs.kit.bundles import Bundles
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.effects import EffectLedger
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from services.backend_sync.contacts import Contacts
from services.backend_sync.handle import HANDLERS, LEDGER
from services.backend_sync.poll import SOURCE, Poller
from services.backend_sync.rest import CALL_TIMEOUT, Rest
from services.backend_sync.settings import Settings

CONSUMER = "backend-sync"
OWN_FAMILIES = frozenset({"contact"})
"""Its workers write contacts too: a decision about one follows the version that it saw, or is made anew."""


async def build(settings: Settings, *, store: Store, bus: Bus, clock: Clock, timeout: timedelta = CALL_TIMEOUT) -> App:
    """Wire backend-sync. `timeout` bounds a call to the ERP."""
    bundles = Bundles(store, Bundle.from_json)
    client = http.client()
    rest = Rest(settings, store, bundles, client)
    reactor = Reactor(
        CONSUMER,
        settings.shard,
        {**HANDLERS, ContactGiven: Contacts(store.keyring).on_contact_given},
        store=store,
        bus=bus,
        clock=clock,
        source=SOURCE,
        own_families=OWN_FAMILIES,
    )
    ledger = EffectLedger(LEDGER, rest.kinds(timeout), store=store, clock=clock, source=SOURCE)

    async def ready() -> dict[str, str]:
        return reactor.health()

    return App(
        name=CONSUMER,
        loops=[
            Loop("backend-sync", reactor.run),
            Loop("erp worker", ledger.run),
            Loop("erp poller", Poller(rest, store, clock, bundles).run),
        ],
        ready=ready,
        close=client.aclose,
    )
