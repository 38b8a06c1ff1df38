"""Where somebody who calls us waits until it is known what to say to them: a line is played to them, and not for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

import asyncpg
import structlog

from events.call import MissedReason
from libs.domain.call_lines import DEFAULT
from libs.kit.store import Store
from voice_service import lines
from voice_service.facts import Facts
from voice_service.leases import Worker
from voice_service.prepared import Sounds
from voice_service.telephony import Media

log = structlog.get_logger(__name__)

WELCOME_S = 0.8
"""So long nobody wonders that nothing is said."""
PATIENCE_S = 8.0
"""So long the caller waits in all; the ERP may have to be asked who they are."""
LOOK_S = 0.05

_COMES = """UPDATE voice.incoming SET worker = $3, connected_at = now()
WHERE tenant = $1 AND call = $2 AND NOT over AND connected_at IS NULL RETURNING true"""

Find = Callable[[], Awaitable[asyncpg.Record | None]]
"""The call's row, once somebody has taken it."""


@runtime_checkable
class Caller(Media, Protocol):
    """The media of somebody who may have called us, before a pipeline has them."""

    async def left(self) -> None:
        """Until they are gone."""

    async def plays(self, pcm: bytes) -> None:
        """Until they have heard it: PCM s16le 8 kHz."""


@dataclass(frozen=True, slots=True)
class Lobby:
    """For the callers of this process."""

    store: Store
    facts: Facts
    worker: Worker

    async def comes(self, tenant: str, call: UUID) -> bool:
        """Whether it is somebody who calls us and whose media nobody has yet; then they are here."""
        return bool(await self.store.pool.fetchval(_COMES, tenant, call, self.worker.id))

    async def missed(self, tenant: str, call: UUID, reason: MissedReason) -> None:
        """They are gone, and nobody has talked with them."""
        self.worker.leaves(call)
        log.info("somebody who called us was missed", call=str(call), reason=reason)
        await self.facts.missed(tenant, call, reason)

    async def wait(
        self, tenant: str, call: UUID, caller: Caller, sounds: Sounds, voice: lines.Texts, find: Find
    ) -> asyncpg.Record | None:
        """The call's row; None where they have hung up, or waited in vain. Afterwards others read their media."""
        self.worker.keeps(tenant, call)
        gone = asyncio.create_task(caller.left())
        playing: asyncio.Task[None] | None = None
        began = time.monotonic()
        try:
            while (row := await find()) is None:
                waited = time.monotonic() - began
                if gone.done():
                    await self.missed(tenant, call, "hung_up")
                    return None
                if waited > PATIENCE_S:
                    break
                clip = sounds.clip(lines.said("welcome", DEFAULT, voice))
                if playing is None and waited > WELCOME_S and clip is not None:
                    playing = asyncio.create_task(caller.plays(clip.pcm))
                await asyncio.wait([gone], timeout=LOOK_S)
            if playing is not None:
                await asyncio.wait([playing, gone], return_when=asyncio.FIRST_COMPLETED)
            if row is not None:
                return row
            sorry = sounds.clip(lines.said("trouble", DEFAULT, voice))
            if sorry is not None and not gone.done():
                saying = asyncio.create_task(caller.plays(sorry.pcm))
                await asyncio.wait([saying, gone], return_when=asyncio.FIRST_COMPLETED)
                saying.cancel()
            await self.missed(tenant, call, "not_found")
            return None
        finally:
            for task in filter(None, (gone, playing)):
                task.cancel()
            await asyncio.gather(*filter(None, (gone, playing)), return_exceptions=True)
