"""How far a consumer has come: what it has handled, and the watermark that says so in Postgres, which may lag behind."""

import asyncio

WRITE_IDLE_POSITIONS = 1000
WRITE_IDLE_S = 1.0


class Progress:
    """One consumer in one shard; `examined` is true at once, `watermark` is what a successor begins with."""

    def __init__(self) -> None:
        self.watermark = 0
        self.examined = 0
        self._written_at = 0.0
        self._moved = asyncio.Condition()

    @property
    def standing(self) -> tuple[int, int]:
        """The move of the watermark of who stays where it is: only the fence of it counts."""
        return self.watermark, self.watermark

    async def begin(self, watermark: int) -> None:
        """Go on from what Postgres says."""
        async with self._moved:
            self.watermark = self.examined = watermark
            self._moved.notify_all()

    def is_due(self, upto: int) -> bool:
        """Whether the watermark is to be written where nothing was decided: now and then."""
        behind, age = upto - self.watermark, asyncio.get_running_loop().time() - self._written_at
        return behind >= WRITE_IDLE_POSITIONS or (behind > 0 and age >= WRITE_IDLE_S)

    def written(self, upto: int) -> None:
        """The watermark is committed."""
        self.watermark, self._written_at = upto, asyncio.get_running_loop().time()

    async def advance(self, upto: int) -> bool:
        """Everything up to here is handled; whether that is news."""
        if upto <= self.examined:
            return False
        async with self._moved:
            self.examined = upto
            self._moved.notify_all()
        return True

    async def caught_up(self, pos: int) -> None:
        """Return when everything up to `pos` is handled."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.examined >= pos)
