"""What a service asks of itself: work for its own ledger, and gates of it, in the transaction of the facts that ask."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from libs.kit.appends import Appended, Request
from libs.kit.buckets import TROUBLE
from libs.kit.effect_sql import Ledger, statement
from libs.kit.hands import Taking
from libs.kit.one_statement import Row

_encoder = msgspec.json.Encoder()


class Opening(NamedTuple):
    """An intent becomes an effect, whose id is the intent's; as `effect_rows.open_row` does for what another service asks."""

    ledger: Ledger
    kind: str
    account: str
    order_key: str
    gates: Sequence[str] = ()


class GateMove(NamedTuple):
    """A gate closes or opens where the fact stands; as the rows of libs.kit.gates do for another service's facts."""

    ledger: Ledger
    scope: str
    closes: bool
    lasting: bool = False


OwnWork = Opening | GateMove


class Placed(NamedTuple):
    """Which fact of which append of a transaction means what."""

    work: OwnWork
    append: int
    offset: int


class Opened(NamedTuple):
    """Which fact of which append becomes which effect."""

    work: Opening
    append: int
    offset: int


def openings(placed: Sequence[Placed]) -> tuple[Ledger | None, list[Opened]]:
    """The effects among these, and the one ledger that they are for."""
    found = [Opened(work, append, offset) for work, append, offset in placed if isinstance(work, Opening)]
    ledgers = {each.work.ledger for each in found}
    if len(ledgers) > 1:
        raise ValueError(f"a service opens effects in its own ledger only, not in {', '.join(sorted(ledgers))}")
    return next(iter(ledgers), None), found


def work_of(opened: Sequence[Opened], requests: Sequence[Request]) -> str:
    """The effects as effect_open_own.sql takes them (JSON)."""
    before = [0, *accumulate(len(request.ids) for request in requests)]
    rows = []
    for work, append, offset in opened:
        request = requests[append]
        rows.append(
            {
                "id": request.ids[offset],
                "tenant": request.tenant,
                "kind": work.kind,
                "account": work.account,
                "order_key": work.order_key,
                "stream": request.stream,
                "gates": work.gates,
                "request": append + 1,
                "back": len(request.ids) - 1 - offset,
                "version": request.expected + 1 + offset,
                "nth": before[append] + offset + 1,
            }
        )
    return _encoder.encode(rows).decode()


def claim_of(taking: Taking | None) -> tuple[Any, ...]:
    """Who takes how many of them at once, as effect_open_own.sql takes it."""
    if taking is None:
        return UUID(int=0), 0, [], [], TROUBLE
    return taking.token, taking.most, list(taking.leases), list(taking.leases.values()), TROUBLE


def gate_rows(placed: Sequence[Placed], requests: Sequence[Request], outcomes: Sequence[Appended]) -> list[Row]:
    """The rows of the gates that moved, now that their facts have their places."""
    rows = []
    for work, append, offset in placed:
        if isinstance(work, GateMove):
            request = requests[append]
            pos = outcomes[append].pos - (len(request.ids) - 1 - offset)
            args = (request.tenant, work.scope, pos)
            closing = Row(statement("gate_close", work.ledger), (*args, work.lasting))
            rows.append(closing if work.closes else Row(statement("gate_open", work.ledger), args))
    return rows
