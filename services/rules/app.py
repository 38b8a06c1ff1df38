"""Rules' table of contents: one reactor that hears the business's events."""

from events.business import EventReceived
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from services.rules.handle import CONSUMER, Rules
from services.rules.settings import Settings


async def build(settings: Settings, *, store: Store, bus: Bus, clock: Clock) -> App:
    """Wire rules."""
    rules = Rules(Bundles(store, Bundle.from_json))
    reactor = Reactor(
        CONSUMER,
        settings.shard,
        {EventReceived: rules.on_event_received},
        store=store,
        bus=bus,
        clock=clock,
        own_families=frozenset({"rules"}),
    )

    async def ready() -> dict[str, str]:
        return reactor.health()

    return App(name=CONSUMER, loops=[Loop(CONSUMER, reactor.run)], ready=ready)
