"""One connection that listens, and tells when it may have missed something."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import asyncpg
import structlog

from libs.kit import postgres
from libs.kit.cancelling import end, pause

log = structlog.get_logger(__name__)

PING_S = 5.0
RETRY_S = 0.2

WANT = "SELECT pg_advisory_lock_shared(hashtextextended($1, 0))"
"""Who holds a channel's lock wants to be told. Has waited for those who, asking for it, saw nobody: they have committed."""

WANT_NO_MORE = "SELECT pg_advisory_unlock_shared(hashtextextended($1, 0))"

Callback = Callable[[str | None], None]


class Listener:
    """Postgres notifications for as long as the block lasts, over reconnections.

    A callback gets the payload; None says that listening has (again) begun, and what came before it was not heard.
    """

    def __init__(self, url: str, *, role: str | None = None, name: str = "converse-listen") -> None:
        self._url = url
        self._role = role
        self._name = name
        self._callbacks: dict[str, list[Callback]] = {}
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._interrupted = False
        self._task: asyncio.Task[None] | None = None

    def on(self, channel: str, callback: Callback) -> Callable[[], None]:
        """Have `callback` called; what is returned undoes it. Callbacks must not block nor raise."""
        self._callbacks.setdefault(channel, []).append(callback)
        self._changed.set()

        def undo() -> None:
            self._callbacks[channel].remove(callback)
            self._changed.set()

        return undo

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    async def __aenter__(self) -> Self:
        connection = await postgres.connect(self._url, role=self._role, name=self._name)
        self._task = asyncio.create_task(self._run(connection), name=self._name)
        try:
            await self._ready.wait()
        except BaseException:
            await end(self._task)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await end(self._task)

    async def _run(self, connection: asyncpg.Connection | None) -> None:
        while True:
            try:
                if connection is None:
                    connection = await postgres.connect(self._url, role=self._role, name=self._name)
                await self._listen(connection)
            except Exception as error:  # whatever it is: who does not listen misses the destruction of keys
                if not self._interrupted:
                    log.warning("listening was interrupted", error=type(error).__name__)
                self._interrupted = True
            finally:
                self._ready.clear()
                if connection is not None:
                    connection.terminate()
            connection = None
            await pause(RETRY_S)

    async def _listen(self, connection: asyncpg.Connection) -> None:
        connection.add_termination_listener(lambda _: self._changed.set())
        heard: set[str] = set()
        while not connection.is_closed():
            self._changed.clear()
            wanted = {channel for channel, callbacks in self._callbacks.items() if callbacks}
            for channel in heard - wanted:
                await connection.execute(WANT_NO_MORE, channel)
                await connection.remove_listener(channel, self._notified)
            for channel in wanted - heard:
                await connection.add_listener(channel, self._notified)
                await connection.execute(WANT, channel)
                self._tell(channel, None)
            heard = wanted
            self._ready.set()
            self._interrupted = False
            try:
                async with asyncio.timeout(PING_S):
                    await self._changed.wait()
            except TimeoutError:
                # A silent death of the server's host shows only when something is asked.
                await connection.execute("SELECT 1", timeout=PING_S)

    def _notified(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        self._tell(channel, payload)

    def _tell(self, channel: str, payload: str | None) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            callback(payload)
