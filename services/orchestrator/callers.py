"""Callers: who it is that calls us, by their number, and what their conversation makes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from events import address, call
from events.base import Draft, Event, Recorded
from events.call import CALL
from libs.domain.contact import stranger_id
from libs.domain.phone import VOICE
from libs.kit.folds import Fold
from libs.kit.world import Decision, Row, World
from services.orchestrator import erasing, index, taking
from services.orchestrator.gather import CONVERSATIONS, Gatherer, Shell
from services.orchestrator.index import Index
from services.orchestrator.senders import Senders
from services.orchestrator.story import Story
from services.orchestrator.telling import Telling


@dataclass(frozen=True, slots=True)
class Ring:
    """A call that came in, as its stream tells it so far."""

    came: call.CameIn | None = None
    missed: call.Missed | None = None


def rings(state: Ring, event: Event) -> Ring:
    """The call after one more fact."""
    match event:
        case call.CameIn():
            return replace(state, came=event)
        case call.Missed():
            return replace(state, missed=event)
        case _:
            return state


RINGS: Fold[Ring] = Fold(CALL, Ring, rings)


class Callers:
    """Handlers by the fact that they hear."""

    def __init__(self, gather: Gatherer, shell: Shell, senders: Senders, telling: Telling) -> None:
        self._gather = gather
        self._shell = shell
        self._senders = senders
        self._telling = telling

    def handlers(self) -> dict[type[Event], Any]:
        """Which handler hears which fact."""
        return {call.CameIn: self.on_came_in, call.Missed: self.on_missed}

    async def on_came_in(self, fact: Recorded[call.CameIn], world: World) -> Decision | None:
        """Somebody calls us: who is known by the number is talked with; about anybody else the ERP is asked first."""
        event = fact.event
        contact_id = await self._whose(world, event)
        if contact_id is None:
            waiting = await Index(world.db, world.tenant).waiting_messages(VOICE, event.digest)
            rows = [index.wait_for_sender(world.tenant, VOICE, event.digest, fact.stream)]
            if waiting:
                return Decision(rows=rows)
            unknown = address.SenderUnknown(channel=VOICE, digest=event.digest, address=event.caller)
            return Decision([Draft(f"conversation-{stranger_id(event.digest)}", unknown)], rows)
        return await self._heard(world, contact_id, fact.stream, Ring(event))

    async def on_missed(self, fact: Recorded[call.Missed], world: World) -> Decision | None:
        """Somebody who called us is gone: they are called. Whom nobody has named yet is called once they are."""
        ring = await world.fold(RINGS, fact.stream)
        if ring.came is None:
            return None
        contact_id = await self._whose(world, ring.came)
        return await self._heard(world, contact_id, fact.stream, ring) if contact_id is not None else None

    async def hear(self, world: World, story: Story, streams: Iterable[str], follows: str | None) -> list[Row]:
        """Calls that have waited for their caller's name are heard."""
        rows: list[Row] = []
        for stream in streams:
            _tell(story, stream, await world.fold(RINGS, stream), follows)
            rows += self._shell.bind_rows(world.tenant, [stream], story.contact.id)
        return rows

    async def _heard(self, world: World, contact_id: str, stream: str, ring: Ring) -> Decision | None:
        bound = self._shell.bind_rows(world.tenant, [stream], contact_id)
        if await erasing.is_erased(world, contact_id):
            return Decision(rows=bound)
        story, follows = await self._gather.story_of_contact(world, contact_id, [])
        _tell(story, stream, ring, follows)
        return self._telling.told(world, [story], bound)

    async def _whose(self, world: World, came: call.CameIn) -> str | None:
        """Who calls: of those that share the number whomever we called last from it, else the one known by it."""
        newest = await self._senders.by_address(world, VOICE, [came.digest])
        if came.conversation is None:
            return newest
        called = (await world.fold(CONVERSATIONS, f"conversation-{came.conversation}")).contact_id
        sharing = await Index(world.db, world.tenant).claimants(VOICE, [came.digest])
        return called if called in sharing else newest


def is_call(stream: str) -> bool:
    """Whether what waits for its sender's name is a call."""
    return stream.startswith("call-")


def _tell(story: Story, stream: str, ring: Ring, follows: str | None) -> None:
    if ring.came is None:
        return
    id_ = str(UUID(stream.removeprefix("call-")))
    if ring.missed is not None:
        taking.missed(story, id_, ring.came, ring.missed.reason, follows)
    elif ring.came.waits:
        taking.take(story, id_, ring.came, follows)
    else:
        taking.rang(story, id_, ring.came, follows)
