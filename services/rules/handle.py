"""What rules hears: every business event, and it answers each with an evaluation."""

from typing import Protocol
from zoneinfo import ZoneInfo

from events.base import Draft, Recorded
from events.business import EventReceived
from libs.config.bundle import Bundle
from libs.domain.contact import sealed_with
from libs.kit.world import Decision, World
from services.rules import decide

CONSUMER = "rules"


class Current(Protocol):
    """Where the bundle that decides now is found."""

    async def current(self, tenant: str) -> Bundle: ...


class Rules:
    """Evaluates events by the bundle that is current when they are heard; the fact carries its hash."""

    def __init__(self, bundles: Current) -> None:
        self._bundles = bundles

    async def on_event_received(self, fact: Recorded[EventReceived], world: World) -> Decision:
        """The ERP said what happened: which follow-ups does that ask for, and why not the others?"""
        bundle = await self._bundles.current(world.tenant)
        zone = bundle.policy.timezone
        evaluated = decide.evaluated(
            fact.event, fact.stream, bundle.rules, now=world.now().astimezone(ZoneInfo(zone)), zone=zone
        )
        # It repeats what the event says, so that it is sealed, and erased, with it.
        return Decision(
            drafts=[Draft(f"rules-{fact.id}", evaluated, key=sealed_with(fact.stream, fact.event.data))],
            config=bundle.hash,
        )
