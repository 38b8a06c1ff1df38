"""The stream of a shard and its epoch: making it, proving that it still tells the log's story, and starting anew when it does not."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo, StreamSource
from nats.js.errors import NotFoundError

from libs.kit import wire

log = structlog.get_logger(__name__)

RETENTION = timedelta(days=7)
RESENT = 10_000  # positions that a stream made anew starts with; readers further back read the log
_LOOK_BACK = 64  # messages that may be missing at the end before nothing is left to compare
_COPY_S = 60

_FACT = "SELECT event_id, recorded_at, meta, data FROM log.event WHERE shard = $1 AND pos = $2"  # by primary key: (shard, pos)
_HEAD = "SELECT pos FROM log.log_head WHERE shard = $1"


class EpochDiffers(Exception):
    """The stream holds facts that the log does not: Postgres was restored from an older backup."""

    def __init__(self, shard: int, pos: int, head: int) -> None:
        super().__init__(
            f"{wire.stream_name(shard)} and the log differ at position {pos} (the log's head is {head}): an older backup of "
            "Postgres was restored. Nothing is relayed until a new epoch is begun; the stream's tail is evidence of what "
            "was done in the lost window"
        )
        self.shard = shard
        self.pos = pos
        self.head = head


class EpochAgrees(Exception):
    """The stream and the log tell the same story; there is nothing to begin anew."""


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """What a new epoch left: positions `fork + 1` to `last` of the old one are in the stream `evidence`."""

    epoch: int
    fork: int
    last: int
    evidence: str


def epoch_of(info: StreamInfo) -> int:
    """The epoch that a stream belongs to; 1 is the first."""
    return int((info.config.metadata or {}).get("epoch", "1"))


async def find(js: JetStreamContext, shard: int) -> StreamInfo | None:
    """The shard's stream, or None where there is none."""
    try:
        return await js.stream_info(wire.stream_name(shard))
    except NotFoundError:
        return None


async def create(
    js: JetStreamContext, shard: int, *, head: int, epoch: int | None = None, replicas: int = 1
) -> StreamInfo:
    """Make the shard's stream so that its sequence equals the log's position, starting a little before `head`."""
    if epoch is None:
        epoch = 1
        while await _exists(js, wire.evidence_name(shard, epoch)):
            epoch += 1
    return await js.add_stream(
        StreamConfig(
            name=wire.stream_name(shard),
            description="the log's facts; sequence = position",
            subjects=[f"ev.{shard}.>"],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_age=RETENTION.total_seconds(),
            duplicate_window=1,  # seconds; nothing is deduplicated by id
            num_replicas=replicas,
            allow_atomic=True,  # a relay of the release before publishes batches
            first_seq=max(0, head - RESENT) + 1,
            metadata={"epoch": str(epoch)},
        )
    )


async def check(js: JetStreamContext, connection: asyncpg.Connection, shard: int, info: StreamInfo) -> None:
    """Raise EpochDiffers unless the stream's newest fact is the log's fact at that position."""
    last = info.state.last_seq
    head: int = await connection.fetchval(_HEAD, shard) or 0
    if last > head:
        raise EpochDiffers(shard, last, head)
    for pos in range(last, max(last - _LOOK_BACK, info.state.first_seq - 1), -1):
        same = await _same(js, connection, shard, pos)
        if same is False:
            raise EpochDiffers(shard, pos, head)
        if same:
            return


async def _same(js: JetStreamContext, connection: asyncpg.Connection, shard: int, pos: int) -> bool | None:
    """Whether stream and log hold the same fact at `pos`; None where the stream holds none."""
    try:
        message = await js.get_msg(wire.stream_name(shard), pos)
    except NotFoundError:
        return None
    carried = wire.decode(message.data or b"")
    row = await connection.fetchrow(_FACT, shard, pos)
    if row is None:
        return False
    if carried.is_stub:
        return (carried.event_id, carried.recorded_at) == (row["event_id"], row["recorded_at"])
    kept = _fingerprint(row["event_id"], row["recorded_at"], row["meta"], row["data"])
    return kept == _fingerprint(carried.event_id, carried.recorded_at, bytes(carried.meta), bytes(carried.data))


def _fingerprint(event_id: UUID, recorded_at: datetime, meta: bytes, data: bytes) -> tuple[UUID, datetime, bytes]:
    return event_id, recorded_at, hashlib.sha256(b"%d:%b%b" % (len(meta), meta, data)).digest()


async def new_epoch(js: JetStreamContext, connection: asyncpg.Connection, shard: int, *, replicas: int = 1) -> NewEpoch:
    """Keep the old stream's tail under another name and begin a stream that follows the log again.

    To be called by an operator after EpochDiffers, while the relay stands. Safe to repeat after a crash at any point.
    Raises EpochAgrees where stream and log do not differ.
    """
    info = await find(js, shard)
    if info is None:
        raise EpochAgrees(f"{wire.stream_name(shard)} does not exist; the relay makes it by itself")
    try:
        await check(js, connection, shard, info)
    except EpochDiffers:
        pass
    else:
        raise EpochAgrees(
            f"{wire.stream_name(shard)} and the log agree up to {info.state.last_seq}; no new epoch is needed"
        )
    head: int = await connection.fetchval(_HEAD, shard) or 0
    last, epoch = info.state.last_seq, epoch_of(info)
    fork = await _fork(js, connection, shard, low=info.state.first_seq - 1, high=min(last, head))
    evidence = wire.evidence_name(shard, epoch)
    await _keep_tail(js, shard, evidence, fork=fork, last=last, replicas=replicas)
    await js.delete_stream(wire.stream_name(shard))
    await create(js, shard, head=head, epoch=epoch + 1, replicas=replicas)
    log.warning("a new epoch has begun", shard=shard, epoch=epoch + 1, fork=fork, last=last, evidence=evidence)
    return NewEpoch(epoch=epoch + 1, fork=fork, last=last, evidence=evidence)


async def _fork(js: JetStreamContext, connection: asyncpg.Connection, shard: int, *, low: int, high: int) -> int:
    """The last position up to which both tell the same: what is equal is a prefix, so halving finds its end."""
    while low < high:
        middle = probe = (low + high + 1) // 2
        same = await _same(js, connection, shard, probe)
        while same is None and probe > low + 1:
            probe -= 1
            same = await _same(js, connection, shard, probe)
        if same is False:
            high = probe - 1
        else:
            low = middle
    return low


async def _keep_tail(js: JetStreamContext, shard: int, evidence: str, *, fork: int, last: int, replicas: int) -> None:
    if not await _exists(js, evidence):
        await js.add_stream(
            StreamConfig(
                name=evidence,
                description=f"what {wire.stream_name(shard)} held and the log does not",
                sources=[StreamSource(name=wire.stream_name(shard), opt_start_seq=fork + 1)],
                first_seq=fork + 1,
                num_replicas=replicas,
                storage=StorageType.FILE,
            )
        )
    wanted = await _count(js, shard, fork)
    async with asyncio.timeout(_COPY_S):
        while True:
            copy = await js.stream_info(evidence)
            if copy.state.messages >= wanted:
                break
            await asyncio.sleep(0.05)
    if copy.config.sources:
        # Else it would go on copying from the new stream of the same name.
        copy.config.sources = None
        await js.update_stream(copy.config)


async def _count(js: JetStreamContext, shard: int, fork: int) -> int:
    """How many messages the stream holds after `fork`."""
    state = (await js.stream_info(wire.stream_name(shard))).state
    if not state.num_deleted:
        return max(0, state.last_seq - max(fork, state.first_seq - 1))
    count = 0
    while fork < state.last_seq:
        message = await js.get_msg(wire.stream_name(shard), fork + 1, subject=f"ev.{shard}.>", next=True)
        count += 1
        fork = message.seq or state.last_seq
    return count


async def _exists(js: JetStreamContext, name: str) -> bool:
    try:
        await js.stream_info(name)
    except NotFoundError:
        return False
    return True
