"""The ledger's statements, one file each under libs/kit/sql, for the schema of one service."""

from functools import cache
from pathlib import Path
from typing import Literal

from libs.kit.appends import BATCH

Ledger = Literal["orchestrator", "gateways", "backend_sync", "voice"]
"""The schemas that have an effect ledger (infra/postgres/migrations/0050_effects_ledger.pre.sql, 0210_voice.pre.sql)."""

_FOLDER = Path(__file__).parent / "sql"

_CLOSED = "(g.closed_at_pos > e.pos OR (g.lasting AND g.closed_at_pos > coalesce(g.opened_at_pos, 0)))"
_WHY = """coalesce(
    a.killed,
    (
        SELECT 'the gate ' || g.scope || ' is closed' FROM {ledger}.gate g
        WHERE g.tenant = e.tenant AND g.scope = ANY (e.gates) AND {closed}
        ORDER BY g.closed_at_pos DESC
        LIMIT 1
    )
)"""


@cache
def statement(name: str, ledger: Ledger) -> str:
    """The text of `libs/kit/sql/<name>.sql` for one ledger."""
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    for part, meaning in (("{why}", _WHY), ("{closed}", _CLOSED), ("{append}", BATCH), ("{ledger}", ledger)):
        text = text.replace(part, meaning)
    return text


def channel(ledger: Ledger) -> str:
    """The name by which a ledger's workers are told: of new work, and of a gate (`gate`)."""
    return f"effects_{ledger}"
