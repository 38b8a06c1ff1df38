"""Ingest's table of contents: the HTTP bridge over the log."""

from libs.config.bundle import Bundle
from libs.kit.auth import Auth
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.serve import App
from libs.kit.store import Store
from services.ingest.handle import Ingest
from services.ingest.http import routes
from services.ingest.importing import Importing
from services.ingest.settings import Settings


async def build(settings: Settings, *, store: Store, clock: Clock) -> App:
    """Wire ingest."""
    bundles = Bundles(store, Bundle.from_json)
    ingest = Ingest(store, clock, bundles)
    importing = Importing(store, clock, bundles)
    auth = Auth(store.tenants, profile=settings.profile)

    async def ready() -> dict[str, str]:
        await store.head(0)
        return {"log": "ok"}

    return App(name="ingest", routes=routes(ingest, importing, auth), ready=ready)
