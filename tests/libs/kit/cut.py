"""Cancels work exactly at one of its awaits: at once, or at the instant at which what it waits for is there."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

SECONDS = 60.0
LOOK_AGAIN_S = 0.002
LOST_S = 30.0  # after which whoever still runs has not heard of it


class Cut:
    """A coroutine whose task is cancelled at the `at`-th suspension.

    `late`: when what it waits for there is done and the task has yet to hear of it, which is where cancellations get lost.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, *, late: bool) -> None:
        self.place = ""
        self.made = False  # the cancellation: a time limit within the work cancels the task, too, for a moment
        self._work = work
        self._left = at
        self._late = late

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        steps = self._work.__await__()
        go_on: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                waits_for = go_on(value)
            except StopIteration as ended:
                return ended.value
            self._left -= 1
            if self._left == 0:
                self.place = _place(self._work)
                if self._late and waits_for is not None:
                    waits_for.add_done_callback(lambda _: self._make(task))  # before the task's own
                else:
                    asyncio.get_running_loop().call_soon(self._make, task)
            try:
                value, go_on = (yield waits_for), steps.send
            except BaseException as error:  # thrown on as it came
                value, go_on = error, steps.throw

    async def run(self) -> Any:
        """As a coroutine, for a task."""
        return await self

    def _make(self, task: "asyncio.Task[Any]") -> None:
        self.made = True
        task.cancel()


def _place(work: Any) -> str:
    """Where a coroutine is suspended: the calls down to the innermost."""
    calls = []
    while (frame := getattr(work, "cr_frame", None)) is not None:
        calls.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        work = work.cr_await
    return " > ".join(calls)


async def lost_cancellations(
    run: Callable[[], Awaitable[Any]], keep_busy: Callable[[], Awaitable[Any]], awaits: int, *, late: bool = True
) -> list[str]:
    """Where `run` goes on although it was cancelled, having tried each of its first `awaits` awaits on a new run."""
    lost = []
    for at in range(1, awaits + 1):

        async def whole() -> None:
            await run()

        cut = Cut(whole(), at, late=late)
        task = asyncio.create_task(cut.run())
        async with asyncio.timeout(SECONDS):
            while not task.done() and not cut.made:
                await keep_busy()
                await asyncio.sleep(LOOK_AGAIN_S)
            assert cut.place, f"it ended before its await number {at}: {task}"
            while (await asyncio.wait([task], timeout=LOST_S))[1]:
                lost.append(f"await {at}: {cut.place}")
                task.cancel()
        if not task.cancelled():
            lost.append(f"await {at}: {cut.place} ended with {task.exception()!r}")
    return lost
