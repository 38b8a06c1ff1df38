"""The voice service in a process of its own: `python -m voice_service`."""

from datetime import timedelta

from libs.kit import process
from libs.kit.process import Kit
from libs.kit.serve import App
from voice_service.app import NAME, build
from voice_service.settings import from_environment

DRAIN = timedelta(hours=1)
"""Exotel's longest call: a rollout cuts none."""


async def built(kit: Kit) -> App:
    """The service on its own connections."""
    return await build(from_environment(), store=kit.store, bus=kit.bus, clock=kit.clock)


if __name__ == "__main__":
    process.main(NAME, built, drain=DRAIN)
