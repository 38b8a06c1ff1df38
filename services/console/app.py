"""The console's table of contents: the projections, and the API that reads them."""

from typing import NoReturn

from libs.config.bundle import Bundle
from libs.kit.auth import Auth
from libs.kit.bundles import Bundles
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.reactor import Reactor
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from projections import PROJECTIONS, generations
from projections.erasing import Erasing
from projections.live import CONSUMER, Projector
from projections.rebuild import rebuild
from projections.timeline import TIMELINE
from services.console.handle import Reader
from services.console.http import routes
from services.console.operators import Operators
from services.console.settings import Settings
from services.console.stats import RelayHeads, Stats


async def build(settings: Settings, *, store: Store, bus: Bus, clock: Clock) -> App:
    """Wire the console; makes the read models' tables where there are none."""
    bundles = Bundles(store, Bundle.from_json)
    async with generations.maintenance(store.url) as connection:
        outdated = await generations.begin(connection, PROJECTIONS, consumer=CONSUMER)
    projector = Projector(PROJECTIONS, Erasing(store, [each for each in PROJECTIONS if each is not TIMELINE]))
    reactor = Reactor(CONSUMER, settings.shard, projector.handlers(), store=store, bus=bus, clock=clock)
    reader = Reader(store)
    stats = Stats(store, clock, bundles, RelayHeads(bus))
    operators = Operators(store, clock, reader)
    auth = Auth(store.tenants, profile=settings.profile)

    async def project() -> NoReturn:
        """Read models of another release are built anew first."""
        if outdated:
            await rebuild(store, outdated)
            outdated.clear()
        await reactor.run()

    async def ready() -> dict[str, str]:
        return reactor.health()

    return App(
        name="console",
        routes=routes(settings, bundles, store, reader, stats, operators, auth),
        loops=[Loop(CONSUMER, project)],
        ready=ready,
    )
