"""A service that has yet to begin: its port is open, and whoever asks is told that it lives and what it waits for."""

import asyncio
import errno
import socket
from collections.abc import Mapping
from typing import Self

from litestar import HttpMethod, route
from litestar.types import ControllerRouterHandler

from libs.kit.problems import Problem
from libs.kit.serve import App, serve

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
        self._serving: asyncio.Task[None] | None = None
        self._told_to_end = False

    async def __aenter__(self) -> Self:
        waiter = asyncio.current_task()
        assert waiter is not None
        app = App(self._service, routes=[self._not_yet()], ready=self._why)
        self._serving = asyncio.create_task(serve([app], listener=self._listener))

        def on_end(serving: asyncio.Task[None]) -> None:
            if self._serving is not None:
                self._told_to_end = True
                waiter.cancel()

        self._serving.add_done_callback(on_end)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not self._told_to_end:
            await self.over()
            return False
        assert self._serving is not None
        self._serving.result()
        if kind is asyncio.CancelledError and (waiter := asyncio.current_task()) is not None:
            return waiter.uncancel() == 0
        return False

    async def over(self) -> None:
        """The service serves from here on."""
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _why(self) -> Mapping[str, str]:
        return {"begin": f"cannot begin yet: {self.waits_for}"}

    def _not_yet(self) -> ControllerRouterHandler:
        # Beside the pages of the API, too: what begins as a known path does is not looked for at the root.
        @route(["/", "/{rest:path}", "/api", "/api/{rest:path}"], http_method=[*HttpMethod], include_in_schema=False)
        async def not_yet() -> None:
            detail = f"{self._service} cannot begin yet: {self.waits_for}"
            raise Problem(503, "The service is starting", detail, headers=LATER)

        return not_yet
