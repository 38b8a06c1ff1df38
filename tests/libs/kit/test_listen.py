"""Who is told that the log has grown: everybody who asked for it, and nobody else."""

import asyncio

import asyncpg
import pytest

from libs.kit.appends import CALL, Append, send
from libs.kit.listen import WANT, WANT_NO_MORE, Listener
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import PARCEL, cause, moved, until

LOG = "log_0"
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = $1 AND NOT granted)"
HELD = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)
)
"""


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


async def append(log: Store, stream: str) -> int:
    return (await log.append(TENANT, stream, 0, moved(stream, 1), cause())).pos


async def nobody_asks(log: Store) -> bool:
    return not await log.pool.fetchval(HELD, LOG)


async def test_only_who_asked_to_be_told_is_told(log: Store, database: str):
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(database)
    try:
        await connection.add_listener(LOG, lambda _connection, _pid, _channel, head: heard.put_nowait(head))
        await append(log, "parcel-1")
        await connection.execute(WANT, LOG)
        await append(log, "parcel-2")
        await connection.execute(WANT_NO_MORE, LOG)
        await append(log, "parcel-3")
        await connection.execute("SELECT pg_notify($1, 'the end')", LOG)
        assert [await heard.get(), await heard.get()] == ["2", "the end"]
    finally:
        await connection.close()


async def test_who_asks_while_an_append_is_on_its_way_then_sees_what_it_wrote(log: Store, database: str):
    appender, listener = await asyncpg.connect(database), await asyncpg.connect(database)
    try:
        async with appender.transaction():
            requests = await log.sealed([Append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())])
            await send(lambda *args: appender.fetchrow(CALL, *args), 0, requests)
            asking = asyncio.create_task(listener.execute(WANT, LOG))
            await until(lambda: log.pool.fetchval(WAITS, listener.get_server_pid()))
        await asking
        assert await log.head(0) == 1
    finally:
        await appender.close()
        await listener.close()


async def test_a_listener_that_nobody_uses_any_more_asks_no_more(log: Store):
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    heard_by_the_other: asyncio.Queue[str | None] = asyncio.Queue()
    undo = [log.listener.on(LOG, heard.put_nowait), log.listener.on(LOG, heard_by_the_other.put_nowait)]
    assert [await heard.get(), await heard_by_the_other.get()] == [None, None]
    undo.pop(0)()
    await append(log, "parcel-1")
    assert await heard_by_the_other.get() == "1"
    undo.pop()()
    await until(lambda: nobody_asks(log))

    log.listener.on(LOG, heard.put_nowait)
    assert await heard.get() is None
    await append(log, "parcel-2")
    assert await heard.get() == "2"


async def test_who_is_cancelled_before_it_listens_leaves_nobody_listening(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    asked = asyncio.Event()

    async def silent(listener: Listener, connection: asyncpg.Connection) -> None:
        asked.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Listener, "_listen", silent)
    entering = asyncio.create_task(Listener(database, name="cancelled").__aenter__())
    await asked.wait()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert [task for task in asyncio.all_tasks() if task.get_name() == "cancelled"] == []
