"""Approached: whom we have approached lately, where and when; the policy's gap and its attempts a day count from these rows."""

from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime, timedelta

from events.base import Draft
from events.call import CallRequested
from events.conversation import MessageRequested, OutcomeHeard
from events.phone import CallOver
from libs.kit.world import Row
from services.orchestrator.rows import Rows
from services.orchestrator.story import approached_on

RECENT = timedelta(days=2)
"""How far back approaches are looked at, at least: the policy counts those of the contact's day, and keeps its minimum gap."""


async def lately(
    rows: Rows, tenant: str, contact: str, now: datetime, gap: timedelta = timedelta()
) -> tuple[datetime, ...]:
    """When we approached this contact lately: within the `gap`, and no less than two days back."""
    since = now - max(RECENT, gap)
    found = await rows.recall(
        _approaches(tenant, contact),
        "SELECT at FROM orchestrator.approach WHERE tenant = $1 AND contact = $2 AND at > $3 ORDER BY at",
        tenant,
        contact,
        since.replace(hour=0, minute=0, second=0, microsecond=0),
    )
    return tuple(row["at"] for row in found if row["at"] > since)


async def any_of(
    rows: Rows, tenant: str, contacts: Sequence[str], now: datetime, gap: timedelta = timedelta()
) -> list[tuple[str, str, datetime]]:
    """Whom of these contacts we approached lately, each with the channel and when."""
    found = await rows.fetch(
        "SELECT contact, channel, at FROM orchestrator.approach"
        " WHERE tenant = $1 AND contact = ANY($2) AND at > $3 AND channel IS NOT NULL",
        tenant,
        contacts,
        now - max(RECENT, gap),
    )
    return [(row["contact"], row["channel"], row["at"]) for row in found]


def rows_of(tenant: str, draft: Draft, now: datetime) -> Iterator[Row]:
    """What one of our own facts changes in these rows."""
    match draft.event:
        case MessageRequested(message=intent) | CallRequested(call=intent):
            if (channel := approached_on(draft.event)) is not None:
                yield Row(
                    "INSERT INTO orchestrator.approach (tenant, contact, message, at, channel) VALUES ($1, $2, $3, $4, $5)",
                    (tenant, draft.subject, intent, now, channel),
                    alters=_approaches(tenant, draft.subject or ""),
                )
        case (
            OutcomeHeard(outcome="failed" | "withheld", intent=intent)
            | CallOver(outcome="failed" | "withheld", call=intent)
        ):  # it reached nobody, so it is no approach
            yield Row(
                "DELETE FROM orchestrator.approach WHERE tenant = $1 AND contact = $2 AND message = $3",
                (tenant, draft.subject, intent),
                alters=_approaches(tenant, draft.subject or ""),
            )
        case _:
            return


def _approaches(tenant: str, contact: str) -> Hashable:
    """When a contact was approached."""
    return "approach", tenant, contact
