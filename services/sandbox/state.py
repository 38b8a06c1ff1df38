"""What the emulators share: faults that wait for a request, answers that go wrong, and work in the background."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, Protocol, TypeVar

import structlog
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

log = structlog.get_logger(__name__)

Answer = Literal["whole", "garbled", "dropped", "hung"]
"""How an answer reaches the caller: as it is, as broken JSON, cut off after its headers, or never."""


class Fault(Protocol):
    """What goes wrong with the next `times` requests that it fits."""

    @property
    def times(self) -> int: ...


F = TypeVar("F", bound=Fault)


class Faults(Generic[F]):
    """A queue of faults: each request takes the oldest one that fits it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[F, int]] = []

    def add(self, fault: F) -> None:
        """Let `fault` befall the next requests that it fits; one that befalls none is none."""
        if fault.times < 1:
            return
        self._waiting.append((fault, fault.times))

    def take(self, fits: Callable[[F], bool]) -> F | None:
        """The fault for the request in hand, which it uses up once."""
        for index, (fault, left) in enumerate(self._waiting):
            if fits(fault):
                if left > 1:
                    self._waiting[index] = (fault, left - 1)
                else:
                    del self._waiting[index]
                return fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def __len__(self) -> int:
        return sum(left for _, left in self._waiting)


class Background:
    """Work that goes on after an answer was given."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; an error in it is logged."""
        _ = self.task(work)

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """The same, for somebody who may end it before."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    def drop(self) -> None:
        """Cancel what still runs."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = list(self._tasks)
        self.drop()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work of the sandbox failed", exc_info=error)


async def deliver(
    response: Response[bytes], answer: Answer, request: Request[Any, Any, Any], seconds: float
) -> Response[bytes]:
    """`response` as `answer` says; a hung one ends when the caller gives up, at the latest after `seconds`."""
    match answer:
        case "whole":
            return response
        case "garbled":
            whole = response.content
            return Response(
                whole[: len(whole) // 2] + b"\x00<", status_code=response.status_code, media_type="application/json"
            )
        case "dropped":
            return Dropped(b"")
        case "hung":
            await _given_up(request.receive, seconds)
            return Dropped(b"")


class Dropped(Response[bytes]):
    """An answer whose connection breaks after the headers."""

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        """A response that promises a body and sends none, on which the server closes the connection."""
        return _Cut(body=b"", status_code=200, headers={"content-length": "512"})


class _Cut(ASGIResponse):
    async def send_body(self, send: Send, receive: Receive) -> None:
        """Nothing, where 512 bytes were promised."""


async def _given_up(receive: Receive, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass
