"""Appending while Postgres, or the way to it, dies: nothing acknowledged is lost, nothing is written twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

from libs.kit.embedded import PostgresServer
from libs.kit.store import Append, Appended, Store, Unavailable
from libs.testkit.nouns import TENANT
from libs.testkit.servers import MASTER, StoreOf
from tests.libs.kit.ledger import PARCEL, cause, connected, contiguous, moved, sent, until


class Cable:
    """The way to Postgres, which can be cut just after it has answered and before the answer arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self.port = 0
        self.cut_before_answer_to = b""
        self.cuts = 0

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Cable"]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._address)
        swallow = asyncio.Event()

        async def there() -> None:
            while data := await reader.read(65536):
                if self.cut_before_answer_to and self.cut_before_answer_to in data:
                    self.cut_before_answer_to = b""
                    swallow.set()
                far_writer.write(data)
                await far_writer.drain()

        async def back() -> None:
            while data := await far_reader.read(65536):
                if swallow.is_set():
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()

        ways = {asyncio.create_task(there()), asyncio.create_task(back())}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, far_writer):
            end.close()
        for end in (writer, far_writer):
            with suppress(OSError):
                await end.wait_closed()


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


async def test_an_append_whose_connection_is_terminated_is_written_once(log: Store, database: str):
    holder = await asyncpg.connect(database)
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT FROM log.log_head WHERE shard = 0 FOR UPDATE")
    append = asyncio.create_task(log.append(TENANT, "parcel-1", 0, [sent("parcel-1"), *moved("parcel-1", 1)], cause()))

    async def terminate() -> bool:
        # Not through `holder`: within a transaction the view does not change.
        done: bool | None = await log.pool.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%append_batch%'"
        )
        return bool(done)

    await until(terminate)
    await held.rollback()

    assert await append == Appended(2, 2)
    assert await contiguous(log.pool)
    await holder.close()


async def test_an_append_that_was_written_but_not_answered_is_found_by_its_id(database: str):
    parts = urlsplit(database)
    async with Cable("127.0.0.1", parts.port or 5432).laid() as cable:
        through = database.replace(f":{parts.port}", f":{cable.port}")
        async with Store.open(through, master=MASTER, categories=[PARCEL]) as store:
            await store.append(TENANT, "parcel-0", 0, [sent("parcel-0")], cause())
            cable.cut_before_answer_to = b"parcel-unlucky"

            done = await asyncio.gather(
                store.append(TENANT, "parcel-unlucky", 0, moved("parcel-unlucky", 1, 2), cause()),
                store.append_any(TENANT, "parcel-other", moved("parcel-other", 1), cause()),
            )

            assert cable.cuts == 1
            assert {done[0].version, done[1].version} == {2, 1}
            assert done[0].duplicate
            assert await store.head(0) == 4
            assert await contiguous(store.pool)


async def test_an_append_whose_keys_were_asked_for_over_a_dying_connection_is_written(database: str):
    parts = urlsplit(database)
    async with Cable("127.0.0.1", parts.port or 5432).laid() as cable:
        through = database.replace(f":{parts.port}", f":{cable.port}")
        async with Store.open(through, master=MASTER, categories=[PARCEL]) as store:
            cable.cut_before_answer_to = b"keys.data_key"
            done = await store.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause())
            assert cable.cuts == 1
            assert (done.pos, done.version) == (1, 1)
            assert len(await store.read_stream(TENANT, "parcel-1")) == 1


async def test_a_unit_whose_commit_was_not_answered_says_so_and_leaves_its_watermark(database: str):
    parts = urlsplit(database)
    async with Cable("127.0.0.1", parts.port or 5432).laid() as cable:
        through = database.replace(f":{parts.port}", f":{cable.port}")
        async with Store.open(through, master=MASTER, categories=[PARCEL]) as store:
            appends = [Append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())]
            async with store.transaction(0) as unit:
                cable.cut_before_answer_to = b"COMMIT"
                with pytest.raises(Unavailable):
                    await unit.commit("c", 0, 9, appends)
            assert await store.watermark("c", 0) == 9
            assert await store.head(0) == 1


async def test_killing_postgres_loses_nothing_that_was_acknowledged(embedded_postgres: PostgresServer):
    acknowledged: set[str] = set()
    doubtful: dict[str, Append] = {}
    dead = asyncio.Event()

    async with Store.open(embedded_postgres.url, master=MASTER, categories=[PARCEL]) as store:

        async def write(writer: int) -> None:
            n = 0
            while not dead.is_set():
                stream = f"parcel-{writer}-{n}"
                append = Append(TENANT, stream, 0, moved(stream, 1, 2), cause())
                try:
                    await store.append(TENANT, stream, 0, append.drafts, append.cause)
                except Unavailable:
                    doubtful[stream] = append
                    return
                acknowledged.add(stream)
                n += 1

        writers = [asyncio.create_task(write(writer)) for writer in range(16)]

        async def busy() -> bool:
            await asyncio.wait(writers, timeout=0.01)
            return len(acknowledged) > 200

        await until(busy)
        await embedded_postgres.kill()
        dead.set()
        await embedded_postgres.start()
        await asyncio.gather(*writers)

        for stream, append in doubtful.items():
            await store.append(TENANT, stream, 0, append.drafts, append.cause)
        facts = await store.read_log(0, 0, 100_000)
        assert {fact.stream for fact in facts} == acknowledged | doubtful.keys()
        assert len(facts) == 2 * len(acknowledged | doubtful.keys())
        assert await contiguous(store.pool)


async def test_without_postgres_an_append_fails_and_says_that_it_may_be_repeated(embedded_postgres: PostgresServer):
    async with Store.open(embedded_postgres.url, master=MASTER, categories=[PARCEL], patience_s=0.2) as store:
        await connected(store)
        await store.append(TENANT, "parcel-0", 0, moved("parcel-0", 1), cause())
        await embedded_postgres.kill()
        with pytest.raises(Unavailable):
            await store.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
        with pytest.raises(Unavailable):
            await store.read_stream(TENANT, "parcel-0")
        await embedded_postgres.start()
        await connected(store)
        assert (await store.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())).pos == 2


async def test_a_listener_comes_back_and_says_that_it_may_have_missed_something(log: Store, database: str):
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    undo = log.listener.on("log_0", heard.put_nowait)
    assert await heard.get() is None
    await log.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'converse-listen'"
    )
    assert await heard.get() is None
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    assert await heard.get() == "1"
    undo()
