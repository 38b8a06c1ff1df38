"""What messages, turns and calls have cost today, on the real Postgres with the orchestrator's own rights."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from events.values import Cost
from libs.domain.policy import Policy
from libs.kit.memo import Memo
from libs.kit.store import Store
from libs.kit.world import PrivateRows
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import MASTER
from services.orchestrator import spending

LIMITED = Policy(money_per_day={"INR": 1, "USD": 2})


@pytest.fixture
async def rows(database: str) -> AsyncIterator[PrivateRows]:
    async with (
        Store.open(database, master=MASTER, role="converse_orchestrator", name="orchestrator") as store,
        store.transaction(0, lazily=True) as unit,
    ):
        yield PrivateRows(unit, Memo())


async def spend(rows: PrivateRows, what: str, micros: int, currency: str = "INR", days: int = 0) -> None:
    cost = Cost(currency=currency, micros=micros)
    rows.add(spending.spend(TENANT, what, cost, LIMITED, NOON + timedelta(days=days)))


async def test_a_days_costs_add_up_by_currency(rows: PrivateRows):
    for n in range(3):
        await spend(rows, f"m{n}", 115_000)
    await spend(rows, "t1", 2_500_000, "USD")
    assert await spending.spent_today(rows, TENANT, LIMITED, NOON) == {"INR": 34, "USD": 250}
    assert await spending.spent_today(rows, "other", LIMITED, NOON) == {}


async def test_the_providers_price_replaces_what_was_reckoned(rows: PrivateRows):
    await spend(rows, "m1", 115_000)
    await spend(rows, "m2", 115_000)
    await spend(rows, "m1", 863_100)
    await spend(rows, "m1", 863_100)
    assert await spending.spent_today(rows, TENANT, LIMITED, NOON) == {"INR": 97}


async def test_a_day_is_the_policys_and_the_next_one_begins_anew(rows: PrivateRows):
    await spend(rows, "m1", 5_000_000)
    late = NOON.replace(hour=23, minute=59)
    assert await spending.spent_today(rows, TENANT, LIMITED, late) == {"INR": 500}
    assert await spending.spent_today(rows, TENANT, LIMITED, late + timedelta(minutes=1)) == {}


async def test_what_the_policy_does_not_limit_is_not_counted(rows: PrivateRows):
    cost = Cost(currency="EUR", micros=1)
    assert spending.spend(TENANT, "m1", cost, LIMITED, NOON) == []
    assert spending.spend(TENANT, "m1", None, LIMITED, NOON) == []
    assert await spending.spent_today(rows, TENANT, Policy(), NOON) == {}
