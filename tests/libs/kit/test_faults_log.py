"""The log under faults that only a crash, an impatient caller or an odd text shows."""

import asyncio

import asyncpg
import pytest

from libs.kit.appends import Appended
from libs.kit.embedded import PostgresServer
from libs.kit.migrate import migrate
from libs.kit.store import ANY, Append, Store, Unavailable
from libs.testkit.nouns import TENANT
from libs.testkit.servers import MASTER, StoreOf
from tests.libs.kit.ledger import PARCEL, cause, connected, contiguous, moved, sent, steps, until


@pytest.fixture
async def log(patient_postgres: None, store_of: StoreOf) -> Store:
    return await store_of(PARCEL, patience_s=60)


class Held:
    """The counter's row of the shard, held by somebody else: whoever appends has to wait."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> "Held":
        self._connection = await asyncpg.connect(self._url)
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        await self._connection.execute("SELECT FROM log.log_head WHERE shard = 0 FOR UPDATE")
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._connection.is_closed():
            self._connection.terminate()


async def waits_for_a_lock(store: Store, calls: int = 1) -> None:
    """Return once so many appends wait in Postgres."""

    async def waiting() -> bool:
        found: int = await store.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '%append_batch%'"
        )
        return found >= calls

    await until(waiting)


def position(outcome: Appended | BaseException) -> int:
    """Where an append stands that must have succeeded."""
    assert isinstance(outcome, Appended), outcome
    return outcome.pos


async def test_a_caller_that_goes_away_takes_nobody_elses_append_along(log: Store, database: str):
    async with Held(database):
        calls = [
            asyncio.create_task(log.append(TENANT, f"parcel-{n}", 0, [sent(f"parcel-{n}")], cause())) for n in range(9)
        ]
        await waits_for_a_lock(log)
        for call in calls[::3]:
            call.cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in done] == [n % 3 == 0 for n in range(9)]
    places = [position(outcome) for n, outcome in enumerate(done) if n % 3]
    for n, place in zip((n for n in range(9) if n % 3), places, strict=True):
        [fact] = await log.read_stream(TENANT, f"parcel-{n}")
        assert fact.pos == place
    assert await contiguous(log.pool)


async def test_what_a_cancelled_caller_had_begun_is_found_when_it_is_appended_again(log: Store, database: str):
    because, drafts = cause(), moved("parcel-1", 1)
    async with Held(database):
        call = asyncio.create_task(log.append(TENANT, "parcel-1", 0, drafts, because))
        await waits_for_a_lock(log)
        call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    again = await log.append(TENANT, "parcel-1", 0, drafts, because)
    assert (again.pos, again.duplicate) == (1, True)
    assert await contiguous(log.pool)


async def test_a_reader_does_not_wait_for_ever_for_a_connection(store_of: StoreOf):
    log = await store_of(PARCEL, connections=2, patience_s=0.2)
    held = [await log.pool.acquire() for _ in range(2)]
    try:
        async with asyncio.timeout(30):
            done = await asyncio.gather(
                log.head(0),
                log.read_stream(TENANT, "parcel-1"),
                log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause()),
                return_exceptions=True,
            )
        assert [type(outcome) for outcome in done] == [Unavailable] * 3
    finally:
        for connection in held:
            await log.pool.release(connection)
    await connected(log)
    assert (await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())).pos == 1


async def test_a_shard_that_is_locked_for_long_is_unavailable_and_then_goes_on(store_of: StoreOf, database: str):
    log = await store_of(PARCEL, patience_s=0.1)
    await connected(log)
    async with Held(database):
        with pytest.raises(Unavailable):
            await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    assert (await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())).pos == 1
    assert await contiguous(log.pool)


async def test_a_key_that_a_crash_of_postgres_took_along_seals_nothing():
    async with PostgresServer(durable=True) as server:
        await migrate(server.url)
        quiet = await asyncpg.connect(server.url)
        await quiet.execute(
            "ALTER SYSTEM SET wal_writer_delay = '10s'"
        )  # nobody else writes the key out before the crash
        await quiet.execute("SELECT pg_reload_conf()")
        await quiet.close()
        async with Store.open(server.url, master=MASTER, categories=[PARCEL], patience_s=30) as store:
            await store.append(TENANT, "parcel-0", 0, [sent("parcel-0")], cause())
            async with Held(server.url):
                call = asyncio.create_task(store.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause()))
                await waits_for_a_lock(store)
                await server.kill()
            await server.start()
            await call
        async with Store.open(server.url, master=MASTER, categories=[PARCEL]) as another:
            [fact] = await another.read_stream(TENANT, "parcel-1")
            assert fact.event == sent("parcel-1").event


async def test_a_unit_in_which_one_append_is_there_already_leaves_no_gap(log: Store):
    known = cause()
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), known)
    async with log.transaction(0) as unit:
        await unit.commit(
            appends=[
                Append(TENANT, "parcel-1", ANY, moved("parcel-1", 1), known),
                Append(TENANT, "parcel-1", ANY, moved("parcel-1", 2, 3), cause()),
                Append(TENANT, "parcel-1", ANY, moved("parcel-1", 4), cause()),
            ]
        )
    assert steps(await log.read_stream(TENANT, "parcel-1")) == [1, 2, 3, 4]
    assert await contiguous(log.pool)


async def test_a_key_that_cannot_be_named_disturbs_nobody_else(log: Store):
    odd = log.append(TENANT, "parcel-1", 0, [sent("parcel-1", key="contact-\0")], cause())
    well = [log.append(TENANT, f"parcel-w{n}", 0, [sent(f"parcel-w{n}")], cause()) for n in range(4)]
    refused, *done = await asyncio.gather(odd, *well, return_exceptions=True)
    assert isinstance(refused, ValueError)
    assert sorted(position(outcome) for outcome in done) == [1, 2, 3, 4]


@pytest.mark.parametrize("text", ["a\0b", "\x1b[2J", "\u202egnp.exe", "\U0001f600" * 50, "\ufffe", ""])
async def test_any_text_comes_back_as_it_went(log: Store, text: str):
    draft = sent("parcel-1", receiver=text, data={text: [text]})
    await log.append(TENANT, "parcel-1", 0, [draft], cause(actor=text))
    [fact] = await log.read_stream(TENANT, "parcel-1")
    assert (fact.event, fact.envelope.actor) == (draft.event, text)


async def test_half_a_character_is_refused_and_disturbs_nobody_else(log: Store):
    half = log.append(TENANT, "parcel-1", 0, [sent("parcel-1", receiver="\ud800")], cause())
    well = log.append(TENANT, "parcel-2", 0, [sent("parcel-2")], cause())
    refused, done = await asyncio.gather(half, well, return_exceptions=True)
    assert isinstance(refused, UnicodeEncodeError)
    assert position(done) == 1


async def test_listening_goes_on_when_a_callback_fails(log: Store):
    heard: asyncio.Queue[str | None] = asyncio.Queue()

    def fail(payload: str | None) -> None:
        if payload == "1":
            raise RuntimeError

    undo = [log.listener.on("log_0", fail), log.listener.on("log_0", heard.put_nowait)]
    assert await heard.get() is None
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    await log.append(TENANT, "parcel-1", 1, moved("parcel-1", 2), cause())
    async with asyncio.timeout(30):
        while await heard.get() != "2":
            pass
    for each in undo:
        each()


@pytest.mark.parametrize("code", ["53100", "53200", "25006", "57014"], ids=["disk", "memory", "replica", "slow"])
async def test_a_postgres_that_cannot_write_is_unavailable_and_nothing_is_half_done(store_of: StoreOf, code: str):
    log = await store_of(PARCEL, patience_s=0.1)
    await connected(log)
    await log.append(TENANT, "parcel-0", 0, moved("parcel-0", 1), cause())
    await log.pool.execute(
        f"CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE SQLSTATE '{code}'; END$$;"
        " CREATE TRIGGER disk_full BEFORE INSERT ON log.event_0 FOR EACH ROW EXECUTE FUNCTION public.full()"
    )
    with pytest.raises(Unavailable):
        await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    with pytest.raises(Unavailable):
        async with log.transaction(0) as unit:
            await unit.commit("c", 0, 1, [Append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())])
    assert (await log.head(0), await log.watermark("c", 0)) == (1, 0)
    await log.pool.execute("DROP TRIGGER disk_full ON log.event_0")
    await connected(log)
    assert (await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())).pos == 2
    assert await contiguous(log.pool)
