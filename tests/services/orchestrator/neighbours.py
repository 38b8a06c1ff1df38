"""The services around the orchestrator, which runs alone on the real log: what they say, and what they hear of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from events.base import Cause, Draft, Event, Recorded
from libs.kit import ids
from libs.kit.serve import serve
from libs.kit.store import Store
from libs.testkit.nouns import MORNING, PRIYA, TENANT

NOWHERE = "nats://127.0.0.1:1"
"""Without NATS a reactor reads the log."""


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve([app], port=0, on_ready=port.set_result))
    try:
        yield f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def because() -> Cause:
    cause = ids.fresh()
    return Cause(id=cause, correlation_id=cause, occurred_at=MORNING, source="test")


class Neighbours:
    """What the other services say, and what the orchestrator said."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def say(self, stream: str, event: Event, *, contact: str | None = PRIYA) -> None:
        draft = Draft(stream, event, f"contact-{contact}" if contact else None, contact)
        await self.store.append_any(TENANT, stream, [draft], because())

    async def digest(self, channel: str, address: str) -> str:
        """By which an address is looked up."""
        return (await self.store.keyring.lookup(TENANT, channel, address)).hex()

    async def facts(self, kind: type[Event]) -> list[Recorded[Any]]:
        """The facts of a kind so far."""
        return [fact for fact in await self.store.read_log(0, 0, 1000) if isinstance(fact.event, kind)]

    async def heard(self, kind: type[Event], **about: Any) -> Recorded[Any]:
        """The first fact of a kind, with these fields, as soon as it stands in the log."""
        grown = asyncio.Event()
        undo = self.store.listener.on("log_0", lambda _: grown.set())
        try:
            async with asyncio.timeout(60):
                while True:
                    grown.clear()
                    for fact in await self.facts(kind):
                        if all(getattr(fact.event, name) == value for name, value in about.items()):
                            return fact
                    await grown.wait()
        finally:
            undo()
