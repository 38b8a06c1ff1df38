"""What operators and programs read."""

from typing import Any

from litestar import get
from litestar.types import ControllerRouterHandler

from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.bundles import Bundles
from services.console.settings import Settings

VERSION = "0.1.0"


def routes(settings: Settings, bundles: Bundles[Bundle]) -> list[ControllerRouterHandler]:
    """The handlers of the console."""

    @get("/health", tags=["health"])
    async def health() -> dict[str, Any]:
        """Whether the system is well, and which channels are live, sandbox or off."""
        bundle = await bundles.current(DEFAULT_TENANT)
        channels = {name: bundle.channel_mode(name, settings.environment) for name in bundle.settings.channels}
        return {"status": "ok", "version": VERSION, "channels": channels}

    return [health]
