"""What every socket to a provider does: it opens, reads until it ends, and tells once why it failed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from voice_service.providers.sockets import Address, Refused, Warm, reason

log = structlog.get_logger(__name__)

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(type=dict[str, Any]).decode


class Line:
    """One socket of one call. What is sent before it is open waits; after it has failed nothing is sent or told any more."""

    def __init__(self, address: Address, warm: Warm, failed: Callable[["Line", str], Awaitable[None]]) -> None:
        self.address = address
        self.open = False
        self._warm = warm
        self._failed = failed
        self._socket: ClientConnection | None = None
        self._waiting: list[str | bytes] = []
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open it, and read."""
        self._task = asyncio.create_task(self._run())

    async def send(self, data: str | bytes) -> None:
        """Now, or as soon as it is open."""
        if self._socket is None:
            if not self._ended:
                self._waiting.append(data)
            return
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            return  # the reader tells why

    async def say(self, message: dict[str, Any]) -> None:
        """A JSON text."""
        await self.send(encode(message).decode())

    async def close(self) -> None:
        """Nothing more is told."""
        self._ended = True
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def greet(self) -> None:
        """What is said first."""

    async def heard(self, message: dict[str, Any]) -> None:
        """A message of the provider. May raise Refused."""
        raise NotImplementedError

    async def _run(self) -> None:
        why = "connection_lost"
        try:
            socket = await self._warm.take(self.address)
            if self._ended:
                await socket.close()
                return
            await self._begin(socket)
            async for raw in socket:
                await self.heard(decode(raw))
            why = self.closed(socket.close_code or 1006, socket.close_reason or "")
        except Refused as error:
            why = error.why
        except ConnectionClosed as closed:
            why = self.closed(closed.rcvd.code if closed.rcvd else 1006, closed.rcvd.reason if closed.rcvd else "")
        except (WebSocketException, msgspec.DecodeError, KeyError, TypeError):
            log.exception("a provider said what nobody understands", url=self.address.url.partition("?")[0])
            why = "server_error"
        await self.fail(why)

    async def _begin(self, socket: ClientConnection) -> None:
        waiting, self._waiting = self._waiting, []
        self._socket, self.open = socket, True
        await self.greet()
        for data in waiting:
            await socket.send(data)

    async def fail(self, why: str) -> None:
        """Tell that it has failed, once. Nobody closes it after that: whoever is told is still in its reader."""
        if not self._ended:
            self._ended = True
            socket, self._socket = self._socket, None
            if socket is not None:
                socket.transport.abort()
            await self._failed(self, why)

    def closed(self, code: int, told: str) -> str:
        """Why the other side closed it."""
        return "connection_lost" if code in (1000, 1001, 1006) else reason(500)
