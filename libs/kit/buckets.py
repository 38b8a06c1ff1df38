"""How fast and how much at once an account of a provider may be used; shared by all replicas through Postgres.

The circuit breaker of an account lives in the same row: it opens after `TROUBLE` failures in a row, for 10 s and twice as
long each time (at most 5 min), and then lets one trial call through.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from libs.kit import telemetry
from libs.kit.effect_sql import Ledger, statement

TROUBLE = 5  # failures in a row
OPEN_S = 10.0
OPEN_AT_MOST_S = 300.0

log = structlog.get_logger(__name__)

_OPENED = telemetry.counter("effect_breaker_opened", "Times that a breaker opened.", "ledger", "account")


class Executes(Protocol):
    """A connection or pool of asyncpg."""

    async def execute(self, query: str, *args: Any) -> str: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider allows an account: calls a second, how many saved up, how many at once."""

    rate: float = 50.0
    burst: float = 50.0
    concurrency: int = 16


async def configure(
    db: Executes, ledger: Ledger, tenant: str, account: str, limits: Limits, *, killed: str | None = None
) -> None:
    """Set an account's limits and its kill switch (`killed` says why nothing may be sent)."""
    await db.execute(
        statement("account_configure", ledger), tenant, account, limits.rate, limits.burst, limits.concurrency, killed
    )


async def trouble(db: Executes, ledger: Ledger, tenant: str, account: str) -> None:
    """Count a failure of the provider."""
    until = await db.fetchval(statement("account_trouble", ledger), tenant, account, TROUBLE, OPEN_S, OPEN_AT_MOST_S)
    if until is not None:
        _OPENED.labels(ledger, account).inc()
        log.warning("the breaker of an account is open", tenant=tenant, account=account, until=until.isoformat())
