"""The way to a server, on which everything can come to a standstill: as when a machine vanishes, nobody closes anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

PIECE = 65536


class Street:
    """Carries bytes to `url` and back, as long as it is open."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self._ways: set[asyncio.Task[None]] = set()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Street"]:
        """A street for as long as the block lasts."""
        street = cls(url)
        server = await asyncio.start_server(street._walk, "127.0.0.1", 0)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        who = street._to.netloc.rpartition("@")[0]
        street.url = urlunsplit(street._to._replace(netloc=f"{who}@{place}" if who else place))
        try:
            yield street
        finally:
            server.close()
            for way in street._ways:
                way.cancel()
            await asyncio.gather(*street._ways, return_exceptions=True)

    def block(self) -> None:
        """From now on nothing arrives any more, in either direction."""
        self._open.clear()

    async def _walk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._to.hostname, self._to.port)
        for way in (self._carry(reader, there[1]), self._carry(there[0], writer)):
            task = asyncio.create_task(way)
            self._ways.add(task)
            task.add_done_callback(self._ways.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while piece := await reader.read(PIECE):
                    await self._open.wait()
                    writer.write(piece)
                    await writer.drain()
        finally:
            writer.close()
