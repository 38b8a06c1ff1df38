"""Own work: what a service asks of itself is an effect of its ledger from the very moment that it is in the log."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from libs.kit.own_work import GateMove, Opening, Placed, openings
from libs.kit.store import ANY, Append, Fenced, Store, StreamMoved
from libs.testkit.nouns import TENANT
from services.orchestrator.index import wait_for_contact
from tests.libs.kit.ledger import PARCEL, cause, contiguous, moved

WORK = Opening("orchestrator", "llm.turn", "anthropic", "parcel-1", ("contact:c_1",))
CLOSED = GateMove("orchestrator", "contact:c_1", closes=True, lasting=True)
OPENED = GateMove("orchestrator", "contact:c_1", closes=False)


@pytest.fixture
async def log(store_of: Callable[..., Awaitable[Store]]) -> Store:
    return await store_of(PARCEL)


def parcel(number: int, *steps: int, expected: int = 0) -> Append:
    stream = f"parcel-{number}"
    return Append(TENANT, stream, expected, moved(stream, *steps), cause())


async def commit(
    log: Store, appends: Sequence[Append], own: Sequence[Placed], *, begin: int = 0, end: int = 1, rows: int = 0
) -> None:
    waits = [wait_for_contact(TENANT, "c_1", str(number)) for number in range(rows)]
    async with log.transaction(0, lazily=True) as unit:
        await unit.commit("c", begin, end, appends, waits, own)


async def effects(log: Store) -> list[tuple[str, int, int]]:
    """Where the intents of the open effects stand; each is in the log under the effect's own id."""
    rows = await log.pool.fetch(
        "SELECT e.stream, e.version, e.pos FROM orchestrator.effect e JOIN log.event i"
        " ON i.pos = e.pos AND i.event_id = e.id AND i.stream_id = e.stream AND i.version = e.version"
        " WHERE e.state = 'open' AND e.gates = ARRAY['contact:c_1'] ORDER BY e.pos"
    )
    return [tuple(row) for row in rows]


async def gate(log: Store) -> tuple[int, bool, int | None] | None:
    row = await log.pool.fetchrow("SELECT closed_at_pos, lasting, opened_at_pos FROM orchestrator.gate")
    return tuple(row) if row else None


@pytest.mark.parametrize("rows", [0, 2, 40])
async def test_an_effect_stands_where_its_intent_does(log: Store, rows: int):
    await log.append(TENANT, "parcel-9", 0, moved("parcel-9", 1, 2, 3), cause())
    own = [Placed(WORK, 0, 1), Placed(WORK, 1, 2)]
    await commit(log, [parcel(1, 1, 2), parcel(2, 1, 2, 3)], own, rows=rows)
    assert await effects(log) == [("parcel-1", 2, 5), ("parcel-2", 3, 8)]
    assert await log.pool.fetchval("SELECT count(*) FROM orchestrator.waiting") == rows
    assert await log.pool.fetchval("SELECT account FROM orchestrator.account WHERE tenant = $1", TENANT) == "anthropic"
    assert await contiguous(log.pool)


async def test_it_does_too_where_the_stream_ended_elsewhere(log: Store):
    await log.append(TENANT, "parcel-1", 0, moved("parcel-1", 1, 2), cause())
    later = [parcel(2, 1), parcel(1, 3, 4, expected=ANY), parcel(1, 5, expected=ANY)]
    await commit(log, later, [Placed(WORK, 0, 0), Placed(WORK, 1, 0), Placed(WORK, 2, 0)])
    assert await effects(log) == [("parcel-2", 1, 3), ("parcel-1", 3, 4), ("parcel-1", 5, 6)]


@pytest.mark.parametrize(("begin", "expected", "refusal"), [(5, 0, Fenced), (0, 4, StreamMoved)])
async def test_what_is_refused_is_no_work(log: Store, begin: int, expected: int, refusal: type[Exception]):
    with pytest.raises(refusal):
        await commit(log, [parcel(1, 1, expected=expected)], [Placed(WORK, 0, 0)], begin=begin, end=begin + 1)
    assert await log.pool.fetchval("SELECT count(*) FROM orchestrator.effect") == 0


async def test_a_gate_closes_and_opens_where_its_fact_stands(log: Store):
    await commit(log, [parcel(1, 1, 2), parcel(2, 1)], [Placed(CLOSED, 0, 1), Placed(WORK, 1, 0)], rows=1)
    assert await gate(log) == (2, True, None)
    assert await effects(log) == [("parcel-2", 1, 3)]
    await commit(log, [parcel(3, 1)], [Placed(OPENED, 0, 0)], begin=1, end=2)
    assert await gate(log) == (2, True, 4)


async def test_a_gate_that_is_refused_stays_as_it_is(log: Store):
    with pytest.raises(Fenced):
        await commit(log, [parcel(1, 1)], [Placed(CLOSED, 0, 0)], begin=5, end=6)
    assert await gate(log) is None


async def test_the_worker_of_this_process_is_woken_once_the_work_is_committed(log: Store):
    offered: list[str] = []

    def takes(kind: str) -> bool:
        offered.append(kind)
        return True

    log.wakes.on("effects_orchestrator", takes)
    with pytest.raises(Fenced):
        await commit(log, [parcel(1, 1)], [Placed(WORK, 0, 0)], begin=5, end=6)
    assert offered == []
    await commit(log, [parcel(1, 1)], [Placed(WORK, 0, 0)])
    assert offered == [WORK.kind]


def test_a_service_has_one_ledger():
    elsewhere = WORK._replace(ledger="gateways")
    with pytest.raises(ValueError, match="its own ledger only, not in gateways, orchestrator"):
        openings([Placed(WORK, 0, 0), Placed(elsewhere, 0, 1)])
