"""Copies the log into JetStream, position for position: the stream's last sequence is the checkpoint."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import NoReturn

import asyncpg
import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from libs.kit import epoch, telemetry, wire
from libs.kit.bus import Bus, BusAway
from libs.kit.cancelling import pause
from libs.kit.clock import Clock
from libs.kit.epoch import EpochDiffers
from libs.kit.frames import Batch, Stamps, frames, read_answer
from libs.kit.leadership import Term, leading
from libs.kit.listen import WANT, WANT_NO_MORE

log = structlog.get_logger(__name__)

POLL_S = 0.5  # NOTIFY wakes it sooner
HEAD_S = 0.05  # so often at most every reactor is told how far the relay has come; facts bring their own places along
BATCH = 1000
BATCH_BYTES = 8 * 1024 * 1024
ANSWER_S = 5.0
PAUSE_S = 0.1
STUCK_S = 30.0
"""So long JetStream may take nothing although it answers, until the stream is made anew: a server whose disk was full writes
nothing more to a stream that it has, also when there is room again (nats-server 2.14)."""
CONSUMER_UNUSED = timedelta(days=30)
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_READ = (
    "SELECT pos, stream_id, version, tenant, category, type, event_id, correlation_id, causation_id, occurred_at, recorded_at,"
    " meta, data FROM log.event WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3"
)
_HEAD = "SELECT pos FROM log.log_head WHERE shard = $1"
_FAMILIES = "SELECT category, max(pos) FROM log.event WHERE shard = $1 AND pos > $2 AND pos <= $3 GROUP BY category"

POSITION = telemetry.gauge("relay_position", "Last position that JetStream holds", "shard")
LAG = telemetry.gauge("relay_lag_positions", "Positions that the log has and JetStream does not", "shard")
LAG_S = telemetry.gauge("relay_lag_seconds", "Age of the oldest fact that JetStream does not hold", "shard")
EPOCH = telemetry.gauge("relay_epoch", "Epoch of the shard's stream", "shard")
STOPPED = telemetry.gauge("relay_stopped", "1 while the relay refuses to go on until a person acts", "shard")
BATCHES = telemetry.counter("relay_batches", "Batches that JetStream has taken", "shard")
FACTS = telemetry.counter("relay_facts", "Facts that JetStream has taken", "shard")
RESYNCS = telemetry.counter("relay_resyncs", "Times the relay asked JetStream where it stands", "shard", "reason")
BATCH_SECONDS = telemetry.histogram("relay_batch_seconds", "From sending a batch to its acknowledgement", "shard")


class LogHasGap(Exception):
    """Positions of a shard are contiguous; a hole means a bug or a damaged database, and nothing may pass it."""

    def __init__(self, shard: int, expected: int, found: int) -> None:
        super().__init__(f"shard {shard} of the log has position {found} where {expected} must stand")


class _Resync(Exception):
    """Where JetStream stands has to be asked again."""


class _Ask(msgspec.Struct):
    families: list[str]


class Relay:
    """The only writer of a shard's stream. Several may run: one leads, the others stand by."""

    def __init__(
        self, shard: int, *, url: str, bus: Bus, clock: Clock, role: str | None = None, replicas: int = 1
    ) -> None:
        self.shard = shard
        self.sent = 0
        self.epoch = 0
        self.state = "starting"
        self._url = url
        self._role = role
        self._bus = bus
        self._clock = clock
        self._replicas = replicas
        self._stamps = Stamps(0, {})
        self._wake = asyncio.Event()
        self._notified = 0  # the head that Postgres has told of, as long as it is asked to
        self._listens = False
        self._told = 0  # the position, and the moment of the loop's clock, of the last word to the reactors
        self._told_at = 0.0
        self._moved = asyncio.Condition()
        self._answer: asyncio.Future[bytes] | None = None
        self._inbox = ""
        self._label = str(shard)
        self._channel = f"log_{shard}"

    async def run(self) -> NoReturn:
        """Relay until cancelled. Raises EpochDiffers or LogHasGap: then a person has to act before it may start again."""
        while True:
            try:
                async with leading(
                    self._url, "relay", self.shard, database_role=self._role, on_standby=self._stand_by
                ) as term:
                    await self._lead(term)
            except LOST as error:
                self.state = f"waiting for postgres: {type(error).__name__}"
                log.warning("the relay lost postgres", shard=self.shard, error=type(error).__name__)
            except (EpochDiffers, LogHasGap) as error:
                self.state = f"stopped: {error}"
                STOPPED.labels(self._label).set(1)
                log.error("the relay has stopped", shard=self.shard, reason=str(error))
                raise
            await pause(PAUSE_S)

    def health(self) -> dict[str, str]:
        """What it is doing, for the readiness answer."""
        return {f"relay-{self.shard}": self.state}

    async def caught_up(self, pos: int) -> None:
        """Return when JetStream holds every fact up to `pos`."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.sent >= pos)

    def _stand_by(self) -> None:
        self.state = "ok: standby"

    async def _lead(self, term: Term) -> None:
        log.info("the relay leads", shard=self.shard)
        self._notified, self._listens = 0, False  # of another server, perhaps
        async with AsyncExitStack() as stack:
            await term.connection.add_listener(self._channel, self._hear)
            term.connection.add_termination_listener(
                lambda *_: self._interrupt(asyncpg.InterfaceError("connection lost"))
            )
            stack.callback(self._bus.watch(lambda up: None if up else self._interrupt(BusAway("nats is away"))))
            stands, since = -1, 0.0
            while not term.over:
                copying = False
                try:
                    await self._until_bus(term)
                    # Nobody gets a consumer before the stream has proved to tell the log's story.
                    await self._synchronise(term.connection)
                    if self.sent != stands:
                        stands, since = self.sent, 0.0
                    elif since and time.monotonic() - since > STUCK_S:
                        stands, since = -1, 0.0
                        await self._start_over()
                        continue
                    copying = True
                    async with self._attached():
                        await self._copy(term)
                except (_Resync, BusAway, NatsError, APIError, TimeoutError) as error:
                    self.state = f"waiting for nats: {error}"
                    RESYNCS.labels(self._label, type(error).__name__).inc()
                    if copying and self.sent == stands and isinstance(error, _Resync | TimeoutError):
                        since = since or time.monotonic()
                    log.warning(
                        "the relay asks jetstream anew", shard=self.shard, reason=str(error) or type(error).__name__
                    )
                    await pause(PAUSE_S)

    async def _start_over(self) -> None:
        """Remove a stream that takes nothing more: it holds only what the log holds, as has just been proved."""
        log.error("the stream takes nothing more and is made anew", shard=self.shard, stands=self.sent)
        await self._bus.jetstream.delete_stream(wire.stream_name(self.shard))

    def _hear(self, connection: object, pid: int, channel: str, head: str) -> None:
        self._notified = max(self._notified, int(head))
        self._wake.set()

    def _interrupt(self, error: Exception) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)
        self._wake.set()

    async def _until_bus(self, term: Term) -> None:
        while not self._bus.connected:
            self.state = "waiting for nats"
            await term.connection.execute("SELECT 1")  # notices a lost lock
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._bus.until_connected()

    @asynccontextmanager
    async def _attached(self) -> AsyncIterator[None]:
        """Listen for JetStream's acknowledgements and for reactors that ask for a consumer."""
        inbox = self._bus.new_inbox()
        stops = [
            await self._bus.take(inbox, self._on_answer),
            await self._bus.answer(wire.consumer_subject(self.shard, "*"), self._provide),
        ]
        self._inbox = inbox
        try:
            yield
        finally:
            for stop in stops:
                with suppress(NatsError, BusAway):
                    await stop()

    def _on_answer(self, data: bytes, headers: bytes) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(data or headers)

    async def _synchronise(self, connection: asyncpg.Connection) -> None:
        """Take up where the stream ends, after proving that it tells what the log tells."""
        js = self._bus.jetstream
        info = await epoch.find(js, self.shard)
        if info is None:
            head = await connection.fetchval(_HEAD, self.shard) or 0
            info = await epoch.create(js, self.shard, head=head, replicas=self._replicas)
            say = log.warning if info.state.first_seq > 1 else log.info  # of a log that is young there was none to lose
            say("the stream was made", shard=self.shard, first=info.state.first_seq)
        await epoch.check(js, connection, self.shard, info)
        self.epoch = epoch.epoch_of(info)
        await self._arrive(info.state.last_seq)
        floor = max(0, self.sent - epoch.RESENT)
        rows = await connection.fetch(_FAMILIES, self.shard, floor, self.sent)
        self._stamps = Stamps(floor, {row[0]: row[1] for row in rows})
        self.state = f"ok: leading, epoch {self.epoch}"
        STOPPED.labels(self._label).set(0)
        EPOCH.labels(self._label).set(self.epoch)
        await self._tell_head()

    async def _copy(self, term: Term) -> None:
        ahead: asyncio.Task[list[asyncpg.Record]] | None = None
        limit = BATCH
        try:
            while True:
                if ahead is None:
                    rows = await term.connection.fetch(_READ, self.shard, self.sent, limit)
                else:
                    rows, ahead = await ahead, None
                if rows:
                    batch = self._batch(rows)
                    more = len(rows) == limit or max(self._notified, rows[-1]["pos"]) > batch.last or not self._listens
                    limit = max(16, min(BATCH, BATCH_BYTES * batch.count // max(1, batch.size)))
                    answer = await self._send(batch)
                    if more:
                        ahead = asyncio.create_task(self._read_on(term.connection, batch.last, limit))
                    await self._acknowledged(batch, answer)
                elif not self._listens:
                    await term.connection.execute(WANT, self._channel)
                    self._listens = True
                    continue  # for what came before that
                else:
                    await self._tell_head()  # a head is told by a leader only, and this connection has just proved it
                if ahead is None:
                    await self._idle(term)
        finally:
            if ahead is not None:
                await asyncio.gather(ahead, return_exceptions=True)

    async def _read_on(self, connection: asyncpg.Connection, after: int, limit: int) -> list[asyncpg.Record]:
        """The next rows of a backlog; until its end nobody need tell of more."""
        if self._listens:
            self._listens = False
            await connection.execute(WANT_NO_MORE, self._channel)
        rows: list[asyncpg.Record] = await connection.fetch(_READ, self.shard, after, limit)
        return rows

    def _batch(self, rows: list[asyncpg.Record]) -> Batch:
        """Turn rows into frames, having checked that they follow what was sent and each other."""
        for expected, row in enumerate(rows, self.sent + 1):
            if row[0] != expected:
                raise LogHasGap(self.shard, expected, row[0])
        LAG_S.labels(self._label).set(max(0.0, (self._clock.machine() - rows[0]["recorded_at"]).total_seconds()))
        LAG.labels(self._label).set(len(rows))
        return frames(
            rows,
            shard=self.shard,
            stamps=self._stamps,
            reply=self._inbox,
            largest=self._bus.max_payload,
            size_limit=BATCH_BYTES,
        )

    async def _send(self, batch: Batch) -> asyncio.Future[bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        await self._bus.publish_raw(batch.frames)
        return self._answer

    async def _acknowledged(self, batch: Batch, answer: asyncio.Future[bytes]) -> None:
        with BATCH_SECONDS.labels(self._label).time():
            async with asyncio.timeout(ANSWER_S):
                reply = read_answer(await answer)
        if reply.error or reply.seq != batch.last:
            raise _Resync(reply.error or f"JetStream holds {reply.seq}, not {batch.last}")
        self._stamps = batch.stamps
        await self._arrive(batch.last)
        BATCHES.labels(self._label).inc()
        FACTS.labels(self._label).inc(batch.count)
        if asyncio.get_running_loop().time() - self._told_at >= HEAD_S:
            await self._tell_head()

    async def _arrive(self, pos: int) -> None:
        async with self._moved:
            self.sent = pos
            self._moved.notify_all()
        POSITION.labels(self._label).set(pos)

    async def _idle(self, term: Term) -> None:
        """Return when Postgres tells of more than was sent, and after a while to see for oneself."""
        if self._notified > self.sent or term.over:
            return
        if not self._bus.connected:
            raise BusAway("nats is away")
        self._wake.clear()
        LAG.labels(self._label).set(0)
        LAG_S.labels(self._label).set(0)
        if self._told < self.sent and not await self._woken(HEAD_S):
            await self._tell_head()
        await self._woken(POLL_S)

    async def _woken(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        return self._wake.is_set()

    async def _tell_head(self) -> None:
        self._told, self._told_at = self.sent, asyncio.get_running_loop().time()
        head = wire.Head(pos=self.sent, epoch=self.epoch, floor=self._stamps.floor, families=self._stamps.last)
        await self._bus.signal(wire.head_subject(self.shard), wire.encode(head))

    async def _provide(self, subject: str, body: bytes) -> bytes:
        """Make or change a reactor's consumer. Only the relay may: a consumer could be told to forge facts elsewhere."""
        consumer = subject.rpartition(".")[2]
        try:
            families = sorted(msgspec.json.decode(body, type=_Ask).families)
            await self._bus.jetstream.add_consumer(
                wire.stream_name(self.shard),
                ConsumerConfig(
                    durable_name=consumer,
                    deliver_policy=DeliverPolicy.ALL,
                    ack_policy=AckPolicy.NONE,  # the watermark in Postgres is the acknowledgement
                    filter_subjects=[wire.family_filter(self.shard, family) for family in families],
                    max_waiting=16,
                    mem_storage=True,  # and after a restart of NATS the reactor asks for it anew; on disk it is half the work
                    inactive_threshold=CONSUMER_UNUSED.total_seconds(),
                ),
            )
        except (msgspec.MsgspecError, NatsError, APIError, ValueError) as error:
            log.error("a consumer could not be provided", shard=self.shard, consumer=consumer, error=str(error))
            return msgspec.json.encode({"error": str(error)})
        return msgspec.json.encode({"pos": self.sent, "epoch": self.epoch})
