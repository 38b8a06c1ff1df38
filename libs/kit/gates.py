"""Gates: what a stop, takeover, payment or cancellation withholds between an intent and its call.

An intent at position p is withheld if one of its gates closed after p, or is a lasting one that was not opened since.
"""

from events.base import Event, Recorded
from libs.kit.effect_sql import Ledger, statement
from libs.kit.world import Row


def close_row(ledger: Ledger, fact: Recorded[Event], scope: str, *, lasting: bool) -> Row:
    """Close the gate `scope` at the position of `fact`, in the reactor's transaction."""
    return Row(statement("gate_close", ledger), (fact.tenant, scope, fact.pos, lasting))


def open_row(ledger: Ledger, fact: Recorded[Event], scope: str) -> Row:
    """Open the gate `scope` at the position of `fact`: later intents pass; what stood below its closing stays withheld."""
    return Row(statement("gate_open", ledger), (fact.tenant, scope, fact.pos))
