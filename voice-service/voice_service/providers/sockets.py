"""Sockets to providers: one TLS context for all, and a pool of those that were opened before they are needed."""

import asyncio
import ssl
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.protocol import State

log = structlog.get_logger(__name__)

CONNECT_S = 1.5
"""How long a handshake may take: a contact waits for it."""
WARM_S = 45.0
"""How long an unused socket is kept: longer than a phone rings."""
STAY_S = 4.0
"""How often an unused socket is told to stay; Deepgram nova closes after ten silent seconds."""


@cache
def tls() -> ssl.SSLContext:
    """One for all sockets: making it blocks the loop for some 50 ms."""
    return ssl.create_default_context()


class Refused(Exception):
    """A provider did not take a socket or a request, or broke it. `why` is one of the reasons of a switch."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(detail or why)
        self.why = why


def reason(status: int) -> str:
    """The reason of a switch that an HTTP status is."""
    match status:
        case 401 | 403:
            return "unauthorised"
        case 402:
            return "quota"
        case 429:
            return "rate_limited"
        case _ if status >= 500:
            return "server_error"
        case _:
            return "refused"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a socket leads, and the headers that let us in. `stay` is a text that keeps it open while nothing is said."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    stay: str | None = None


async def opened(address: Address) -> ClientConnection:
    """A new socket. Raises Refused. Without compression: it costs hundreds of kilobytes a socket, and sound does not shrink."""
    options: dict[str, Any] = {"ssl": tls()} if address.url.startswith("wss") else {}
    try:
        return await connect(
            address.url,
            additional_headers=dict(address.headers),
            open_timeout=CONNECT_S,
            close_timeout=0.5,
            compression=None,
            max_size=None,
            ping_interval=None,
            **options,
        )
    except InvalidStatus as error:
        raise Refused(reason(error.response.status_code), f"HTTP {error.response.status_code}") from None
    except TimeoutError:
        raise Refused("silent", "the handshake was not answered") from None
    except (OSError, WebSocketException) as error:
        raise Refused("connection_lost", type(error).__name__) from None


class Warm:
    """Sockets that were opened before they are needed, by address; each is dropped after `WARM_S` where nobody takes it."""

    def __init__(self, keep_s: float = WARM_S) -> None:
        self._keep_s = keep_s
        self._waiting: dict[Address, list[asyncio.Task[ClientConnection]]] = defaultdict(list)
        self._tending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def warm(self, address: Address, *, least: int | None = None) -> None:
        """Open one more; with `least` only where fewer than that wait."""
        waiting = self._waiting[address]
        if least is not None and len(waiting) >= least:
            return
        opening = asyncio.create_task(opened(address))
        waiting.append(opening)
        tending = asyncio.create_task(self._tend(address, opening))
        self._tending.add(tending)
        tending.add_done_callback(self._tending.discard)

    async def take(self, address: Address) -> ClientConnection:
        """One that waits, or a new one. Raises Refused."""
        waiting = self._waiting.get(address, [])
        while waiting:
            opening = waiting.pop(0)
            try:
                socket = await opening
            except Refused:
                continue
            if socket.state is State.OPEN:
                return socket
        return await opened(address)

    async def close(self) -> None:
        """Close what nobody took."""
        for task in self._tending:
            task.cancel()
        for address, waiting in list(self._waiting.items()):
            for opening in waiting:
                await self._drop(address, opening)
        self._waiting.clear()

    async def _tend(self, address: Address, opening: "asyncio.Task[ClientConnection]") -> None:
        left = self._keep_s
        try:
            socket = await asyncio.shield(opening)
            while left > 0 and opening in self._waiting[address] and socket.state is State.OPEN:
                wait = min(left, STAY_S)
                await asyncio.sleep(wait)
                left -= wait
                if address.stay is not None and opening in self._waiting[address]:
                    await socket.send(address.stay)
        except (Refused, WebSocketException) as error:
            log.info("a socket could not be warmed", url=address.url.partition("?")[0], reason=str(error))
        if opening in self._waiting[address]:
            self._waiting[address].remove(opening)
            await self._drop(address, opening)

    async def _drop(self, address: Address, opening: "asyncio.Task[ClientConnection]") -> None:
        opening.cancel()
        try:
            await (await opening).close()
        except (Refused, WebSocketException, asyncio.CancelledError):
            return
