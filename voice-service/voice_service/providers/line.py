"""What every socket to a provider does: it opens, reads until it ends, and tells once why it failed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_service.providers.sockets import Address, Refused, Warm, reason

log = structlog.get_logger(__name__)

STUCK_S = 2.0
"""So long a full socket may take nothing: behind it the sound of the call would pile up, and nobody be asked in its place."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(type=dict[str, Any]).decode


class Line:
    """One socket of one call. What is sent goes out in its order, and waits until it is open; a failed one sends nothing more."""

    def __init__(self, address: Address, warm: Warm, failed: Callable[["Line", str], Awaitable[None]]) -> None:
        self.address = address
        self.open = False
        self._warm = warm
        self._failed = failed
        self._socket: ClientConnection | None = None
        self._waiting: deque[str | bytes] = deque()
        self._sending = False
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open it, and read."""
        self._task = asyncio.create_task(self._run())

    async def send(self, data: str | bytes) -> None:
        """Now, or after what waits for a socket that is opening or full."""
        if not self._ended:
            self._waiting.append(data)
            await self._send_waiting()

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
            self._socket, self.open = socket, True
            await self._send_waiting()
            async for raw in socket:
                await self.heard(decode(raw))
            why = self.closed(socket.close_code or 1006, socket.close_reason or "")
        except Refused as error:
            why = error.why
        except ConnectionClosed as closed:
            why = self.closed(closed.rcvd.code if closed.rcvd else 1006, closed.rcvd.reason if closed.rcvd else "")
        except Exception:  # whatever it is like: a line whose reader has ended in silence would be spoken to in vain
            log.exception("a provider said what nobody understands", url=self.address.url.partition("?")[0])
            why = "server_error"
        await self.fail(why)

    async def _send_waiting(self) -> None:
        """One sends for all: a block of sound that comes while many are sent must not overtake them."""
        if self._sending:
            return
        self._sending = True
        try:
            while self._waiting and self._socket is not None:
                async with asyncio.timeout(STUCK_S):
                    await self._socket.send(self._waiting.popleft())
        except ConnectionClosed:
            self._waiting.clear()  # the reader tells why
        except TimeoutError:
            self._waiting.clear()
            await self.fail("silent")
        finally:
            self._sending = False

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
