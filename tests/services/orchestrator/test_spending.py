"""What messages and turns have cost today, on the real Postgres with the orchestrator's own rights."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from events.values import Cost
from libs.domain.policy import Policy
from libs.kit import postgres
from libs.testkit.nouns import NOON, TENANT
from services.orchestrator import spending

LIMITED = Policy(money_per_day={"INR": 1, "USD": 2})


@pytest.fixture
async def rows(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect(database, role="converse_orchestrator", name="orchestrator")
    yield connection
    await connection.close()


async def spend(rows: asyncpg.Connection, what: str, micros: int, currency: str = "INR", days: int = 0) -> None:
    cost = Cost(currency=currency, micros=micros)
    for row in spending.spend(TENANT, what, cost, LIMITED, NOON + timedelta(days=days)):
        await rows.execute(row.sql, *row.args)


async def test_a_days_costs_add_up_by_currency(rows: asyncpg.Connection):
    for n in range(3):
        await spend(rows, f"m{n}", 115_000)
    await spend(rows, "t1", 2_500_000, "USD")
    assert await spending.spent_today(rows, TENANT, LIMITED, NOON) == {"INR": 34, "USD": 250}
    assert await spending.spent_today(rows, "other", LIMITED, NOON) == {}


async def test_the_providers_price_replaces_what_was_reckoned(rows: asyncpg.Connection):
    await spend(rows, "m1", 115_000)
    await spend(rows, "m2", 115_000)
    await spend(rows, "m1", 863_100)
    await spend(rows, "m1", 863_100)
    assert await spending.spent_today(rows, TENANT, LIMITED, NOON) == {"INR": 97}


async def test_a_day_is_the_policys_and_the_next_one_begins_anew(rows: asyncpg.Connection):
    await spend(rows, "m1", 5_000_000)
    late = NOON.replace(hour=23, minute=59)
    assert await spending.spent_today(rows, TENANT, LIMITED, late) == {"INR": 500}
    assert await spending.spent_today(rows, TENANT, LIMITED, late + timedelta(minutes=1)) == {}


async def test_what_the_policy_does_not_limit_is_not_counted(rows: asyncpg.Connection):
    cost = Cost(currency="EUR", micros=1)
    assert spending.spend(TENANT, "m1", cost, LIMITED, NOON) == []
    assert spending.spend(TENANT, "m1", None, LIMITED, NOON) == []
    assert await spending.spent_today(rows, TENANT, Policy(), NOON) == {}
