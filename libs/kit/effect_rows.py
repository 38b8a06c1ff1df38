"""The rows by which a reactor opens, and by evidence from outside settles, the effects of its service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from events.base import Event, Recorded
from libs.kit.effect_sql import Ledger, channel, statement
from libs.kit.world import PrivateRows, Row


def open_row(
    ledger: Ledger,
    intent: Recorded[Event],
    *,
    kind: str,
    account: str,
    order_key: str,
    gates: Sequence[str] = (),
    not_before: datetime | None = None,
) -> Row:
    """Make an intent work for this ledger, in the reactor's transaction; the effect's id is the intent's event id.

    It wakes the ledger's worker of this process, or where that cannot take it up, those of others.
    `order_key` (scoped by tenant) lets only its oldest unfinished effect be claimed; one whose outcome is unknown does not
    hold up the next. `not_before` is machine time.
    """
    where = intent.envelope
    args: tuple[Any, ...] = (
        where.id,
        where.tenant,
        kind,
        account,
        order_key,
        where.stream,
        where.version,
        where.pos,
        list(gates),
        not_before,
        where.recorded_at,
    )
    return Row(statement("effect_open", ledger), args, (channel(ledger), kind))


def resolve_row(ledger: Ledger, effect: UUID, outcome: str) -> Row:
    """Close an effect of unknown outcome, because evidence came."""
    return Row(statement("effect_resolve", ledger), (effect, outcome))


async def awaits_evidence(ledger: Ledger, db: PrivateRows, effect: UUID) -> bool:
    """Whether nobody knows the outcome of an effect. Locks its row, so that only one of us settles it."""
    row = await db.fetchrow(f"SELECT state, outcome FROM {ledger}.effect WHERE id = $1 FOR UPDATE", effect)  # noqa: S608 - a Ledger is one of three words
    return row is not None and (row["state"] == "unknown" or row["outcome"] == "unresolved")
