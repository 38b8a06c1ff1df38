"""Cancellations that others swallow or answer with another error: noticed afterwards, and repeated until the task ends."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")

AGAIN_S = 1.0


async def obeyed(call: Awaitable[T]) -> T:
    """What a call returns or raises; CancelledError where its task was cancelled meanwhile and the call went on all the same.

    `asyncio.wait_for` of Python 3.11 forgets a cancellation that comes at the instant of the answer (python/cpython#86296).
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        return await call
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


async def pause(seconds: float) -> None:
    """Sleep before trying again what has failed; CancelledError at once where it failed because its task was cancelled."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    await asyncio.sleep(seconds)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and return once it has ended, however. The caller's own cancellation is not taken for the task's."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_S)
    if not task.cancelled():
        task.exception()  # told or not, it is of no use any more
