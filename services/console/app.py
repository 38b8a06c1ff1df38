"""The console's table of contents: the projections, and the API that reads them."""

from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.serve import App
from libs.kit.store import Store
from services.console.http import routes
from services.console.settings import Settings


async def build(settings: Settings, *, store: Store, bus: Bus, clock: Clock) -> App:
    """Wire the console."""
    bundles = Bundles(store, Bundle.from_json)
    return App(name="console", routes=routes(settings, bundles))
