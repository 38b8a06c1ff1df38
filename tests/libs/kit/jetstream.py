"""The cast of the bus, relay and reactor tests: a small vocabulary, and a house with a log, a NATS and its users."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

from events.base import Category, Cause, Draft, Event, Recorded
from libs.kit import leadership, nats_config
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer
from libs.kit.folds import Fold
from libs.kit.nats_config import User
from libs.kit.reactor import Reactor
from libs.kit.relay import Relay
from libs.kit.store import Store
from libs.kit.world import Decision, Row, World
from libs.testkit.nouns import NOON, TENANT

T = TypeVar("T")

CONSUMER = "counter"
LOOK_AGAIN_S = 0.01
ROOT = UUID("7f0c7f86-6d9e-4f0a-9a40-0c9b1f6f3b11")


class Asked(Event, tag="ask.asked.v1"):
    """Somebody wants a number counted."""

    number: int
    text: str = ""


class AskedV2(Event, tag="ask.asked.v2"):
    """What a later release writes."""

    number: int
    why: str


class Answered(Event, tag="answer.answered.v1"):
    """The number was counted; `total` is what the stream has come to."""

    number: int
    total: int


class Noted(Event, tag="note.noted.v1"):
    """Something that the counter does not care about."""


ASK = Category("ask", current=(Asked,))
NEWER_ASK = Category("ask", current=(AskedV2,))
ANSWER = Category("answer", current=(Answered,))
NOTE = Category("note", current=(Noted,))

USERS = [
    User("relay", publish=("ev.>", "sig.head.*", "$JS.API.>"), subscribe=("ask.consumer.*.*",), answers=True),
    User("service", consumers=(CONSUMER,), publish=("sig.chat.>",), subscribe=("sig.chat.>",)),
    User("stranger", consumers=("other",)),
]
PASSWORDS = {"relay": "r", "service": "s", "stranger": "t"}

TOTAL: Fold[int] = Fold(ANSWER, int, lambda total, event: event.total)


async def count(fact: Recorded[Asked], world: World) -> Decision:
    """Answer with the running total of the stream."""
    stream = f"answer-{fact.stream}"
    total = await world.fold(TOTAL, stream) + fact.event.number
    return Decision([Draft(stream, Answered(number=fact.event.number, total=total))])


async def within(wanted: Awaitable[T], seconds: float = 60) -> T:
    """The result, or a TimeoutError."""
    async with asyncio.timeout(seconds):
        return await wanted


async def until(holds: Callable[[], Any]) -> None:
    """Return once `holds()`, or what it awaits, is true: for conditions that nothing announces."""
    while True:
        now = holds()
        if await now if inspect.isawaitable(now) else now:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


class House:
    """A log, a NATS with its users, and whatever a test starts in it; everything ends with the test."""

    def __init__(self, store: Store, nats: NatsServer, stack: AsyncExitStack) -> None:
        self.store = store
        self.nats = nats
        self.clock = Clock.fixed(NOON)
        self._stack = stack
        self._asked = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store, folder: Path) -> AsyncIterator["House"]:
        async with AsyncExitStack() as stack:
            nats = NatsServer(folder, config=nats_config.authorization(USERS, PASSWORDS))
            await stack.enter_async_context(nats)
            yield cls(store, nats, stack)

    async def bus(self, name: str) -> Bus:
        """A connection as one of the users."""
        return await self.bus_to(self.nats, name, PASSWORDS[name])

    async def bus_to(self, nats: NatsServer, name: str, password: str, *, patience: float = 5) -> Bus:
        """A connection to some server."""
        bus = await Bus.connect(nats.url, name=name, user=name, password=password, patience=patience)
        self._stack.push_async_callback(bus.close)
        return bus

    async def bus_in_the_dark(self, name: str) -> Bus:
        """A bus while NATS is away."""
        return await self.bus_to(self.nats, name, PASSWORDS[name], patience=0.1)

    async def start(self, run: Callable[[], Awaitable[Any]]) -> "asyncio.Task[Any]":
        """Run something until the test ends."""
        task = asyncio.create_task(_as_coroutine(run))

        async def end() -> None:
            await stop(task)

        self._stack.push_async_callback(end)
        return task

    async def relay(self, bus: Bus | None = None) -> Relay:
        """A relay at work."""
        relay = self.relay_alone(bus or await self.bus("relay"))
        _ = await self.start(relay.run)
        return relay

    def relay_alone(self, bus: Bus) -> Relay:
        """A relay, not yet at work."""
        return Relay(0, url=self.store.url, bus=bus, clock=self.clock)

    def reactor(self, bus: Bus, handlers: Mapping[type[Event], Any] | None = None, **more: Any) -> Reactor:
        """A reactor that counts, not yet at work."""
        more.setdefault("own_families", {"answer"})
        more.setdefault("store", self.store)
        return Reactor(more.pop("consumer", CONSUMER), 0, handlers or {Asked: count}, bus=bus, clock=self.clock, **more)

    async def ask(self, *numbers: int, stream: str = "ask-1", text: str = "") -> int:
        """Append facts, one append each; the position of the last."""
        pos = 0
        for number in numbers:
            pos = await self.append(stream, Asked(number=number, text=text))
        return pos

    async def note(self) -> int:
        """Append a fact that the counter does not hear."""
        return await self.append("note-1", Noted())

    async def append(self, stream: str, event: Event) -> int:
        """Append a fact as somebody from outside; its position."""
        return (await self.store.append_any(TENANT, stream, [Draft(stream, event)], self.cause())).pos

    def cause(self) -> Cause:
        """A new cause from outside."""
        self._asked += 1
        return Cause(correlation_id=ROOT, occurred_at=NOON, source="test", id=uuid5(ROOT, str(self._asked)))

    async def answers(self, stream: str = "ask-1") -> list[Answered]:
        """What the counter has answered."""
        facts = await self.store.read_stream(TENANT, f"answer-{stream}")
        return [fact.event for fact in facts if isinstance(fact.event, Answered)]

    async def end_session(self, role: str) -> None:
        """Let Postgres drop the connection that holds a lead, as when the machine of the leader vanishes."""
        await self.store.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            leadership.lock_key(role) % 2**32,
        )


async def _as_coroutine(run: Callable[[], Awaitable[Any]]) -> Any:
    return await run()


async def stop(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def insert_row(fact: Recorded[Asked], world: World) -> Decision:
    """Write a private row beside the answer, and read it again."""
    counted = await count(fact, world)
    seen = await world.db.fetchval("SELECT count(*) FROM public.seen")
    [answer] = counted.drafts
    assert answer.event == Answered(number=1, total=seen + 1)  # every number is 1 here
    return Decision(counted.drafts, [Row("INSERT INTO public.seen (event_id) VALUES ($1)", (fact.id,))])
