"""What the orchestrator tells the calls that go on here: what came of what they asked for, and what to talk about next."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import structlog

from events.phone import CallGuided, TransferRequested
from libs.kit.failures import left_for_later
from libs.kit.store import Store

log = structlog.get_logger(__name__)

GATHER_S = 0.01
"""How long after the log has grown all that has come is read at once."""
AGAIN_S = 1.0
"""Then it is looked at in any case: a notification may be lost."""

_GROWN = """SELECT e.tenant, e.stream_id, max(e.version) AS version
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS known (tenant, stream, version)
JOIN log.event e ON e.shard = $1 AND e.tenant = known.tenant AND e.stream_id = known.stream AND e.version > known.version
GROUP BY e.tenant, e.stream_id"""

Told = Callable[[CallGuided], Awaitable[None]]


class Guide:
    """One call's ear to its conversation: it is `told` each guidance, then whoever waits for an answer in it gets that."""

    def __init__(self, tenant: str, call: UUID, stream: str, version: int) -> None:
        self.tenant = tenant
        self.stream = stream
        self.version = version
        self.told: Told | None = None
        self.newest: CallGuided | None = None
        self.hands_over: Callable[[int], None] | None = None
        """Is told that a person takes over, by the version of the fact that says so."""
        self._call = str(call)
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}

    async def answer(self, number: int, patience_s: float) -> Mapping[str, Any] | None:
        """What came of the `number`th thing that was asked for; None where nobody knows it within `patience_s`."""
        if number in self._answers:
            return self._answers[number]
        waiting = self._waiting.setdefault(number, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(waiting)
        except TimeoutError:
            return None

    async def hear(self, event: Any) -> None:
        """One more fact of the conversation."""
        if isinstance(event, TransferRequested) and event.call == self._call and self.hands_over is not None:
            self.hands_over(self.version)
        if not isinstance(event, CallGuided) or event.call != self._call:
            return
        self.newest = event
        if self.told is not None:
            await self.told(event)
        for number, answer in event.answers.items():
            self._answers[int(number)] = answer
            waiting = self._waiting.pop(int(number), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)


class Guides:
    """The guides of this process: one look into the log serves all its calls."""

    def __init__(self, store: Store, shard: int) -> None:
        self._store = store
        self._shard = shard
        self._guides: dict[UUID, Guide] = {}
        self._grown = asyncio.Event()
        store.listener.on(f"log_{shard}", lambda _: self._grown.set())

    def follow(self, tenant: str, call: UUID, conversation: str, version: int) -> Guide:
        """Hear a call's conversation from after this version of it on."""
        guide = Guide(tenant, call, f"conversation-{conversation}", version)
        self._guides[call] = guide
        self._grown.set()
        return guide

    def leave(self, call: UUID) -> None:
        """The call is over."""
        self._guides.pop(call, None)

    async def run(self) -> None:
        """Read what the conversations of the calls tell, as soon as it is in the log."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if self._guides else None):
                    await self._grown.wait()
            if not self._guides:
                self._grown.clear()
                continue
            await asyncio.sleep(GATHER_S)
            self._grown.clear()
            with left_for_later("the conversations of calls could not be read"):
                await self._read()

    async def _read(self) -> None:
        guides = list(self._guides.values())
        if not guides:  # the last call ended meanwhile
            return
        places = [(guide.tenant, guide.stream, guide.version) for guide in guides]
        tenants, streams, versions = (list(column) for column in zip(*places, strict=True))
        rows = await self._store.pool.fetch(_GROWN, self._shard, tenants, streams, versions)
        grown = {(row["tenant"], row["stream_id"]) for row in rows}
        for guide in guides:
            if (guide.tenant, guide.stream) not in grown:
                continue
            for fact in await self._store.read_stream(guide.tenant, guide.stream, guide.version):
                guide.version = fact.envelope.version
                await guide.hear(fact.event)
