"""Reference cycles: what lives as long as the process is set aside, and the long search among the rest is made seldom.

A full collection looks at every container object: with 5,000 chat sockets open that stops the process for half a second
(bench/chat.py), and CPython makes one whenever a quarter has been added. Cycles among young objects are found as ever.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from libs.kit.cancelling import end

YOUNG = 10_000
MIDDLE = 20
NEVER = 1_000_000
"""In place of CPython's own full collections: so many collections of the middle generation."""
EVERY = timedelta(minutes=10)


@asynccontextmanager
async def collected_seldom(every: timedelta = EVERY) -> AsyncIterator[None]:
    """Inside, a full collection is made `every` so often instead of whenever many objects have been added."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    collecting = asyncio.create_task(_collect(every), name="garbage")
    try:
        yield
    finally:
        await end(collecting)
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect(every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        gc.collect()
