"""What each rule said of each business event: the answer to "why did nobody call?"."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.base import Recorded
from events.rules import Evaluated
from projections.base import Held, Json, Projection, Row, reads_nothing


class RuleEvaluation(Row, frozen=True, kw_only=True):
    """One rule and one event; a rule that asks for several follow-ups is numbered."""

    TABLE = "rule_evaluations"
    KEY = ("tenant", "pos", "number")

    pos: int
    number: int
    event_name: str
    business_stream: str
    rule_id: str
    matched: bool
    reasons: Json
    contact_id: str | None
    dedupe_key: str | None
    at: datetime


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """Every rule's word."""
    event: Evaluated = fact.event
    about: dict[str, Any] = {
        "tenant": fact.tenant,
        "pos": fact.pos,
        "event_name": event.event_name,
        "business_stream": event.business_stream,
        "at": fact.envelope.occurred_at,
    }
    for number, each in enumerate(event.matched):
        yield RuleEvaluation(
            **about,
            number=number,
            rule_id=each.rule_id,
            matched=True,
            reasons=each.why,
            contact_id=each.contact_id,
            dedupe_key=each.dedupe_key,
        )
    for number, other in enumerate(event.rejected, len(event.matched)):
        yield RuleEvaluation(
            **about,
            number=number,
            rule_id=other.rule_id,
            matched=False,
            reasons=other.reasons,
            contact_id=None,
            dedupe_key=None,
        )


RULE_EVALUATIONS = Projection("rule_evaluations", (RuleEvaluation,), (Evaluated,), reads_nothing, apply)
