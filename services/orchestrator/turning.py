"""Turning: which of our own facts are work for our own ledger, where Claude is asked, and which gates they move."""

from events.base import Draft
from events.conversation import GateClosed, GateOpened, TurnRequested
from libs.kit.effect_sql import Ledger
from libs.kit.own_work import GateMove, Opening, OwnWork

LEDGER: Ledger = "orchestrator"
KIND = "llm.turn"
ACCOUNT = "anthropic"


def work_of(draft: Draft) -> OwnWork | None:
    """What a fact means for the ledger; one conversation has one turn at a time."""
    match draft.event:
        case TurnRequested(gates=gates):
            return Opening(LEDGER, KIND, ACCOUNT, draft.stream, gates)
        case GateClosed(scope=scope, lasting=lasting):
            return GateMove(LEDGER, scope, closes=True, lasting=lasting)
        case GateOpened(scope=scope):
            return GateMove(LEDGER, scope, closes=False)
        case _:
            return None
