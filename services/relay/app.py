"""The relay's table of contents: one loop a shard."""

from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.relay import Relay
from libs.kit.serve import App, Loop
from services.relay.settings import Settings

NAME = "relay"


async def build(settings: Settings, *, database_url: str, bus: Bus, clock: Clock) -> App:
    """Wire the relay. It has no store: it copies what is sealed, and has no keys."""
    relays = [
        Relay(shard, url=database_url, bus=bus, clock=clock, role=settings.role, replicas=settings.replicas)
        for shard in settings.shards
    ]

    async def ready() -> dict[str, str]:
        return {name: state for relay in relays for name, state in relay.health().items()}

    return App(name=NAME, loops=[Loop(f"relay-{relay.shard}", relay.run) for relay in relays], ready=ready)
