"""Handing a contact over to a person: our media end, and the flow goes on; it asks whom to ring and tells what became of it.

The flow is: Voicebot, then Passthru (200: there is somebody to be rung, 302: hang up), then Connect with our URL; where nobody
answers Voicebot again, after the talk Passthru. Where that tells nothing the call's details do.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import structlog

from events.base import Recorded
from events.call import CallRequested, Talk, TransferOutcome, TransferOver
from events.phone import TransferRequested
from libs.channels import exotel
from libs.channels.sms_items import Malformed
from libs.config.bundle import Bundle
from libs.domain.transfer import transfer_of
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.failures import left_for_later
from libs.kit.store import Store
from voice_service.calls import Call
from voice_service.exotel import details
from voice_service.facts import Facts, known
from voice_service.settings import ChannelOff, Door, Settings

log = structlog.get_logger(__name__)

EVERY_S = 30.0
SILENT = timedelta(minutes=2)
"""How long the flow may say nothing of a transfer before the provider is asked."""
GIVEN_UP = timedelta(hours=2)

_BEGIN = """INSERT INTO voice.transfer (tenant, call, provider_ref, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"""
_CALL = """SELECT t.*, c.conversation, c.contact, c.correlation, c.version AS begun
FROM voice.transfer t JOIN voice.call c USING (tenant, call) WHERE """
_BY_REF = _CALL + "t.tenant = $1 AND t.provider_ref = $2 AND NOT t.over"
_OVER = "UPDATE voice.transfer SET over = true WHERE tenant = $1 AND call = $2"
_SILENT = """UPDATE voice.transfer SET polled_at = now() WHERE (tenant, call) IN (
    SELECT tenant, call FROM voice.transfer
    WHERE NOT over AND asked_at < now() - $1::interval AND (polled_at IS NULL OR polled_at < now() - $1::interval)
    ORDER BY asked_at LIMIT 50 FOR UPDATE SKIP LOCKED)
RETURNING tenant, provider_ref, asked_at < now() - $2::interval AS given_up"""


class Transfers:
    """Those of all processes: whoever is asked by the flow answers."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bundles: "Bundles[Bundle]",
        facts: Facts,
        client: httpx.AsyncClient,
        *,
        every_s: float = EVERY_S,
        silent: timedelta = SILENT,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._facts = facts
        self._client = client
        self._every_s = every_s
        self._silent = silent

    async def begin(self, call: Call, version: int) -> None:
        """The contact is about to be let go: from now on the flow finds whom to ring."""
        await self._store.pool.execute(_BEGIN, call.known.tenant, call.known.call, call.ref, version)

    async def is_wanted(self, tenant: str, ref: str) -> bool:
        """Whether a person takes over in this call of the provider's."""
        return await self._store.pool.fetchrow(_BY_REF, tenant, ref) is not None

    async def connect(self, tenant: str, ref: str) -> Mapping[str, Any]:
        """What the Connect applet is told: whom to ring, by the newest settings, and what they hear first."""
        row = await self._store.pool.fetchrow(_BY_REF, tenant, ref)
        if row is None:
            return exotel.connect((), "", ring_seconds=0)
        asked = await self._fact(row, row["version"])
        assert isinstance(asked.event, TransferRequested), "the row names its fact"
        terms = transfer_of((await self._bundles.current(tenant)).settings.voice)
        return exotel.connect(terms.numbers, asked.event.whisper, ring_seconds=terms.ring_seconds)

    async def over(self, tenant: str, ref: str, outcome: TransferOutcome, seconds: int = 0) -> tuple[UUID, str] | None:
        """What became of it is a fact, once; the call and its contact's number, None where there is no such transfer."""
        row = await self._store.pool.fetchrow(_BY_REF, tenant, ref)
        if row is None:
            return None
        at = self._facts.clock.now()
        fact = TransferOver(conversation=row["conversation"], at=at, outcome=outcome, seconds=seconds)
        await self._facts.tell(known(tenant, row), "transfer over", fact)
        await self._store.pool.execute(_OVER, tenant, row["call"])
        begun: Talk = (await self._fact(row, row["begun"])).event
        return row["call"], begun.to if isinstance(begun, CallRequested) else begun.caller

    async def run(self) -> None:
        """Ask about those of which the flow has told nothing, as long as the process lives."""
        while True:
            with left_for_later("transfers are asked about later"):
                await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once."""
        for row in await self._store.pool.fetch(_SILENT, self._silent, GIVEN_UP):
            tenant, ref = row["tenant"], row["provider_ref"]
            try:
                told = await self._asked(tenant, ref)
            except (httpx.HTTPError, Malformed, ChannelOff, NothingPublished) as error:
                log.warning("a transfer could not be asked about", ref=ref, error=type(error).__name__)
                told = None
            if told is not None:
                await self.over(tenant, ref, *told)
            elif row["given_up"]:
                await self.over(tenant, ref, "unknown")

    async def _asked(self, tenant: str, ref: str) -> tuple[TransferOutcome, int] | None:
        door: Door = self._settings.door(await self._bundles.current(tenant))
        return exotel.read_second_leg(await details(self._client, door, ref))

    async def _fact(self, row: asyncpg.Record, version: int) -> Recorded[Any]:
        stream = f"conversation-{row['conversation']}"
        return (await self._store.read_stream(row["tenant"], stream, version - 1))[0]
