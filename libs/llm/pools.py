"""Connections to the Messages API, in several small pools: a pool looks at all its idle connections twice a request."""

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic

AT_ONCE = 4
"""Calls that share a pool; with 32 at once in one pool a tenth of a call's processor time went into looking."""


class Pools:
    """As many clients as the calls that run at the same time need; the first is always there."""

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._clients = [client]
        self._busy = [0]

    @contextmanager
    def take(self) -> Iterator[anthropic.AsyncAnthropic]:
        """A client for one call."""
        place = next((n for n, busy in enumerate(self._busy) if busy < AT_ONCE), len(self._busy))
        if place == len(self._busy):
            self._clients.append(self._clients[0].copy(http_client=anthropic.DefaultAsyncHttpxClient()))
            self._busy.append(0)
        self._busy[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._busy[place] -= 1

    async def close(self) -> None:
        """Closes the pooled connections."""
        for client in self._clients:
            await client.close()
