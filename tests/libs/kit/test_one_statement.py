"""Rows and facts as one statement: what may go together, and that it is what the statements one by one would have been."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from libs.kit.effect_sql import statement
from libs.kit.one_statement import MANY, Row, may_see, only_reads, together
from libs.kit.store import Append, Fenced, Store, StreamMoved
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import StoreOf
from services.orchestrator import index
from tests.libs.kit.ledger import PARCEL, WAITS, cause, contiguous, moved

EFFECT = UUID("0197a3c4-0000-7000-8000-000000000001")
OPENED = Row(
    statement("effect_open", "gateways"),
    (EFFECT, TENANT, "whatsapp.send", "whatsapp", "o", "conversation-1", 1, 1, [], None, NOON),
    ("effects_gateways", "whatsapp.send"),
)
RESOLVED = Row(statement("effect_resolve", "gateways"), (EFFECT, "resolved"))
PUT = "INSERT INTO orchestrator.waiting (tenant, contact, followup) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
DROP = "DELETE FROM orchestrator.waiting WHERE tenant = $1 AND contact = $2"
PRIYA, RAVI = "c_1", "c_2"


def address(digest: str, contact: str) -> Row:
    return index.know_address(TENANT, "whatsapp", digest, contact, "registered")


def wait(contact: str, followup: str = "1") -> Row:
    return Row(PUT, (TENANT, contact, followup))


def test_rows_of_different_tables_go_together():
    one = together([address("d", PRIYA), wait(PRIYA)])
    assert one is not None
    text, args = one
    assert text.count("AS MATERIALIZED") == 2
    assert len(args) == 8


def test_the_same_rows_in_any_order_are_one_statement():
    rows = [address("d", PRIYA), wait(PRIYA)]
    assert together(rows) == together(rows[::-1])


def test_rows_whose_order_could_be_seen_do_not_go_together():
    assert together([wait(PRIYA), Row(DROP, (TENANT, PRIYA))]) is None
    assert together([address("d", PRIYA), address("d", RAVI)]) is None
    assert together([Row("UPDATE orchestrator.waiting SET followup = $1", ("1",))] * 2) is None
    numbered = "INSERT INTO gateways.chat_line (pos, number) SELECT $1, max(number) + 1 FROM gateways.chat_line"
    assert together([Row(numbered, (1,))]) is not None
    assert together([Row(numbered, (1,)), Row(numbered, (2,))]) is None


def test_rows_of_one_table_go_together_where_they_are_of_different_keys():
    assert together([address("d", PRIYA), address("e", PRIYA)]) is not None
    assert together([wait(PRIYA), wait(PRIYA)]) is not None


def test_a_function_writes_what_its_statement_says():
    assert together([OPENED, wait(PRIYA)]) is not None
    assert together([OPENED, RESOLVED]) is None


def test_many_rows_go_one_by_one():
    assert together([wait(PRIYA, str(number)) for number in range(MANY)]) is not None
    assert together([wait(PRIYA, str(number)) for number in range(MANY + 1)]) is None


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT state FROM gateways.message WHERE tenant = $1", True),
        (index.MATCHES, True),
        ("SELECT updated_at, 'for update' FROM gateways.message", True),
        ("SELECT state FROM gateways.effect WHERE id = $1 FOR UPDATE", False),
        ("SELECT keys.bind($1, $2, $3)", False),
        ("SELECT pg_notify($1, '')", False),
        ("DELETE FROM orchestrator.waiting WHERE tenant = $1 RETURNING followup", False),
        ("WITH gone AS (DELETE FROM orchestrator.waiting RETURNING 1) SELECT count(*) FROM gone", False),
    ],
)
def test_what_only_reads_is_told_from_what_writes_or_locks(sql, reads):
    assert only_reads(sql) is reads


def test_a_query_of_another_table_sees_nothing_of_what_waits():
    assert may_see("SELECT followup FROM orchestrator.waiting WHERE tenant = $1", [wait(PRIYA)])
    assert not may_see("SELECT at FROM orchestrator.approach WHERE tenant = $1", [wait(PRIYA)])


@pytest.fixture
async def log(patient_postgres: None, store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


def parcel(number: int = 1, expected: int = 0) -> list[Append]:
    stream = f"parcel-{number}"
    return [Append(TENANT, stream, expected, moved(stream, 1), cause())]


async def commit(log: Store, rows: Sequence[Row], appends: Sequence[Append], *, begin: int = 0, end: int = 1) -> None:
    async with log.transaction(0, lazily=True) as unit:
        await unit.commit("c", begin, end, appends, rows)


async def waiting(log: Store) -> list[str]:
    rows = await log.pool.fetch("SELECT contact, followup FROM orchestrator.waiting ORDER BY 1, 2")
    return [f"{contact}/{followup}" for contact, followup in rows]


async def address_of(log: Store, digest: str) -> str | None:
    found: str | None = await log.pool.fetchval("SELECT contact FROM orchestrator.address WHERE digest = $1", digest)
    return found


async def test_rows_facts_and_watermark_are_one(log: Store):
    await commit(log, [wait(PRIYA), wait(RAVI), address("d", PRIYA), OPENED], parcel())
    assert await waiting(log) == ["c_1/1", "c_2/1"]
    assert await address_of(log, "d") == PRIYA
    assert await log.pool.fetchval("SELECT state FROM gateways.effect WHERE id = $1", EFFECT) == "open"
    assert (await log.watermark("c", 0), await log.head(0)) == (1, 1)
    assert await contiguous(log.pool)


async def test_rows_whose_order_counts_are_written_in_it(log: Store):
    await commit(log, [wait(PRIYA), Row(DROP, (TENANT, PRIYA)), wait(PRIYA, "2")], parcel())
    await commit(log, [address("d", PRIYA), address("d", RAVI)], parcel(2), begin=1, end=2)
    assert await waiting(log) == ["c_1/2"]
    assert await address_of(log, "d") == RAVI


@pytest.mark.parametrize(("appends", "begin", "refusal"), [([], 5, Fenced), (parcel(1, 4), 0, StreamMoved)])
async def test_what_is_refused_leaves_no_row(log: Store, appends: list[Append], begin: int, refusal: type[Exception]):
    with pytest.raises(refusal):
        await commit(log, [wait(PRIYA), OPENED], appends, begin=begin, end=begin + 1)
    assert await waiting(log) == []
    assert await log.pool.fetchval("SELECT count(*) FROM gateways.effect") == 0
    assert await log.head(0) == 0


async def test_whoever_waits_for_a_row_does_not_hold_the_counter(log: Store):
    """Else it would wait for one who holds the row and waits for the counter."""
    async with held(log, "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/c_1', 0))", TENANT):
        binding = Row("SELECT keys.bind($1, $2, $3)", (TENANT, ["parcel-1"], PRIYA))
        stands = asyncio.create_task(commit(log, [binding, wait(PRIYA)], parcel()))
        while not await log.pool.fetchval(WAITS):
            pass
        await log.append(TENANT, "parcel-2", 0, moved("parcel-2", 1), cause())
    await stands
    assert await log.head(0) == 2


async def test_work_is_offered_here_once_it_is_committed(log: Store):
    offered: list[str] = []

    def offer(kind: str) -> bool:
        offered.append(kind)
        return True

    log.wakes.on("effects_gateways", offer)
    with pytest.raises(Fenced):
        await commit(log, [OPENED], [], begin=5, end=6)
    assert offered == []
    await commit(log, [OPENED], [])
    await commit(log, [OPENED, RESOLVED], [], begin=1, end=2)
    assert offered == ["whatsapp.send"] * 2


@pytest.mark.parametrize("taken", [True, False])
async def test_other_processes_are_notified_of_what_nobody_here_takes(log: Store, store_of: StoreOf, taken: bool):
    elsewhere: asyncio.Queue[str | None] = asyncio.Queue()
    other = await store_of(PARCEL)
    other.listener.on("effects_gateways", elsewhere.put_nowait)
    assert await elsewhere.get() is None  # it listens
    log.wakes.on("effects_gateways", lambda kind: taken)
    await commit(log, [OPENED], [])
    await log.wakes.close()
    await log.pool.execute("SELECT pg_notify('effects_gateways', 'after')")
    assert await elsewhere.get() == ("after" if taken else "")


@asynccontextmanager
async def held(log: Store, sql: str, *args: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's transaction that has done this, for as long as the block lasts."""
    async with log.writers.acquire() as connection, connection.transaction():
        await connection.execute(sql, *args)
        yield connection
