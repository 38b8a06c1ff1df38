"""Gates: what a stop, takeover, payment or cancellation withholds between an intent and its call.

An intent at position p is withheld if one of its gates closed after p, or is a lasting one that was not opened since.
"""

from collections.abc import Sequence

from events.base import Event, Recorded
from libs.kit.effect_sql import Ledger, statement
from libs.kit.store import Store
from libs.kit.world import Row


def close_row(ledger: Ledger, fact: Recorded[Event], scope: str, *, lasting: bool) -> Row:
    """Close the gate `scope` at the position of `fact`, in the reactor's transaction."""
    return Row(statement("gate_close", ledger), (fact.tenant, scope, fact.pos, lasting))


def open_row(ledger: Ledger, fact: Recorded[Event], scope: str) -> Row:
    """Open the gate `scope` at the position of `fact`: later intents pass; what stood below its closing stays withheld."""
    return Row(statement("gate_open", ledger), (fact.tenant, scope, fact.pos))


async def closed(
    store: Store, ledger: Ledger, fact: Recorded[Event], scopes: Sequence[str], *, before: int | None = None
) -> str | None:
    """The gate that would withhold an intent which has left us already; None where it would pass.

    Only what has closed at a position `before` this one counts, where one is given.
    """
    scope: str | None = await store.pool.fetchval(
        statement("gate_closed", ledger), fact.tenant, list(scopes), fact.pos, before
    )
    return scope
