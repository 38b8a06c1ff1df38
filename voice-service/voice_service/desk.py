"""Takes what the telephony provider tells, and holds the conversations that it brings."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import structlog

from events.base import Recorded
from events.call import CallRequested, CallTaken, Ended
from libs.channels.call_status import Status
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from voice_service import decide, lines, pipeline
from voice_service.calls import Call, Calls
from voice_service.facts import Facts, call_id, closed_while_it_rang, known
from voice_service.guides import Guides
from voice_service.leases import Held, Worker
from voice_service.lobby import Caller, Lobby
from voice_service.providers.shared import Shared
from voice_service.recording import Recordings
from voice_service.settings import ChannelOff, Door, Settings
from voice_service.telephony import Media
from voice_service.transfers import Transfers

log = structlog.get_logger(__name__)

_BY_CALL = "SELECT call, conversation, version, contact, correlation FROM voice.call WHERE tenant = $1 AND call = $2"
_BY_REF = (
    "SELECT call, conversation, version, contact, correlation FROM voice.call WHERE tenant = $1 AND provider_ref = $2"
)
_TOLD = """UPDATE voice.call SET told = $3::jsonb, told_at = now() WHERE tenant = $1 AND call = $2 AND state <> 'over'
AND (held_by IS NOT NULL OR elsewhere AND state = 'answered') RETURNING true"""


class Desk:
    """Takes what the telephony provider tells, and holds the conversations that it brings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bundles: "Bundles[Bundle]",
        clock: Clock,
        calls: Calls,
        facts: Facts,
        worker: Worker,
        shared: Shared,
        guides: Guides,
        recordings: Recordings,
        transfers: Transfers,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._calls = calls
        self._facts = facts
        self._worker = worker
        self._shared = shared
        self._guides = guides
        self._recordings = recordings
        self._transfers = transfers
        self._lobby = Lobby(store, facts, worker)

    async def door(self, tenant: str) -> Door:
        """A tenant's providers. Raises Problem 404 where the channel is off."""
        try:
            return self._settings.door(await self._bundles.current(tenant))
        except (ChannelOff, NothingPublished) as error:
            raise Problem(404, "There are no calls here", str(error)) from error

    async def told(self, tenant: str, status: Status) -> None:
        """What the provider says of a call is a fact, once; of a call that somebody holds, here or elsewhere, the holder tells the end."""
        row = await self._row(tenant, status.call, status.ref)
        if row is None:
            log.warning("a status of a call that nobody asked for", ref=status.ref, state=status.state)
            return
        if decide.over(status):
            self._worker.leaves(row["call"])
            end = msgspec.json.encode(decide.told_end(status)).decode()
            if await self._store.pool.fetchval(_TOLD, tenant, row["call"], end):
                return
        await self._facts.tell(known(tenant, row), *decide.told(row["conversation"], status))

    async def talks(self, tenant: str, media: Media) -> None:
        """Hold the conversation of a call of ours.

        A stranger's media are refused, and so are others of a call that somebody holds or held: no carrier resumes anything,
        so that a second stream is none of its. Without a line for them they may be tried again.
        """
        row = await self._by_id(tenant, media.call)
        if row is None and isinstance(media, Caller):
            row = await self._waited(tenant, media)
        if row is None:
            await media.refuse("unknown_call")
            return
        id_: UUID = row["call"]
        stream = f"conversation-{row['conversation']}"
        intent = (await self._store.read_stream(tenant, stream, row["version"] - 1))[0]
        bundle = await self._bundles.current(tenant)
        door = self._settings.door(bundle)
        if not self._worker.has_line_for(id_):
            log.warning("media came for which there is no line", call=str(id_), draining=self._worker.draining)
            await media.refuse("no_line")
            return
        if (why := await self._forbids(intent, row)) is not None:
            log.info("a call of ours is let go before a word", call=str(id_), why=why)
            self._worker.leaves(id_)
            end = Ended(conversation=row["conversation"], reason="withdrawn", seconds=0)
            await self._facts.tell(known(tenant, row), "ended", end)
            await media.hang_up()
            return
        call = Call(self._facts, known(tenant, row), intent, bundle, media.ref, self._calls)  # type: ignore[arg-type] # by its row
        if not await self._worker.holds(id_, Held(tenant=tenant, used=call.used, hang_up=media.hang_up)):
            log.warning("a further stream of a call", call=str(id_))
            await media.refuse("unknown_call")
            return
        self._calls.live[id_] = call
        call.guide = self._guides.follow(tenant, id_, row["conversation"], row["version"])
        if door.hands_over(came_in=isinstance(call.intent.event, CallTaken)):
            call.hand_over = partial(self._transfers.begin, call)
        writing = asyncio.create_task(call.write())
        call.answered()
        try:
            await self._recordings.begin(call)
            await pipeline.talk(
                media,
                call,
                door,
                self._settings.voice(bundle, door, lines.spoken_language(call.intent.event)),
                self._shared,
                self._clock,
                self._clock.now().astimezone(ZoneInfo(bundle.policy.timezone)),
            )
        except Exception:
            log.exception("a call broke", call=str(id_))
        finally:
            call.over()
            try:
                await asyncio.shield(writing)
                await asyncio.shield(self._recordings.end(call))
            finally:
                self._calls.live.pop(id_, None)
                self._guides.leave(id_)
                self._worker.frees(id_)

    async def _forbids(self, intent: Recorded[Any], row: asyncpg.Record) -> str | None:
        """Why nothing is said in a call of ours that was dialled and is answered now; None where it may be."""
        if not isinstance(intent.event, CallRequested):
            return None
        if await self._worker.talks_with(intent.tenant, row["contact"], row["call"]):
            return "the contact is on another one with us"
        scope = await closed_while_it_rang(self._store, intent)
        return None if scope is None else f"the gate {scope} has closed"

    async def _waited(self, tenant: str, caller: Caller) -> asyncpg.Record | None:
        """The row of a call that came in, once its conversation has taken it; None for a stranger's media, or who was missed."""
        id_ = call_id(caller.call)
        if id_ is None or not await self._lobby.comes(tenant, id_):
            return None
        if not self._worker.has_line_for(id_):
            await self._lobby.missed(tenant, id_, "no_line")
            await caller.refuse("no_line")
            return None
        bundle = await self._bundles.current(tenant)
        chains = self._settings.voice(bundle, self._settings.door(bundle)).chains
        told = bundle.settings.voice
        self._shared.ringing(id_, chains, *lines.for_callers(told))

        async def find() -> asyncpg.Record | None:
            found: asyncpg.Record | None = await self._store.pool.fetchrow(_BY_CALL, tenant, id_)
            return found

        return await self._lobby.wait(tenant, id_, caller, self._shared.ready(id_, chains), told, find)

    async def _by_id(self, tenant: str, call: str | None) -> asyncpg.Record | None:
        id_ = call_id(call)
        return await self._store.pool.fetchrow(_BY_CALL, tenant, id_) if id_ is not None else None

    async def _row(self, tenant: str, call: str | None, ref: str) -> asyncpg.Record | None:
        return await self._by_id(tenant, call) or await self._store.pool.fetchrow(_BY_REF, tenant, ref)
