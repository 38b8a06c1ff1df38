"""Asks the carrier about calls that say nothing: callbacks may be lost, and so may the answer to a dialling."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import structlog

from events.base import Recorded
from events.call import CallRequested
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.store import Store
from voice_service.leases import Worker
from voice_service.settings import ChannelOff, Settings
from voice_service.telephony import Asked, Carrier, CarrierAway, Told

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
RETURNING tenant, call, conversation, version, provider_ref, state, asked_at, CASE WHEN dialled_by = $4 THEN 'this'
    WHEN EXISTS (SELECT FROM voice.worker w WHERE w.id = dialled_by AND w.seen_at > now() - $3::interval) THEN 'another'
    ELSE 'gone' END AS dialler"""
"""Calls that nobody holds and that say nothing, or whose dialler has died; each for one process at a time."""
_KNOWN = "SELECT provider_ref FROM voice.call WHERE tenant = $1 AND provider_ref IS NOT NULL AND asked_at > $2"


class Poll:
    """`told` takes what the carrier says, as it takes a callback."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bundles: "Bundles[Bundle]",
        carriers: Mapping[str, Carrier],
        told: Told,
        worker: Worker,
        *,
        every_s: float = EVERY_S,
        silent: timedelta | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._carriers = carriers
        self._told = told
        self._worker = worker
        self._every_s = every_s
        self._silent = silent if silent is not None else min(SILENT, timedelta(seconds=every_s * 1.5))

    async def run(self) -> None:
        """Ask now and then, as long as the process lives."""
        while True:
            for row in await self._store.pool.fetch(
                _SILENT, self._silent, self._silent / 2, self._worker.lease, self._worker.id
            ):
                try:
                    await self._ask(row)
                except (CarrierAway, ChannelOff, NothingPublished) as error:
                    log.warning("a call could not be asked about", call=str(row["call"]), error=type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _ask(self, row: asyncpg.Record) -> None:
        door = self._settings.door(await self._bundles.current(row["tenant"]))
        carrier = self._carriers.get(door.carrier)
        if carrier is None:
            return
        stream = f"conversation-{row['conversation']}"
        intent: Recorded[CallRequested] = (await self._store.read_stream(row["tenant"], stream, row["version"] - 1))[0]  # type: ignore[assignment] # by its row
        lost = row["provider_ref"] is None
        asked = Asked(
            call=row["call"],
            ref=row["provider_ref"],
            to=intent.event.to,
            since=intent.envelope.occurred_at - SKEW,
            known=await self._known(row) if lost else (),
            dialler=row["dialler"],
        )
        told = await carrier.ask(door, asked)
        if told is not None and (told.state != "ringing" or row["state"] == "unknown"):
            await self._told(row["tenant"], told)

    async def _known(self, row: asyncpg.Record) -> list[str]:
        """The carrier's ids of the tenant's other calls of that time."""
        since = row["asked_at"] - timedelta(hours=1)
        return [each["provider_ref"] for each in await self._store.pool.fetch(_KNOWN, row["tenant"], since)]
