"""The log: facts in, facts out. Appends of a process travel together; personal fields are sealed on the way in."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from events import CATEGORIES
from events.base import Category, Cause, Draft, Event, Recorded
from libs.kit import postgres
from libs.kit.appends import (
    ANY,
    Append,
    Appended,
    FactTooLarge,
    Fenced,
    KeysLost,
    Overloaded,
    Request,
    StreamMoved,
    Unavailable,
    arguments,
    asking_postgres,
    keys_of,
    refusals,
    seal,
)
from libs.kit.codec import COLUMNS, Codec, Row, Stored
from libs.kit.crypto import CHANNEL, Keyring, Keys
from libs.kit.lane import PATIENCE_S, PAUSE_S, Lane, Lines
from libs.kit.listen import Listener
from libs.kit.tenants import Tenants, UnknownTenant
from libs.kit.unit import Unit
from libs.kit.wakes import Wakes

__all__ = [
    "ANY",
    "Append",
    "Appended",
    "FactTooLarge",
    "Fenced",
    "Overloaded",
    "Store",
    "StreamMoved",
    "Unavailable",
    "Unit",
    "UnknownTenant",
]

CLOSE_S = 5.0
SEALINGS = 4  # a crash of Postgres between sealing and appending makes an append be sealed again

READ_STREAM = (
    f"SELECT {COLUMNS} FROM log.event WHERE shard = $1 AND tenant = $2 AND stream_id = $3 AND version > $4"  # noqa: S608
    " AND ($5::bigint IS NULL OR pos <= $5) ORDER BY version"
)
READ_LOG = f"SELECT {COLUMNS} FROM log.event WHERE shard = $1 AND pos > $2"  # noqa: S608 - constant column names
HEAD = "SELECT pos FROM log.log_head WHERE shard = $1"
VERSION = (
    "SELECT version FROM log.event WHERE shard = $1 AND tenant = $2 AND stream_id = $3 ORDER BY version DESC LIMIT 1"
)


class Store:
    """The log of all shards. Raises Unavailable where Postgres is away.

    `pool` is for reads of any kind, `writers` for the few statements that write, again and again.
    """

    def __init__(
        self,
        url: str,
        pool: asyncpg.Pool,
        writers: asyncpg.Pool,
        codec: Codec,
        keyring: Keyring,
        tenants: Tenants,
        listener: Listener,
        *,
        role: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.url = url
        self.role = role
        self.pool = pool
        self.writers = writers
        self.codec = codec
        self.keyring = keyring
        self.tenants = tenants
        self.listener = listener
        self.wakes = Wakes(pool)
        self._patience_s = patience_s
        self._lines = Lines(writers, keep=max(1, writers.get_max_size() // 2))
        self._lanes: dict[int, Lane] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        master: bytes,
        categories: Iterable[Category] = CATEGORIES,
        role: str | None = None,
        name: str = "converse",
        connections: int = 8,
        patience_s: float = PATIENCE_S,
    ) -> AsyncIterator["Store"]:
        """A store with connections of its own. `role`: the group role whose rights are enough for its service.

        An append that Postgres does not take is repeated for `patience_s` before it fails.
        """
        async with AsyncExitStack() as stack:
            pools: list[asyncpg.Pool] = []
            stack.push_async_callback(_close, pools)
            pools.append(pool := await postgres.pool(url, role=role, size=connections, name=name))
            writers = await postgres.pool(
                url, role=role, size=connections, name=f"{name}-writes", settings=postgres.PLANNED_ONCE
            )
            pools.append(writers)
            key_pool = await postgres.pool(
                url, role=role, size=2, name=f"{name}-keys", settings={"synchronous_commit": "off"}
            )
            pools.append(key_pool)
            listener = await stack.enter_async_context(Listener(url, role=role, name=f"{name}-listen"))
            keyring = Keyring(key_pool, master)
            stack.callback(listener.on(CHANNEL, keyring.forget))
            store = cls(
                url,
                pool,
                writers,
                Codec(categories),
                keyring,
                Tenants(pool),
                listener,
                role=role,
                patience_s=patience_s,
            )
            stack.push_async_callback(store.drain)
            yield store

    async def drain(self) -> None:
        """Take no more appends, and return once all that wait are answered."""
        for lane in self._lanes.values():
            await lane.close()
        await self._lines.close()
        await self.wakes.close()

    async def append(
        self,
        tenant: str,
        stream: str,
        expected: int,
        drafts: Sequence[Draft],
        cause: Cause,
        *,
        consumer: str = "",
        first: int = 0,
    ) -> Appended:
        """Add facts to a stream that is at version `expected` (or ANY); durable when this returns.

        The same facts for the same cause again: `duplicate`, and nothing is written. Safe to repeat after any failure.
        Raises StreamMoved, Overloaded, Unavailable, FactTooLarge, UnknownTenant.
        """
        append = Append(tenant, stream, expected, drafts, cause, consumer, first)
        shard = self.tenants.known_shard_of(tenant)
        if shard is None:
            shard = await self.shard_of(tenant)
        names = keys_of(append, self.codec)
        lane = self._lanes.get(shard)
        if lane is None:
            lane = self._lanes[shard] = Lane(self._lines, shard, patience_s=self._patience_s)
        for _ in range(SEALINGS):
            keys = self.keyring.at_hand(tenant, names)
            if keys is None:
                keys = await self._made(tenant, names)
            request = seal(append, self.codec, keys)
            try:
                return await lane.submit(request)
            except KeysLost:
                self._renew_keys([request])
        raise Unavailable("Postgres crashes again and again; try again later")

    async def _made(self, tenant: str, names: Collection[str]) -> Keys:
        """The keys of an append, as patiently as it is written itself: one connection that dies refuses nobody."""
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                with asking_postgres():
                    return await self.keyring.ensure(tenant, names)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_S)

    async def append_any(
        self, tenant: str, stream: str, drafts: Sequence[Draft], cause: Cause, *, consumer: str = "", first: int = 0
    ) -> Appended:
        """Add facts wherever the stream ends; `duplicate` if it already holds them. Never raises StreamMoved."""
        return await self.append(tenant, stream, ANY, drafts, cause, consumer=consumer, first=first)

    async def append_where(
        self, shard: int, sql: str, args: Sequence[Any], appends: Sequence[Append]
    ) -> asyncpg.Record | None:
        """Change a private row and append what that means, in one statement; its row, or None: then nothing was written.

        `sql` calls appends.BATCH once, for the row that it has changed; its own arguments come after
        that call's. Raises as `Unit.commit` does.
        """
        with asking_postgres():
            requests = await self.sealed(appends)
            with self.present_keys(requests), refusals(shard, requests):
                row: asyncpg.Record | None = await self.writers.fetchrow(sql, *arguments(shard, requests), *args)
        return row

    @asynccontextmanager
    async def transaction(
        self, shard: int, *, connection: asyncpg.Connection | None = None, lazily: bool = False
    ) -> AsyncIterator[Unit]:
        """A transaction for private rows and, as its last statement, facts. What is not committed is rolled back.

        `lazily`: it begins with `Unit.begin`; without that the facts and the watermark alone are one.
        """
        async with AsyncExitStack() as stack:
            with asking_postgres():
                if connection is None:
                    connection = await self.pool.acquire(timeout=5)
                    stack.push_async_callback(self.pool.release, connection)
                unit = Unit(self, shard, connection)
                if not lazily:
                    await unit.begin()
            try:
                yield unit
            finally:
                if not unit.committed and not unit.lost and connection.is_in_transaction():
                    try:
                        await unit.rollback()
                    except postgres.AWAY:
                        postgres.end(connection)

    async def read_stream(
        self,
        tenant: str,
        stream: str,
        after_version: int = 0,
        upto_pos: int | None = None,
        *,
        connection: asyncpg.Connection | None = None,
    ) -> list[Recorded[Event]]:
        """The facts of a stream in order, up to a position of the log."""
        shard = await self.shard_of(tenant)
        with asking_postgres():
            rows = await (connection or self.pool).fetch(READ_STREAM, shard, tenant, stream, after_version, upto_pos)
        return await self.unseal(_rows(rows))

    async def read_log(
        self,
        shard: int,
        after_pos: int,
        limit: int,
        families: Collection[str] | None = None,
        upto_pos: int | None = None,
    ) -> list[Recorded[Event]]:
        """At most `limit` facts of a shard, or of some families, in order of position.

        Fewer than `limit` mean: all up to `upto_pos`, or up to the head at the time of reading.
        """
        return await self.unseal(await self.read_sealed(shard, after_pos, limit, families, upto_pos))

    async def read_sealed(
        self,
        shard: int,
        after_pos: int,
        limit: int,
        families: Collection[str] | None = None,
        upto_pos: int | None = None,
    ) -> list[Row]:
        """As `read_log`, still sealed."""
        sql: str = READ_LOG
        args: list[Any] = [shard, after_pos]
        if families is not None:
            args.append(list(families))
            sql += f" AND category = ANY(${len(args)})"
        if upto_pos is not None:
            args.append(upto_pos)
            sql += f" AND pos <= ${len(args)}"
        args.append(limit)
        return _rows(await self._fetch(f"{sql} ORDER BY pos LIMIT ${len(args)}", *args))

    async def unseal(self, rows: Sequence[Stored]) -> list[Recorded[Event]]:
        """Facts out of rows of the log, or of what the bus carried. Raises UnknownFact."""
        half, needed = self.codec.read(rows)
        keys: Keys = {}
        if needed:
            by_tenant: dict[str, list[str]] = {}
            for tenant, name in needed:
                by_tenant.setdefault(tenant, []).append(name)
            with asking_postgres():
                for tenant, names in by_tenant.items():
                    keys |= await self.keyring.open(tenant, names)
        return self.codec.finish(rows, half, keys)

    async def version(self, tenant: str, stream: str) -> int:
        """How many facts a stream holds."""
        rows = await self._fetch(VERSION, await self.shard_of(tenant), tenant, stream)
        return int(rows[0][0]) if rows else 0

    async def head(self, shard: int) -> int:
        """The position of a shard's last fact; 0 before the first."""
        rows = await self._fetch(HEAD, shard)
        return int(rows[0][0]) if rows else 0

    async def watermark(self, consumer: str, shard: int) -> int:
        """The last position that a consumer has examined; 0 where it has not begun."""
        rows = await self._fetch("SELECT pos FROM log.checkpoint WHERE consumer = $1 AND shard = $2", consumer, shard)
        return int(rows[0][0]) if rows else 0

    async def shard_of(self, tenant: str) -> int:
        """The shard that a tenant lives in. Raises UnknownTenant."""
        with asking_postgres():
            return await self.tenants.shard_of(tenant)

    async def sealed(self, appends: Sequence[Append]) -> list[Request]:
        """The appends as they are sent, with keys made where they do not exist."""
        needed: dict[str, set[str]] = {}
        for append in appends:
            if names := keys_of(append, self.codec):
                needed.setdefault(append.tenant, set()).update(names)
        keys: Keys = {}
        with asking_postgres():
            for tenant, names in needed.items():
                keys |= await self.keyring.ensure(tenant, names)
        return [seal(append, self.codec, keys) for append in appends]

    @contextmanager
    def present_keys(self, requests: Sequence[Request]) -> Iterator[None]:
        """Raises Unavailable where Postgres has crashed since the keys of these were obtained: sealed anew they will do."""
        try:
            yield
        except KeysLost as error:
            self._renew_keys(requests)
            raise Unavailable("Postgres has crashed and taken keys along; try again") from error

    def _renew_keys(self, requests: Iterable[Request]) -> None:
        for life in {request.life for request in requests if request.life}:
            self.keyring.renew(life)

    async def _fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        with asking_postgres():
            rows: list[asyncpg.Record] = await self.pool.fetch(sql, *args)
        return rows


def _rows(records: Iterable[asyncpg.Record]) -> list[Row]:
    return [Row(*record) for record in records]


async def _close(pools: Sequence[asyncpg.Pool]) -> None:
    """Let go of all connections, at once of those that do not answer within CLOSE_S."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await asyncio.gather(*(pool.close() for pool in pools))
    except TimeoutError:
        for pool in pools:
            pool.terminate()
