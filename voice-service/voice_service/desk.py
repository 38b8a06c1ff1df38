"""Takes what the telephony provider tells, and holds the conversations that it brings."""

import asyncio
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from starlette.websockets import WebSocket

from libs.channels import exotel_media
from libs.channels.exotel import Status
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from voice_service import decide, lines, pipeline
from voice_service.calls import Call, Calls
from voice_service.facts import Facts, Known
from voice_service.http import UNKNOWN_CALL
from voice_service.providers.shared import Shared
from voice_service.settings import ChannelOff, Door, Settings

log = structlog.get_logger(__name__)

_BY_CALL = "SELECT call, conversation, version, contact, correlation FROM voice.call WHERE tenant = $1 AND call = $2"
_BY_REF = (
    "SELECT call, conversation, version, contact, correlation FROM voice.call WHERE tenant = $1 AND provider_ref = $2"
)


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
        shared: Shared,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._calls = calls
        self._facts = facts
        self._shared = shared

    async def door(self, tenant: str) -> Door:
        """A tenant's providers. Raises Problem 404 where the channel is off."""
        try:
            return self._settings.door(await self._bundles.current(tenant))
        except (ChannelOff, NothingPublished) as error:
            raise Problem(404, "There are no calls here", str(error)) from error

    async def told(self, tenant: str, status: Status) -> None:
        """What the provider says of a call is a fact, once; while it is talked on here, the conversation tells its end."""
        row = await self._row(tenant, status.call, status.ref)
        if row is None:
            log.warning("a status of a call that nobody asked for", ref=status.ref, state=status.state)
            return
        name, event = decide.told(row["conversation"], status)
        if name == "ended":
            self._shared.quiet(row["call"])
        if name == "ended" and row["call"] in self._calls.live:
            return
        await self._facts.tell(_known(tenant, row), name, event)

    async def talks(self, tenant: str, socket: WebSocket, started: exotel_media.Started, door: Door) -> None:
        """Hold the conversation of a call of ours; a stranger's stream and a second one of the same call are closed."""
        row = await self._row(tenant, started.call, started.ref)
        if row is None or row["call"] in self._calls.live:
            await socket.close(UNKNOWN_CALL)
            return
        stream = f"conversation-{row['conversation']}"
        intent = (await self._store.read_stream(tenant, stream, row["version"] - 1))[0]
        bundle = await self._bundles.current(tenant)
        call = Call(self._facts, _known(tenant, row), intent, bundle, started.ref, self._calls.tracker)  # type: ignore[arg-type] # by its row
        self._calls.live[row["call"]] = call
        writing = asyncio.create_task(call.write())
        call.answered()
        try:
            await pipeline.talk(
                socket,
                started.stream,
                call,
                door,
                self._settings.voice(bundle, door, lines.spoken_language(call.intent.event)),
                self._shared,
                self._clock.now().astimezone(ZoneInfo(bundle.policy.timezone)),
            )
        except Exception:
            log.exception("a call broke", call=str(row["call"]))
        finally:
            call.over()
            await asyncio.shield(writing)
            self._calls.live.pop(row["call"], None)

    async def _row(self, tenant: str, call: str | None, ref: str) -> asyncpg.Record | None:
        try:
            found = await self._store.pool.fetchrow(_BY_CALL, tenant, UUID(call)) if call else None
        except ValueError:
            found = None
        return found or await self._store.pool.fetchrow(_BY_REF, tenant, ref)


def _known(tenant: str, row: asyncpg.Record) -> Known:
    return Known(
        tenant=tenant,
        call=row["call"],
        conversation=row["conversation"],
        contact=row["contact"],
        correlation=row["correlation"],
    )
