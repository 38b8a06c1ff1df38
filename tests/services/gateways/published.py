"""A bundle is published, and whoever listens on a store's connection has heard of it."""

import asyncio

from libs.kit import ids
from libs.kit.store import Store

CHANNEL = "bundle"


async def heard(store: Store) -> None:
    """Return once whatever listens on this store has heard of every bundle that is published by now.

    The news of one travels beside the log, and Postgres tells all news in order.
    """
    word, told = ids.fresh().hex, asyncio.Event()
    undo = store.listener.on(CHANNEL, lambda payload: told.set() if payload in (None, word) else None)
    try:
        await store.pool.execute("SELECT pg_notify($1, $2)", CHANNEL, word)
        async with asyncio.timeout(60):
            await told.wait()
    finally:
        undo()
