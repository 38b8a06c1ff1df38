"""Asks the provider about calls that say nothing: callbacks may be lost, and so may the answer to a dialling."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import httpx
import structlog

from events.base import Recorded
from events.call import CallRequested
from libs.channels import exotel
from libs.channels.exotel import Status
from libs.channels.sms_items import Malformed
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.clock import Clock
from libs.kit.store import Store
from voice_service.leases import LEASE
from voice_service.settings import ChannelOff, Door, Settings

log = structlog.get_logger(__name__)

EVERY_S = 30.0
SILENT = timedelta(seconds=45)
"""How old a call is before it is asked about: ringing takes up to thirty seconds."""
SKEW = timedelta(seconds=5)

_SILENT = """UPDATE voice.call SET polled_at = now() WHERE (tenant, call) IN (
    SELECT c.tenant, c.call FROM voice.call c
    WHERE c.state NOT IN ('over', 'requested') AND c.held_by IS NULL
        AND (c.polled_at IS NULL OR c.polled_at < now() - $2::interval)
        AND (c.asked_at < now() - $1::interval OR c.dialled_by IS NOT NULL AND NOT EXISTS (
            SELECT FROM voice.worker w WHERE w.id = c.dialled_by AND w.seen_at > now() - $3::interval))
    ORDER BY c.asked_at LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING tenant, call, conversation, version, provider_ref, state, asked_at"""
"""Calls that nobody holds and that say nothing, or whose dialler has died; each for one process at a time."""
_KNOWN = "SELECT provider_ref FROM voice.call WHERE tenant = $1 AND provider_ref IS NOT NULL AND asked_at > $2"


class Poll:
    """`told` takes what the provider says, as it takes a callback."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bundles: "Bundles[Bundle]",
        clock: Clock,
        client: httpx.AsyncClient,
        told: Callable[[str, Status], Awaitable[None]],
        *,
        every_s: float = EVERY_S,
        silent: timedelta | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._client = client
        self._told = told
        self._every_s = every_s
        self._silent = silent if silent is not None else min(SILENT, timedelta(seconds=every_s * 1.5))

    async def run(self) -> None:
        """Ask now and then, as long as the process lives."""
        while True:
            for row in await self._store.pool.fetch(_SILENT, self._silent, self._silent / 2, LEASE):
                try:
                    await self._ask(row)
                except (httpx.HTTPError, Malformed, ChannelOff, NothingPublished) as error:
                    log.warning("a call could not be asked about", call=str(row["call"]), error=type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _ask(self, row: asyncpg.Record) -> None:
        door = self._settings.door(await self._bundles.current(row["tenant"]))
        ref = row["provider_ref"] or await self._found(row, door)
        if ref is None:
            return
        now = self._clock.now()
        told = exotel.read_details(await self._get(door, exotel.details_path(door.account_sid, ref)), now)
        if told is not None:
            await self._told(
                row["tenant"],
                Status(ref=ref, call=str(row["call"]), state=told.state, at=told.at, seconds=told.seconds),
            )
        elif row["state"] == "unknown":
            await self._told(row["tenant"], Status(ref=ref, call=str(row["call"]), state="ringing", at=now))

    async def _found(self, row: asyncpg.Record, door: Door) -> str | None:
        """The provider's id of a call whose request was lost: the only stranger among those to this number."""
        stream = f"conversation-{row['conversation']}"
        intent: Recorded[CallRequested] = (await self._store.read_stream(row["tenant"], stream, row["version"] - 1))[0]  # type: ignore[assignment] # by its row
        since = intent.envelope.occurred_at - SKEW
        known = await self._store.pool.fetch(_KNOWN, row["tenant"], row["asked_at"] - timedelta(hours=1))
        listed = await self._get(door, exotel.list_path(door.account_sid, intent.event.to, since))
        return exotel.found_in(listed, intent.event.to, since, [each["provider_ref"] for each in known])

    async def _get(self, door: Door, path: str) -> bytes:
        answer = await self._client.get(door.urls["telephony"] + path, auth=(door.api_key, door.keys["telephony"]))
        answer.raise_for_status()
        return answer.content
