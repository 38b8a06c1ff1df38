"""Accounts that their provider refuses as a whole: stopped with the reason, so that no message is spent on them.

What waits is withheld, and its conversation goes on by another channel. A stop ends after a while, when one message tries
again, or at once when another bundle is published.
"""

from datetime import timedelta

import structlog

from libs.kit import telemetry
from libs.kit.buckets import TROUBLE, Executes
from libs.kit.world import Row

log = structlog.get_logger(__name__)

STOPPED_FOR = timedelta(minutes=15)

_STOPPED = telemetry.counter("accounts_stopped", "Times that a provider refused an account as a whole.", "account")

_STOP = """WITH stopped AS (
    INSERT INTO gateways.stopped AS s (tenant, account, reason, bundle, until)
    VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
    ON CONFLICT (tenant, account) DO UPDATE
    SET reason = excluded.reason, bundle = excluded.bundle, until = excluded.until
), killed AS (
    UPDATE gateways.account SET killed = $3, failures = greatest(failures, $6) WHERE tenant = $1 AND account = $2
)
SELECT pg_notify('effects_gateways', 'gate')"""
_REASON = """WITH over AS (
    DELETE FROM gateways.stopped WHERE tenant = $1 AND account = $2 AND (until <= now() OR bundle <> $3)
)
SELECT reason FROM gateways.stopped WHERE tenant = $1 AND account = $2 AND until > now() AND bundle = $3"""


def stop_row(tenant: str, account: str, reason: str, bundle: str) -> Row:
    """Let nothing out on an account, under the bundle with this hash. The breaker then lets one message try."""
    _STOPPED.labels(account).inc()
    log.error("a provider refuses an account as a whole: it is stopped", tenant=tenant, account=account, reason=reason)
    return Row(_STOP, (tenant, account, reason, bundle, STOPPED_FOR.total_seconds(), TROUBLE))


async def stop(db: Executes, tenant: str, account: str, reason: str, bundle: str) -> None:
    """The same at once."""
    row = stop_row(tenant, account, reason, bundle)
    await db.execute(row.sql, *row.args)


async def reason_of(db: Executes, tenant: str, account: str, bundle: str) -> str | None:
    """Why an account is stopped under the current bundle; None where it is not, or not any more."""
    reason: str | None = await db.fetchval(_REASON, tenant, account, bundle)
    return reason
