"""A service that has yet to begin: its port is open, and whoever asks is told that it lives and what it waits for."""

import asyncio
import errno
import socket
from collections.abc import Mapping
from typing import Self

from litestar import HttpMethod, route
from litestar.types import ControllerRouterHandler

from libs.kit.problems import Problem
from libs.kit.serve import App, Draining, serve

BACKLOG = 2048
LATER = {"retry-after": "1", "connection": "close"}  # who asks again asks the service itself, if it has begun meanwhile


class PortBusy(Exception):
    """Somebody else listens where we are to."""


def listening(host: str, port: int) -> socket.socket:
    """An open port (0: a free one) for `serve`, whose callers wait until somebody serves it. Raises PortBusy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortBusy(f"port {port} of {host} is busy: free it, or choose another (CONVERSE_PORT)") from error


class Beginning:
    """What a service answers on its port until it has begun: alive, not ready and why, and 503 to everything else.

    Told to end meanwhile, it cancels whoever waits in its block, and leaves the block without an error.
    """

    def __init__(self, service: str, listener: socket.socket) -> None:
        self.waits_for = "it is starting"
        self._service = service
        self._listener = listener
        self._draining = Draining()
        self._over = False
        self._cancelled = 0

    async def __aenter__(self) -> Self:
        waiter = asyncio.current_task()
        assert waiter is not None
        self._waiter = waiter
        app = App(self._service, routes=[self._not_yet()], ready=self._why)
        self._serving = asyncio.create_task(serve([app], listener=self._listener, draining=self._draining))

        def on_end(serving: asyncio.Task[None]) -> None:
            if not self._over:
                self._cancel()

        self._serving.add_done_callback(on_end)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        await self._stop()
        if not self._cancelled:
            return False
        if not self._serving.cancelled():
            self._serving.result()
        left = [self._waiter.uncancel() for _ in range(self._cancelled)]
        return kind is asyncio.CancelledError and left[-1] == 0

    async def over(self) -> None:
        """The service serves from here on. Told to end in this very moment, or without heeding it before, it does not begin."""
        await self._stop()
        if self._draining.yes:
            self._cancel()
            await asyncio.sleep(0)

    def _cancel(self) -> None:
        self._cancelled += 1
        self._waiter.cancel()

    async def _stop(self) -> None:
        self._over = True
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)

    async def _why(self) -> Mapping[str, str]:
        return {"begin": f"cannot begin yet: {self.waits_for}"}

    def _not_yet(self) -> ControllerRouterHandler:
        # Beside the pages of the API, too: what begins as a known path does is not looked for at the root.
        @route(["/", "/{rest:path}", "/api", "/api/{rest:path}"], http_method=[*HttpMethod], include_in_schema=False)
        async def not_yet() -> None:
            detail = f"{self._service} cannot begin yet: {self.waits_for}"
            raise Problem(503, "The service is starting", detail, headers=LATER)

        return not_yet
