"""Appending and reading: contiguous positions, optimistic concurrency, idempotent retries."""

import asyncio
import random

import asyncpg
import pytest

from events.base import Draft, UnknownFact
from libs.kit import ids
from libs.kit.appends import LARGEST
from libs.kit.store import Append, Appended, FactTooLarge, Fenced, Overloaded, Store, StreamMoved, UnknownTenant
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import PARCEL, Moved, Sent, cause, contiguous, moved, sent, steps


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


async def test_what_was_appended_is_read_with_its_envelope(log: Store):
    why = cause(actor="operator-7", config="abc", traceparent="00-1-2-01")
    facts = [sent("parcel-1"), Draft("parcel-1", Moved(to="Pune"), subject="c_123")]

    assert await log.append(TENANT, "parcel-1", 0, facts, why) == Appended(pos=2, version=2)

    first, second = await log.read_stream(TENANT, "parcel-1")
    assert first.event == facts[0].event
    assert second.event == Moved(to="Pune")
    envelope = second.envelope
    assert (envelope.stream, envelope.version, envelope.pos, envelope.tenant) == ("parcel-1", 2, 2, TENANT)
    assert (envelope.id, envelope.type) == (
        ids.event_id(why.id or why.correlation_id, "test", "parcel-1", 1),
        "parcel.moved.v1",
    )
    assert (envelope.correlation_id, envelope.causation_id) == (why.correlation_id, why.id)
    assert (envelope.source, envelope.actor, envelope.config) == ("test", "operator-7", "abc")
    assert (envelope.traceparent, envelope.subject) == ("00-1-2-01", "c_123")
    assert envelope.occurred_at == NOON
    assert envelope.recorded_at.tzinfo is not None


async def test_positions_and_versions_stay_contiguous_under_sixty_four_writers(log: Store, store_of: StoreOf):
    other = await store_of(PARCEL)
    streams = [f"parcel-{n}" for n in range(10)]
    chance = random.Random(7)
    refused = 0

    async def write(store: Store) -> None:
        nonlocal refused
        for _ in range(12):
            stream = chance.choice(streams)
            while True:
                version = await store.version(TENANT, stream)
                try:
                    done = await store.append(
                        TENANT, stream, version, moved(stream, *range(chance.randint(1, 3))), cause()
                    )
                except StreamMoved:
                    refused += 1
                else:
                    assert done.version > version
                    break

    await asyncio.gather(*(write(store) for store in (log, other) for _ in range(32)))

    assert refused > 0
    assert await contiguous(log.pool)
    facts = await log.read_log(0, 0, 10_000)
    assert [fact.pos for fact in facts] == list(range(1, await log.head(0) + 1))


async def test_a_conflict_disturbs_nobody_else_in_its_batch(log: Store):
    await log.append(TENANT, "parcel-moved", 0, moved("parcel-moved", 1), cause())

    outcomes = await asyncio.gather(
        *(log.append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1, 2), cause()) for n in range(10)),
        log.append(TENANT, "parcel-moved", 0, moved("parcel-moved", 2), cause()),
        *(log.append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1), cause()) for n in range(10, 20)),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if not isinstance(outcome, Appended)]
    assert [str(error) for error in refused] == [
        "the stream parcel-moved is at version 1, not 0: read it and decide again"
    ]
    assert sorted(done.pos for done in outcomes if isinstance(done, Appended)) == [*range(3, 22, 2), *range(22, 32)]
    assert await contiguous(log.pool)


async def test_a_request_that_postgres_cannot_take_disturbs_nobody_else_in_its_batch(log: Store):
    far = cause(occurred_at=NOON.replace(year=1).astimezone(NOON.tzinfo))
    too_long = "parcel-" + "".join(ids.digest(str(n)) for n in range(300))  # no index entry is as large
    outcomes = await asyncio.gather(
        *(log.append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1), far) for n in range(5)),
        log.append(TENANT, too_long, 0, moved(too_long, 1), cause()),
        log.append(TENANT, "parcel-x", 2**31, moved("parcel-x", 1), cause()),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, Appended) for outcome in outcomes[:5])
    assert isinstance(outcomes[5], asyncpg.ProgramLimitExceededError)
    assert isinstance(outcomes[6], ValueError)
    assert await contiguous(log.pool)


async def test_of_two_who_append_the_same_place_one_wins(log: Store):
    outcomes = await asyncio.gather(
        *(log.append(TENANT, "parcel-1", 0, moved("parcel-1", n), cause()) for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StreamMoved) for outcome in outcomes) == 7


async def test_the_same_facts_for_the_same_cause_are_written_once(log: Store):
    why = cause()
    facts = moved("parcel-1", 1, 2)
    first = await log.append(TENANT, "parcel-1", 0, facts, why)
    await log.append(TENANT, "parcel-1", 2, moved("parcel-1", 3), cause())

    again = await log.append(TENANT, "parcel-1", 0, facts, why)

    assert (again.pos, again.version, again.duplicate) == (first.pos, first.version, True)
    assert await log.version(TENANT, "parcel-1") == 3


async def test_many_at_once_with_one_cause_write_it_once(log: Store, store_of: StoreOf):
    why, other = cause(), await store_of(PARCEL)
    outcomes = await asyncio.gather(
        *(store.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), why) for store in (log, other) for _ in range(20))
    )
    assert {done.pos for done in outcomes} == {1}
    assert sum(not done.duplicate for done in outcomes) == 1


async def test_an_append_without_expectation_goes_to_the_end_and_only_once(log: Store):
    why = cause()
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1, 2), cause())

    first = await log.append_any(TENANT, "parcel-1", moved("parcel-1", 3, 4), why)
    await log.append_any(TENANT, "parcel-1", moved("parcel-1", 5), cause())
    again = await log.append_any(TENANT, "parcel-1", moved("parcel-1", 3, 4), why)

    assert first == Appended(pos=4, version=4)
    assert again == Appended(pos=4, version=4, duplicate=True)
    assert steps(await log.read_stream(TENANT, "parcel-1")) == [1, 2, 3, 4, 5]


async def test_many_without_expectation_are_never_refused(log: Store, store_of: StoreOf):
    other = await store_of(PARCEL)
    outcomes = await asyncio.gather(
        *(
            store.append_any(TENANT, "parcel-1", moved("parcel-1", n), cause())
            for store in (log, other)
            for n in range(30)
        )
    )
    assert sorted(done.version for done in outcomes) == list(range(1, 61))
    assert await contiguous(log.pool)


async def test_a_further_fact_of_the_same_cause_has_an_id_of_its_own(log: Store):
    why = cause()
    await log.append_any(TENANT, "parcel-1", moved("parcel-1", 1), why)
    assert (await log.append_any(TENANT, "parcel-1", moved("parcel-1", 2), why, first=1)).version == 2
    assert (await log.append_any(TENANT, "parcel-1", moved("parcel-1", 3), why, consumer="other")).version == 3
    assert len({fact.id for fact in await log.read_stream(TENANT, "parcel-1")}) == 3


async def test_a_stream_belongs_to_its_tenant(log: Store):
    await log.tenants.create("acme")
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    await log.append("acme", "parcel-1", 0, moved("parcel-1", 2), cause())
    assert steps(await log.read_stream("acme", "parcel-1")) == [2]


async def test_each_shard_has_positions_of_its_own(log: Store):
    await log.tenants.create("far", shard=3)
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    assert (await log.append("far", "parcel-1", 0, moved("parcel-1", 1, 2), cause())).pos == 2
    assert [await log.head(shard) for shard in (0, 3)] == [1, 2]
    assert await contiguous(log.pool)


async def test_an_unknown_tenant_is_refused(log: Store):
    with pytest.raises(UnknownTenant, match="no tenant 'nobody'"):
        await log.append("nobody", "parcel-1", 0, moved("parcel-1", 1), cause())


async def test_reading_starts_and_stops_where_it_is_told(log: Store):
    for n in range(4):
        await log.append_any(TENANT, "parcel-1", moved("parcel-1", n), cause())
        await log.append_any(TENANT, "parcel-2", moved("parcel-2", n), cause())
    assert [fact.version for fact in await log.read_stream(TENANT, "parcel-1", after_version=2)] == [3, 4]
    assert [fact.version for fact in await log.read_stream(TENANT, "parcel-1", upto_pos=4)] == [1, 2]
    assert [fact.pos for fact in await log.read_log(0, 3, 2)] == [4, 5]
    assert [fact.pos for fact in await log.read_log(0, 3, 9, families=["parcel"], upto_pos=6)] == [4, 5, 6]
    assert await log.read_log(0, 0, 9, families=["letter"]) == []


async def test_a_fact_that_is_too_large_is_refused_before_it_is_sent(log: Store):
    with pytest.raises(FactTooLarge, match="store its body elsewhere"):
        await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", notes=["x" * LARGEST])], cause())
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", notes=["x" * (LARGEST * 3 // 4 - 1000)])], cause())
    assert await log.head(0) == 1


async def test_postgres_refuses_a_fact_that_is_too_large(log: Store):
    with pytest.raises(asyncpg.CheckViolationError):
        await log.pool.execute(
            "SELECT log.append_batch(0::smallint, '{default}', '{parcel-1}', '{0}', NULL, ARRAY[gen_random_uuid()],"
            " ARRAY[NULL::uuid], ARRAY[now()], '{1}', '{1}', '{parcel.moved.v1}', ARRAY[gen_random_uuid()],"
            " convert_to(repeat('x', 524289), 'UTF8'), '{0,1,524289}')"
        )


@pytest.mark.parametrize("stream", ["", "parcel\0", "parcel-\ud800"])
async def test_what_can_be_no_stream_is_refused(log: Store, stream: str):
    with pytest.raises(ValueError, match="is no stream id"):
        await log.append(TENANT, stream, 0, moved(stream, 1), cause())


async def test_a_type_that_this_version_does_not_know_stops_the_reader(log: Store, store_of: StoreOf):
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    old = await store_of()
    with pytest.raises(UnknownFact, match="release its readers before its writers"):
        await old.read_log(0, 0, 10)


async def test_a_unit_commits_rows_facts_and_watermark_together(log: Store):
    async with log.transaction(0) as unit:
        await unit.connection.execute("INSERT INTO ops.bundle (hash, content) VALUES ('h', 'x')")
        done = await unit.commit(
            "c",
            0,
            7,
            [
                Append(TENANT, "parcel-1", 0, moved("parcel-1", 1, 2), cause()),
                Append(TENANT, "parcel-2", 0, [sent("parcel-2")], cause()),
                Append(TENANT, "parcel-1", 2, moved("parcel-1", 3), cause()),
            ],
        )
    assert done == [Appended(2, 2), Appended(3, 1), Appended(4, 3)]
    assert await log.watermark("c", 0) == 7
    assert await log.pool.fetchval("SELECT count(*) FROM ops.bundle") == 1
    assert await contiguous(log.pool)


@pytest.mark.parametrize("lazily", [True, False])
async def test_facts_and_watermark_are_one_transaction_however_it_begins(log: Store, lazily: bool):
    first = Append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    async with log.transaction(0, lazily=lazily) as unit:
        await unit.commit("c", 0, 7, [first])
    async with log.transaction(0, lazily=lazily) as unit:
        with pytest.raises(Fenced):
            await unit.commit("c", 0, 8, [Append(TENANT, "parcel-2", 0, moved("parcel-2", 1), cause())])
    async with log.transaction(0, lazily=lazily) as unit:
        with pytest.raises(StreamMoved):
            await unit.commit("c", 7, 8, [Append(TENANT, "parcel-1", 0, moved("parcel-1", 2), cause())])
    assert (await log.watermark("c", 0), await log.head(0)) == (7, 1)


async def test_rows_of_a_lazy_transaction_go_with_its_facts_or_not_at_all(log: Store):
    row = "INSERT INTO ops.bundle (hash, content) VALUES ('h', 'x')"
    async with log.transaction(0, lazily=True) as unit:
        await unit.begin()
        await unit.connection.execute(row)
    assert await log.pool.fetchval("SELECT count(*) FROM ops.bundle") == 0
    async with log.transaction(0, lazily=True) as unit:
        await unit.begin()
        await unit.connection.execute(row)
        await unit.commit("c", 0, 7)
    assert await log.pool.fetchval("SELECT count(*) FROM ops.bundle") == 1


async def test_a_stale_instance_is_fenced_and_writes_nothing(log: Store):
    async with log.transaction(0) as unit:
        await unit.commit("c", 0, 7)
    async with log.transaction(0) as unit:
        await unit.connection.execute("INSERT INTO ops.bundle (hash, content) VALUES ('h', 'x')")
        with pytest.raises(Fenced, match="another instance of c leads shard 0"):
            await unit.commit("c", 0, 8, [Append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())])
    assert await log.watermark("c", 0) == 7
    assert await log.head(0) == 0
    assert await log.pool.fetchval("SELECT count(*) FROM ops.bundle") == 0


async def test_two_instances_that_begin_at_once_do_not_both_go_on(log: Store, store_of: StoreOf):
    other = await store_of(PARCEL)

    async def begin(store: Store, n: int) -> bool:
        try:
            async with store.transaction(0) as unit:
                await unit.commit("c", 0, n, [Append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1), cause())])
        except Fenced:
            return False
        return True

    assert sorted(await asyncio.gather(begin(log, 1), begin(other, 2))) == [False, True]
    assert await log.head(0) == 1


async def test_one_conflict_undoes_the_whole_unit(log: Store):
    await log.append(TENANT, "parcel-2", 0, moved("parcel-2", 1), cause())
    appends = [Append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1), cause()) for n in (1, 2)]
    async with log.transaction(0) as unit:
        with pytest.raises(StreamMoved) as moved_on:
            await unit.commit("c", 0, 7, appends)
    assert (moved_on.value.stream, moved_on.value.expected, moved_on.value.actual) == ("parcel-2", 0, 1)
    assert await log.watermark("c", 0) == 0
    assert await log.head(0) == 1


async def test_a_unit_that_is_not_committed_leaves_nothing(log: Store):
    async with log.transaction(0) as unit:
        await unit.connection.execute("INSERT INTO ops.bundle (hash, content) VALUES ('h', 'x')")
    assert await log.pool.fetchval("SELECT count(*) FROM ops.bundle") == 0


async def test_a_unit_takes_facts_without_expectation_several_for_one_stream(log: Store):
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1), cause())
    why = cause()
    appends = [Append(TENANT, "parcel-1", -1, moved("parcel-1", n), why, f"consumer-{n}") for n in (2, 3)]
    for expected in ([Appended(2, 2), Appended(3, 3)], [Appended(2, 2, True), Appended(3, 3, True)]):
        async with log.transaction(0) as unit:
            assert await unit.commit(appends=appends) == expected
    assert await contiguous(log.pool)


async def test_too_many_waiting_appends_are_refused_at_once(log: Store):
    first = asyncio.create_task(log.append(TENANT, "parcel-0", 0, moved("parcel-0", 1), cause()))
    await first
    outcomes = await asyncio.gather(
        *(log.append(TENANT, f"parcel-{n}", 0, moved(f"parcel-{n}", 1), cause()) for n in range(1, 12_001)),
        return_exceptions=True,
    )
    refused = sum(isinstance(outcome, Overloaded) for outcome in outcomes)
    assert 0 < refused <= 2000
    assert await log.head(0) == 12_001 - refused
    assert await contiguous(log.pool)


async def test_draining_answers_everybody_and_takes_no_more(log: Store):
    waiting = [
        asyncio.ensure_future(log.append(TENANT, f"parcel-{n}", 0, [sent(f"parcel-{n}", key="contact-1")], cause()))
        for n in range(50)
    ]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await log.drain()
    assert all(isinstance(outcome, Appended) for outcome in await asyncio.gather(*waiting))
    with pytest.raises(Overloaded):
        await log.append(TENANT, "parcel-late", 0, moved("parcel-late", 1), cause())


async def test_what_is_sealed_can_be_unsealed_from_rows(log: Store):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1"), *moved("parcel-1", 1)], cause())
    rows = await log.read_sealed(0, 0, 10)
    assert [row.category for row in rows] == ["parcel", "parcel"]
    opened = await log.unseal(rows)
    assert isinstance(opened[0].event, Sent)
    assert opened[0].event.receiver == "Priya Sharma"


async def test_everybody_who_listens_hears_of_an_append(log: Store):
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    log.listener.on("log_0", heard.put_nowait)
    assert await heard.get() is None
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1, 2, 3), cause())
    assert await heard.get() == "3"
