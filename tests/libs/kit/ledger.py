"""A small vocabulary for tests of the log: a parcel with a receiver, who is a person."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Any

import asyncpg

from events.base import Category, Cause, Draft, Event, Personal, Recorded, Retired, Value
from libs.kit import ids
from libs.kit.store import Store
from libs.testkit.nouns import NOON


class Address(Value):
    """Where somebody lives."""

    street: str
    floor: int = 0


class Sent(Event, tag="parcel.sent.v2"):
    """Somebody is to get something."""

    receiver: Annotated[str, Personal()]
    address: Annotated[Address, Personal({"street": "[erased]"})]
    weight: int
    born: Annotated[date | None, Personal(None)] = None
    notes: Annotated[list[str], Personal([])] = []
    data: Annotated[dict[str, Any], Personal({})] = {}
    fragile: bool = False


class SentV1(Retired, tag="parcel.sent.v1"):
    """Until v2 nobody wrote the weight."""

    receiver: Annotated[str, Personal()]

    def upcast(self) -> Sent:
        return Sent(receiver=self.receiver, address=Address(street=""), weight=0)


class Moved(Event, tag="parcel.moved.v1"):
    """It is somewhere else now."""

    to: str
    step: int = 0


PARCEL = Category("parcel", current=(Sent, Moved), retired=(SentV1,))

WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
"""Whether somebody in this database waits for a lock."""

PRIYAS_STREET = "14 Lavelle Road"


def cause(**changes: Any) -> Cause:
    """A cause of its own, at noon."""
    facts: dict[str, Any] = {"correlation_id": ids.fresh(), "occurred_at": NOON, "source": "test", "id": ids.fresh()}
    return Cause(**(facts | changes))


def steps(facts: Sequence[Recorded[Event]]) -> list[int]:
    """The steps of the facts that are moves."""
    return [fact.event.step for fact in facts if isinstance(fact.event, Moved)]


def moved(stream: str, *steps: int) -> list[Draft]:
    """One fact a step."""
    return [Draft(stream, Moved(to="Pune", step=step)) for step in steps]


def sent(stream: str, key: str | None = None, **changes: Any) -> Draft:
    """A parcel to Priya."""
    facts: dict[str, Any] = {"receiver": "Priya Sharma", "address": Address(street=PRIYAS_STREET), "weight": 300}
    return Draft(stream, Sent(**(facts | changes)), key=key)


async def connected(log: Store) -> None:
    """Have a connection at hand to append over: an impatient store may not have the time to make one."""
    async with log.writers.acquire():
        pass


async def contiguous(connection: asyncpg.Connection | asyncpg.Pool) -> bool:
    """Whether positions have no gap, versions have none in any stream, and the counter stands at the last position."""
    broken = await connection.fetchval(
        "SELECT count(*) FROM ("
        " SELECT 1 FROM log.log_head h LEFT JOIN (SELECT shard, count(*) n, max(pos) m FROM log.event GROUP BY shard) e"
        "  USING (shard) WHERE h.pos <> coalesce(e.n, 0) OR h.pos <> coalesce(e.m, 0)"
        " UNION ALL SELECT 1 FROM log.event GROUP BY shard, tenant, stream_id HAVING count(*) <> max(version)) broken"
    )
    return bool(broken == 0)


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    """Return once `ask` says yes; the test's time-out is the limit."""
    while not await ask():
        pass
