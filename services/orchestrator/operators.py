"""What operators do by hand: a trigger, a takeover, a reply, an approval, and the move to another bundle."""

from typing import Any

from events import config, operator
from events.base import Event, Recorded
from libs.kit.world import Decision, World
from services.orchestrator import decide, migrating
from services.orchestrator.gather import Gatherer
from services.orchestrator.telling import Telling


class Operators:
    """Handlers by the fact that they hear."""

    def __init__(self, gather: Gatherer, telling: Telling) -> None:
        self._gather = gather
        self._telling = telling

    def handlers(self) -> dict[type[Event], Any]:
        """Which handler hears which fact."""
        return {
            operator.TriggerGiven: self.on_trigger_given,
            operator.TakeoverRequested: self.on_takeover_requested,
            operator.ReplyGiven: self.on_reply_given,
            operator.Released: self.on_released,
            operator.ApprovalGiven: self.on_approval_given,
            config.MigrationRequested: self.on_migration_requested,
        }

    async def on_trigger_given(self, fact: Recorded[operator.TriggerGiven], world: World) -> Decision | None:
        """Somebody moves a process by hand."""
        given = fact.event
        return await self._telling.tell(
            world,
            given.conversation,
            lambda story: decide.moved_by_hand(story, given, fact.stream),
            keys=[fact.stream],
        )

    async def on_migration_requested(self, fact: Recorded[config.MigrationRequested], world: World) -> Decision | None:
        """Somebody moves what runs in a conversation to another bundle."""
        asked = fact.event
        bundle = await self._gather.bundle(asked.bundle)
        return await self._telling.tell(
            world, asked.conversation, lambda story: migrating.migrate(story, bundle, asked.matters)
        )

    async def on_takeover_requested(self, fact: Recorded[operator.TakeoverRequested], world: World) -> Decision | None:
        event = fact.event
        return await self._telling.tell(
            world, event.conversation, lambda story: decide.take_over(story, event.operator)
        )

    async def on_reply_given(self, fact: Recorded[operator.ReplyGiven], world: World) -> Decision | None:
        return await self._telling.tell(world, fact.event.conversation, lambda story: decide.reply(story, fact.event))

    async def on_approval_given(self, fact: Recorded[operator.ApprovalGiven], world: World) -> Decision | None:
        return await self._telling.tell(world, fact.event.conversation, lambda story: decide.approve(story, fact.event))

    async def on_released(self, fact: Recorded[operator.Released], world: World) -> Decision | None:
        event = fact.event
        return await self._telling.tell(world, event.conversation, lambda story: decide.release(story, event.operator))
