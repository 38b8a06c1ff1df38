"""Ingest in a process of its own: `python -m services.ingest`."""

from libs.kit import process
from libs.kit.process import Kit
from libs.kit.serve import App
from services.ingest.app import build
from services.ingest.settings import from_environment


async def built(kit: Kit) -> App:
    """The service on its own connection: what it is told is stored, whether or not anybody hears it now."""
    return await build(from_environment(), store=kit.store, clock=kit.clock)


if __name__ == "__main__":
    process.main("ingest", built, hears=False)
