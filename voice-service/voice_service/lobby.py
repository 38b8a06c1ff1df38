"""Where somebody who calls us waits until it is known what to say to them: a line is played to them, and not for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from events.call import MissedReason
from libs.channels import exotel_media
from libs.domain.call_lines import DEFAULT
from libs.kit.store import Store
from voice_service import lines
from voice_service.facts import Facts
from voice_service.leases import Worker
from voice_service.prepared import Clip, Sounds

log = structlog.get_logger(__name__)

WELCOME_S = 0.8
"""So long nobody wonders that nothing is said."""
PATIENCE_S = 8.0
"""So long the caller waits in all; the ERP may have to be asked who they are."""
LOOK_S = 0.05
PACE = 0.9
"""How much faster than it plays sound is sent (docs.exotel.com: just under real time, so that it can be stopped)."""

TAIL_S = 1.0
"""What is still on its way to their ear when we have sent the last of it."""

_COMES = """UPDATE voice.incoming SET worker = $3, connected_at = now()
WHERE tenant = $1 AND call = $2 AND NOT over AND connected_at IS NULL RETURNING true"""

Find = Callable[[], Awaitable[asyncpg.Record | None]]
"""The call's row, once somebody has taken it."""


@dataclass(frozen=True, slots=True)
class Lobby:
    """For the callers of this process."""

    store: Store
    facts: Facts
    worker: Worker

    async def comes(self, tenant: str, call: UUID) -> bool:
        """Whether it is somebody who calls us and whose media nobody has yet; then they are here."""
        return bool(await self.store.pool.fetchval(_COMES, tenant, call, self.worker.id))

    async def missed(self, tenant: str, call: UUID, reason: MissedReason, *, promised: bool = False) -> None:
        """They are gone, and nobody has talked with them."""
        self.worker.leaves(call)
        log.info("somebody who called us was missed", call=str(call), reason=reason)
        await self.facts.missed(tenant, call, reason, promised=promised)

    async def wait(
        self, tenant: str, call: UUID, socket: WebSocket, stream: str, sounds: Sounds, voice: lines.Texts, find: Find
    ) -> asyncpg.Record | None:
        """The call's row; None where they have hung up, or were told that we call them. Afterwards the socket is read by others."""
        self.worker.keeps(tenant, call)
        gone = asyncio.create_task(_reads(socket))
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
                    playing = asyncio.create_task(_plays(socket, stream, clip))
                await asyncio.wait([gone], timeout=LOOK_S)
            if playing is not None:
                await asyncio.wait([playing, gone], return_when=asyncio.FIRST_COMPLETED)
            if row is not None:
                return row
            sorry = sounds.clip(lines.said("trouble", DEFAULT, voice))
            if sorry is not None and not gone.done():
                saying = asyncio.create_task(_plays(socket, stream, sorry))
                await asyncio.wait([saying, gone], return_when=asyncio.FIRST_COMPLETED)
                saying.cancel()
                await asyncio.wait([gone], timeout=TAIL_S)
            await self.missed(tenant, call, "not_found", promised=sorry is not None and not gone.done())
            return None
        finally:
            for task in filter(None, (gone, playing)):
                task.cancel()
            await asyncio.gather(*filter(None, (gone, playing)), return_exceptions=True)


async def _reads(socket: WebSocket) -> None:
    """Until they are gone; what they say meanwhile nobody hears."""
    try:
        while not isinstance(exotel_media.read(await socket.receive_text()), exotel_media.Stopped):
            pass
    except WebSocketDisconnect:
        pass


async def _plays(socket: WebSocket, stream: str, clip: Clip) -> None:
    """Send a sound as fast as it is heard; return when it is over."""
    began = time.monotonic()
    sent = 0
    chunks = exotel_media.Chunks()
    for chunk in [*chunks.add(clip.pcm), *filter(None, [chunks.rest()])]:
        await socket.send_text(exotel_media.media(stream, chunk))
        sent += len(chunk)
        ahead = sent / 2 / exotel_media.RATE * PACE - (time.monotonic() - began)
        await asyncio.sleep(max(0.0, ahead))
    await asyncio.sleep(max(0.0, clip.seconds - (time.monotonic() - began)))
