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
        self._requests = asyncio.Event()
        self._answers = asyncio.Event()
        self.open()
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

    def block(self, *, requests: bool = True) -> None:
        """From now on no answer arrives any more, and no request either, but where these may pass."""
        self._answers.clear()
        if requests:
            self._requests.clear()

    def open(self) -> None:
        """Let everything through again."""
        self._answers.set()
        self._requests.set()

    async def _walk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._to.hostname, self._to.port)
        for way in (self._carry(reader, there[1], self._requests), self._carry(there[0], writer, self._answers)):
            task = asyncio.create_task(way)
            self._ways.add(task)
            task.add_done_callback(self._ways.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, free: asyncio.Event) -> None:
        try:
            with suppress(OSError):
                while piece := await reader.read(PIECE):
                    await free.wait()
                    writer.write(piece)
                    await writer.drain()
        finally:
            writer.close()
