"""The console in a process of its own: `python -m services.console`."""

from libs.kit import process
from libs.kit.process import Kit
from libs.kit.serve import App
from services.console.app import build
from services.console.settings import from_environment


async def built(kit: Kit) -> App:
    """The service on its own connections."""
    return await build(from_environment(), store=kit.store, bus=kit.bus, clock=kit.clock)


if __name__ == "__main__":
    process.main("console", built)
