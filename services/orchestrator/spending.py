"""Spending: what messages, turns and calls have cost today, for the policy's money per day."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from events.values import Cost
from libs.domain.policy import Policy
from libs.kit.world import Row
from services.orchestrator.rows import Rows

MICROS_PER_MINOR = 10_000
SPEND = """WITH before AS (
    SELECT micros FROM orchestrator.spent_on WHERE tenant = $1 AND what = $2
), kept AS (
    INSERT INTO orchestrator.spent_on (tenant, what, micros) VALUES ($1, $2, $5)
    ON CONFLICT (tenant, what) DO UPDATE SET micros = excluded.micros
)
INSERT INTO orchestrator.spent AS known (tenant, day, currency, micros)
SELECT $1, $3, $4, $5 - coalesce((SELECT micros FROM before), 0)
ON CONFLICT (tenant, day, currency) DO UPDATE SET micros = known.micros + excluded.micros"""


def spend(tenant: str, what: str, cost: Cost | None, policy: Policy, now: datetime) -> list[Row]:
    """The rows by which a cost counts, where the policy limits its currency. A later price of the same thing replaces it."""
    if cost is None or cost.currency not in policy.money_per_day:
        return []
    return [Row(SPEND, (tenant, what, _day(policy, now), cost.currency, cost.micros), alters=_spent(tenant))]


async def spent_today(rows: Rows, tenant: str, policy: Policy, now: datetime) -> Mapping[str, int]:
    """What was spent on the policy's day, in minor units by currency; nothing is looked up where nothing is limited."""
    if not policy.money_per_day:
        return {}
    found = await rows.recall(
        _spent(tenant),
        "SELECT currency, micros FROM orchestrator.spent WHERE tenant = $1 AND day = $2",
        tenant,
        _day(policy, now),
    )
    return {row["currency"]: row["micros"] // MICROS_PER_MINOR for row in found}


def _spent(tenant: str) -> Hashable:
    """What a tenant has spent."""
    return "spent", tenant


def _day(policy: Policy, now: datetime) -> object:
    return now.astimezone(ZoneInfo(policy.timezone)).date()
