"""What a reactor hears, in order and without a hole: through JetStream while it can, from the log itself when it must."""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import APIError

from libs.kit import telemetry, wire
from libs.kit.bus import Bus, BusAway, Stop
from libs.kit.codec import Stored
from libs.kit.store import Store
from libs.kit.wire import Head

log = structlog.get_logger(__name__)

WINDOW = 2000  # facts asked for in advance
PULL_S = 30
POLL_S = 0.2  # how often the log is read while JetStream is not heard
SILENCE_S = 2.0  # without a word of the relay
LATE_S = 0.5  # for facts that the relay says JetStream holds
REOPEN_S = 1.0
REFUSED_S = 10.0  # nobody answers in time: a request that NATS refuses looks like that
IDLE_S = 1.0

DIRECT = telemetry.gauge("reactor_direct", "1 while the log is read directly instead of JetStream", "consumer", "shard")
BREAKS = telemetry.counter("reactor_breaks", "Times that JetStream was left for the log", "consumer", "shard", "why")


@dataclass(frozen=True, slots=True)
class Heard:
    """Facts in order, and the position up to which there are no others."""

    facts: Sequence[Stored]
    upto: int


class _Provided(msgspec.Struct):
    pos: int = 0
    epoch: int = 0
    error: str = ""


class Hearing:
    """The facts of some families of a shard after a position."""

    def __init__(
        self, consumer: str, shard: int, families: Collection[str], *, after: int, store: Store, bus: Bus
    ) -> None:
        self.examined = after
        self._consumer = consumer
        self._shard = shard
        self._families = frozenset(families)
        self._store = store
        self._bus = bus
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._credit = 0
        self._live = False
        self._broken = ""
        self._inbox = ""
        self._epoch = 0
        self._head: Head | None = None
        self._stops: list[Stop] = []
        self._time = asyncio.get_running_loop().time
        self._reopen_at = 0.0
        self._word_at = 0.0
        self._late_since = 0.0
        self._unwatch = bus.watch(self._on_connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._unwatch()
        await self._leave()

    @property
    def live(self) -> bool:
        """Whether facts come through JetStream at this moment."""
        return self._live

    @property
    def head(self) -> int:
        """The last position that exists, as far as is known here."""
        return max(self.examined, self._head.pos if self._head else 0)

    def wake(self) -> None:
        """Let `next` return soon, with or without facts."""
        self._wake.set()

    async def next(self, limit: int) -> Heard:
        """The next facts, at most `limit`; after a second at most without any."""
        if not self._live and self._bus.connected and self._time() >= self._reopen_at:
            await self._open()
        if self._live:
            self._wake.clear()
            await self._gather(limit)
            heard = await self._from_stream(limit)
            if heard.facts or not self._broken:
                if not heard.facts and not self._wake.is_set():
                    await self._sleep(IDLE_S)
                    self._doubt()
                return heard
            await self._leave()
        self._wake.clear()
        heard = await self._from_log(limit)
        if not heard.facts:
            await self._sleep(POLL_S)
        return heard

    async def _sleep(self, seconds: float) -> None:
        late = self._late()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LATE_S) if late else seconds):
                await self._wake.wait()

    async def _from_log(self, limit: int) -> Heard:
        head = await self._store.head(self._shard)
        if head <= self.examined:
            return Heard((), self.examined)
        rows = await self._store.read_sealed(self._shard, self.examined, limit, families=sorted(self._families))
        if len(rows) == limit:
            self.examined = rows[-1].pos
        else:
            self.examined = max(head, rows[-1].pos if rows else 0)
        return Heard(rows, self.examined)

    async def _gather(self, limit: int) -> None:
        """Let in what the socket holds already: a batch costs as much for one fact as for many."""
        waiting = 0
        while waiting < len(self._queue) < limit:
            waiting = len(self._queue)
            await asyncio.sleep(0)

    async def _from_stream(self, limit: int) -> Heard:
        facts: list[Stored] = []
        examined = self.examined
        while self._queue and len(facts) < limit:
            try:
                fact = wire.decode(self._queue.popleft())
            except msgspec.MsgspecError as error:
                self._break("unreadable", error=str(error))
                break
            if fact.pos <= examined:
                continue
            if not fact.follows(examined, self._families):
                self._break("missing", pos=fact.pos, prev=fact.prev, examined=examined)
                break
            facts.append(await self._body(fact) if fact.is_stub else fact)
            examined = fact.pos
        head = self._head
        if not facts and head and head.pos > examined and head.last_of(self._families) <= examined:
            examined = head.pos
        if examined > self.examined:
            self.examined, self._late_since = examined, 0.0
        if self._credit < WINDOW // 2 and not self._broken:
            await self._pull()
        return Heard(facts, examined)

    async def _body(self, stub: wire.Wire) -> Stored:
        return (await self._store.read_sealed(self._shard, stub.pos - 1, 1))[0]

    async def _open(self) -> None:
        """Ask the relay for the consumer, set it to where we stand, and listen. Only a relay that leads answers."""
        self._reopen_at = self._time() + REOPEN_S
        try:
            ask = wire.consumer_subject(self._shard, self._consumer)
            body = msgspec.json.encode({"families": sorted(self._families)})
            provided = msgspec.json.decode(await self._bus.request(ask, body, timeout=1.0), type=_Provided)
            if provided.error:
                log.error("the relay provides no consumer", consumer=self._consumer, reason=provided.error)
                return
            self._queue.clear()
            self._broken, self._credit, self._head, self._epoch = "", 0, None, provided.epoch
            inbox = self._bus.new_inbox()
            self._stops.append(await self._bus.take(wire.head_subject(self._shard), self._on_head))
            self._stops.append(await self._bus.take(inbox, self._on_message))
            self._inbox = inbox
            js = self._bus.jetstream
            await js.reset_consumer(wire.stream_name(self._shard), self._consumer, seq=self.examined + 1)
            await self._pull()
        except NatsTimeout:
            log.warning(
                "no consumer: the relay does not answer, or users.toml does not list it", consumer=self._consumer
            )
            self._reopen_at = self._time() + REFUSED_S
            await self._leave()
            return
        except NoRespondersError:
            self._reopen_at = self._time() + POLL_S  # no relay leads yet; to ask costs no more than to read the log
            await self._leave()
            return
        except (BusAway, NatsError, APIError, msgspec.MsgspecError) as error:
            log.debug("jetstream is not heard yet", consumer=self._consumer, reason=str(error) or type(error).__name__)
            await self._leave()
            return
        self._live = True
        self._word_at, self._late_since = self._time(), 0.0
        DIRECT.labels(self._consumer, str(self._shard)).set(0)
        log.info("hears jetstream", consumer=self._consumer, shard=self._shard, after=self.examined)

    async def _leave(self) -> None:
        self._live = False
        self._queue.clear()
        stops, self._stops = self._stops, []
        for stop in stops:
            with suppress(BusAway, NatsError):
                await stop()
        DIRECT.labels(self._consumer, str(self._shard)).set(1)

    async def _pull(self) -> None:
        count = WINDOW - self._credit
        body = msgspec.json.encode({"batch": count, "expires": PULL_S * 1_000_000_000})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{wire.stream_name(self._shard)}.{self._consumer}"
        try:
            await self._bus.publish(subject, body, reply=self._inbox)
        except BusAway:
            self._break("away")
        else:
            self._credit += count

    def _on_message(self, data: bytes, headers: bytes) -> None:
        if headers.startswith(b"NATS/1.0 "):
            self._on_status(headers)
            return
        self._queue.append(data)
        self._credit -= 1
        self._wake.set()

    def _on_status(self, headers: bytes) -> None:
        line, *fields = headers.decode(errors="replace").split("\r\n")
        code = line[9:12]
        if code == "100":
            return
        for entry in fields:
            name, _, value = entry.partition(":")
            if name == "Nats-Pending-Messages" and value.strip().isdigit():
                self._credit = max(0, self._credit - int(value))
                break
        else:
            self._credit = 0
        if code not in ("404", "408"):
            self._break("ended", status=line)
        self._wake.set()

    def _on_head(self, data: bytes, headers: bytes) -> None:
        self._head = wire.decode_head(data)
        self._word_at = self._time()
        if self._late() and not self._late_since:
            self._late_since = self._word_at
        if self._head.epoch != self._epoch:
            self._break("epoch", epoch=self._head.epoch)
        self._wake.set()

    def _on_connection(self, up: bool) -> None:
        if up:
            self._reopen_at = 0.0
        elif self._live:
            self._break("away")
        self._wake.set()

    def _late(self) -> bool:
        return self._live and self._head is not None and self._head.last_of(self._families) > self.examined

    def _doubt(self) -> None:
        """Leave JetStream when it does not deliver what the relay says it holds, or when the relay is silent."""
        now = self._time()
        if not self._late():
            self._late_since = 0.0
        if self._late_since and not self._queue and now - self._late_since > LATE_S:
            self._break("late", examined=self.examined)
        elif now - self._word_at > SILENCE_S:
            self._break("silent")

    def _break(self, why: str, **details: object) -> None:
        if not self._broken:
            self._broken = why
            BREAKS.labels(self._consumer, str(self._shard), why).inc()
            log.warning("leaves jetstream for the log", consumer=self._consumer, shard=self._shard, why=why, **details)
        self._wake.set()
