"""What the calls of a process share: warm sockets, breakers, prepared sound and the clients of Claude."""

import asyncio
import time
from pathlib import Path
from uuid import UUID

import anthropic
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from libs.channels.exotel_media import RATE
from voice_service import prepared
from voice_service.prepared import Prepared, Sounds
from voice_service.providers import ears, mouth
from voice_service.providers.breaker import Breakers
from voice_service.providers.profiles import Chains
from voice_service.providers.sockets import Warm, tls

READ_S = 10.0
CONNECT_S = 2.0


class Shared:
    """One for the process. `folder` keeps prepared lines over a restart. `lines` are what every call may need at once."""

    def __init__(self, folder: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        self.warm = Warm()
        self.breakers = Breakers(time.monotonic)
        self.prepared = Prepared(folder)
        self._lines = (*prepared.FIXED, *lines)
        self._claude: dict[tuple[str, str], AsyncAnthropic] = {}
        self._ringing: dict[UUID, tuple[Sounds, asyncio.Task[None]]] = {}

    def ringing(self, call: UUID, chains: Chains, opening: str, lines: tuple[str, ...] = ()) -> None:
        """A phone rings: open the sockets that it will need, and have its first words and our own lines synthesised."""
        if call in self._ringing:
            return
        sounds = self.sounds(chains)
        self.connect(chains)
        self._ringing[call] = (sounds, asyncio.create_task(self._prepare(chains, sounds, opening, lines)))

    def ready(self, call: UUID, chains: Chains) -> Sounds:
        """What is ready by now for a call that has not begun."""
        waiting = self._ringing.get(call)
        return waiting[0] if waiting is not None else self.sounds(chains)

    def answered(self, call: UUID, chains: Chains) -> Sounds:
        """What is ready for a call; where it did not ring here its sockets are opened now."""
        for profile in chains.ears[1:2]:
            self.warm.warm(ears.address(profile, RATE), least=1)
        for voice in chains.mouths[1:2]:
            self.warm.warm(mouth.address(voice, RATE), least=1)
        ready = self._ringing.pop(call, None)
        return ready[0] if ready is not None else self.sounds(chains)

    def quiet(self, call: UUID) -> None:
        """Nobody answered. Sockets that were opened for it serve another call, or are dropped."""
        ready = self._ringing.pop(call, None)
        if ready is not None:
            ready[1].cancel()

    def connect(self, chains: Chains) -> None:
        """Open who hears and who speaks first."""
        self.warm.warm(ears.address(chains.ears[0], RATE))
        self.warm.warm(mouth.address(chains.mouths[0], RATE))

    def sounds(self, chains: Chains) -> Sounds:
        """The fixed lines in a call's voice, as far as they are ready."""
        return self.prepared.sounds(prepared.able(chains.mouths))

    def claude(self, url: str, key: str) -> AsyncAnthropic:
        """One for each account: its connections are shared. We decide ourselves when to ask again, and whom."""
        if (url, key) not in self._claude:
            self._claude[url, key] = AsyncAnthropic(
                base_url=url,
                api_key=key,
                max_retries=0,
                timeout=anthropic.Timeout(READ_S, connect=CONNECT_S),
                http_client=DefaultAsyncHttpxClient(verify=tls()),
            )
        return self._claude[url, key]

    async def close(self) -> None:
        """Close whatever is open."""
        for _, preparing in self._ringing.values():
            preparing.cancel()
        for client in self._claude.values():
            await client.close()
        await self.prepared.close()
        await self.warm.close()

    async def _prepare(self, chains: Chains, sounds: Sounds, opening: str, lines: tuple[str, ...]) -> None:
        voice = prepared.able(chains.mouths)
        if voice is None:
            return
        if (own := await self.prepared.own(voice, opening)) is not None:
            sounds.own[opening] = own
        await self.prepared.fix(voice, (*self._lines, *lines))
