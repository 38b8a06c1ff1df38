"""Sharing: a stop counts for everybody who is registered at the address that it came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from events import consent
from events.base import Event, Recorded
from events.contact import Lookup
from libs.channels.address import beside
from libs.kit.world import Decision, World
from services.orchestrator import stopping
from services.orchestrator.gather import CONSENTS, Gatherer
from services.orchestrator.index import Index
from services.orchestrator.telling import Telling


class Sharing:
    """Who else is reached where a contact said stop: those we know of at once, others when we hear that they are reached there."""

    def __init__(self, gather: Gatherer, telling: Telling) -> None:
        self._gather = gather
        self._telling = telling

    def handlers(self) -> Mapping[type[Event], Any]:
        """Which handler hears which fact."""
        return {consent.Withdrawn: self.on_stopped}

    async def on_stopped(self, fact: Recorded[consent.Withdrawn], world: World) -> Decision | None:
        """A contact said stop: whoever shares the address where they said it is not reached there any more."""
        event = fact.event
        if event.said_on is None:
            return None
        stories = []
        for other in await Index(world.db, world.tenant).sharing_with(event.contact_id, event.said_on):
            story, _ = await self._gather.story_of_contact(world, other, [])
            stopping.bar(story, beside(event.said_on) if event.channel is None else [event.channel])
            stories.append(story)
        return self._telling.told(world, stories) if stories else None

    async def barred(self, world: World, contact: str, lookups: Sequence[Lookup]) -> list[str]:
        """The channels on which somebody else has said stop at an address that is registered for this contact, too."""
        barred: dict[str, None] = {}
        for channel, other in await Index(world.db, world.tenant).claimed_by_others(contact, lookups):
            said = await world.fold(CONSENTS, f"consent-{other}")
            if said.stopped and said.said_on is not None and channel in beside(said.said_on):
                barred[channel] = None
        return list(barred)
