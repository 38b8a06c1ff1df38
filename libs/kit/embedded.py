"""Servers for `up`, `demo` and tests: the configured address if there is one, else an embedded server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from libs.kit.embedded_nats import NatsServer
from libs.kit.embedded_postgres import PostgresServer
from libs.kit.embedded_process import EmbeddedServerError

__all__ = ["EmbeddedServerError", "NatsServer", "PostgresServer", "nats", "postgres"]


@asynccontextmanager
async def postgres(url: str | None, folder: Path, *, port: int | None = None) -> AsyncIterator[str]:
    """The address to use: `url`, or that of an embedded server which keeps its data in `folder`."""
    if url:
        yield url
        return
    async with PostgresServer(folder, port=port) as server:
        yield server.url


@asynccontextmanager
async def nats(
    url: str | None, folder: Path, *, port: int | None = None, config: str | Path | None = None
) -> AsyncIterator[str]:
    """The address to use: `url`, or that of an embedded server which keeps its streams in `folder`."""
    if url:
        yield url
        return
    async with NatsServer(folder, port=port, config=config) as server:
        yield server.url
