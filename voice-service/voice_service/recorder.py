"""One call's recording: sound goes into two tracks, and every few seconds a sealed part into the store of objects."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from libs.kit.objects import ObjectErased, ObjectsAway
from voice_service.tracks import Tracks, mixed

log = structlog.get_logger(__name__)

PART_MS = 15_000
"""How much of a call may be lost with its process; also what it needs of memory: half a megabyte."""
MOST_MS = 120_000
"""Where the store of objects is away for so long, the recording is given up: memory stays flat."""

Keep = Callable[[int, bytes], Awaitable[None]]
"""Stores a part, by its number."""


class Recorder:
    """Costs the audio path an append to a buffer. `keep` stores a part; `now_ms` is the call's own time.

    `size` is of what is kept, in bytes; `complete` says whether that is all.
    """

    def __init__(self, announcement: str, keep: Keep, now_ms: Callable[[], int]) -> None:
        self.announcement = announcement
        self.parts = 0
        self.size = 0
        self.complete = True
        self._keep = keep
        self._now_ms = now_ms
        self._tracks: Tracks | None = Tracks()
        self._refused = asyncio.Event()
        self._wanted = asyncio.Event()
        self._over = False

    @property
    def refusal(self) -> bool:
        """Whether the contact did not want it."""
        return self._refused.is_set()

    def heard(self, pcm: bytes) -> None:
        """A block of the contact's sound."""
        if self._tracks is not None:
            self._tracks.heard(self._now_ms(), pcm)
            if self._tracks.old(self._now_ms()) >= PART_MS:
                self._wanted.set()

    def spoke(self, pcm: bytes) -> None:
        """A block of ours, as it was sent."""
        if self._tracks is not None:
            self._tracks.spoke(self._now_ms(), pcm)

    def cleared(self) -> None:
        """The contact interrupted: what was sent and not played is not heard."""
        if self._tracks is not None:
            self._tracks.cleared(self._now_ms())

    def refused(self) -> None:
        """The contact does not want it: from now on nothing is taken."""
        self._tracks = None
        self._refused.set()
        self._wanted.set()

    def over(self) -> None:
        """The call has ended: `run` returns once the rest is stored."""
        self._over = True
        self._wanted.set()

    async def run(self) -> None:
        """Store a part whenever one is full and the rest at the end; until the contact refuses or nothing can be stored."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            tracks, now = self._tracks, self._now_ms()
            if tracks is None:
                return
            if tracks.old(now) > MOST_MS:
                log.error("the store of objects was away for too long: the recording is given up")
                self._tracks, self.complete = None, False
                return
            if not self._over:
                await self._part(tracks.take(now))
                continue
            self._tracks = None
            await self._part(tracks.rest(now))
            return

    async def _part(self, sides: tuple[bytes, bytes]) -> None:
        if not sides[0]:
            return
        sound = await asyncio.to_thread(mixed, *sides)
        pause = 0.5
        while not self.refusal:
            try:
                await self._keep(self.parts, sound)
            except ObjectErased:
                self._tracks, self.complete = None, False
                return
            except ObjectsAway as away:
                log.warning("a part of a recording waits for the store", after_s=pause, error=str(away))
                if pause > MOST_MS / 1000 / 4:
                    self.complete = False
                    return
                await asyncio.sleep(pause)
                pause *= 2
            else:
                self.parts += 1
                self.size += len(sound)
                return
