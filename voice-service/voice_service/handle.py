"""Hears whom to call and what withholds it; opens effects, keeps gates, follows each call's state."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from events import call, contact, conversation
from events.base import Event, Recorded
from libs.kit import effect_rows, gates
from libs.kit.effect_sql import Ledger
from libs.kit.world import Decision, Handler, Row, World
from voice_service import recording, summary

CONSUMER = "voice"
LEDGER: Ledger = "voice"
DIAL = "voice.dial"

_REQUESTED = """INSERT INTO voice.call (tenant, call, conversation, version, contact, correlation, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"""
_MOVED = """UPDATE voice.call SET provider_ref = coalesce(provider_ref, $3), state = $4
WHERE tenant = $1 AND call = $2 AND state <> 'over'"""


_TAKEN = """INSERT INTO voice.call
    (tenant, call, conversation, version, contact, correlation, asked_at, provider_ref, digest, dialled_by, state)
SELECT i.tenant, i.call, $3, $4, $5, $6, $7, i.provider_ref, i.digest, i.worker,
    CASE WHEN i.over THEN 'over' ELSE 'dialled' END
FROM voice.incoming i WHERE i.tenant = $1 AND i.call = $2 ON CONFLICT DO NOTHING"""
_CALLED_US = "UPDATE voice.incoming SET over = true WHERE tenant = $1 AND call = $2 AND NOT over"


class Handlers:
    """The reactor's handlers. A contact is called once at a time: the order key of an effect is the contact.

    `forget` is told that recordings are to be deleted.
    """

    def __init__(self, forget: Callable[[], None] = lambda: None) -> None:
        self._forget = forget

    def table(self) -> Mapping[type[Event], Handler]:
        """Which fact goes to which handler."""
        return {
            call.CallRequested: self.on_call_requested,
            call.CallTaken: self.on_call_taken,
            conversation.GateClosed: self.on_gate_closed,
            conversation.GateOpened: self.on_gate_opened,
            call.Dialled: self.on_dialled,
            call.OutcomeUnknown: self.on_outcome_unknown,
            call.Ringing: self.on_evidence,
            call.Answered: self.on_evidence,
            call.Ended: self.on_ended,
            call.Rejected: self.on_over,
            call.Withheld: self.on_over,
            call.Missed: self.on_over,
            contact.Erased: self.on_erased,
        }

    async def on_call_requested(self, fact: Recorded[call.CallRequested], world: World) -> Decision:
        """Somebody is to be called: it becomes an effect."""
        where = fact.envelope
        known = Row(
            _REQUESTED,
            (
                fact.tenant,
                fact.id,
                fact.subject_id,
                where.version,
                where.subject,
                where.correlation_id,
                where.recorded_at,
            ),
        )
        work = effect_rows.open_row(
            LEDGER,
            fact,
            kind=DIAL,
            account="voice",
            order_key=f"{where.subject or fact.subject_id}/voice",
            gates=fact.event.gates,
        )
        return Decision(rows=[known, work])

    async def on_call_taken(self, fact: Recorded[call.CallTaken], world: World) -> Decision:
        """Somebody who called us is to be talked with: whoever has their media may begin, unless they are gone."""
        where = fact.envelope
        about = (fact.subject_id, where.version, where.subject, where.correlation_id, where.recorded_at)
        return Decision(rows=[Row(_TAKEN, (fact.tenant, UUID(fact.event.call), *about))])

    async def on_gate_closed(self, fact: Recorded[conversation.GateClosed], world: World) -> Decision:
        return Decision(rows=[gates.close_row(LEDGER, fact, fact.event.scope, lasting=fact.event.lasting)])

    async def on_gate_opened(self, fact: Recorded[conversation.GateOpened], world: World) -> Decision:
        return Decision(rows=[gates.open_row(LEDGER, fact, fact.event.scope)])

    async def on_dialled(self, fact: Recorded[call.Dialled], world: World) -> Decision:
        return Decision(rows=[_moved(fact, "dialled", fact.event.provider_ref)])

    async def on_outcome_unknown(self, fact: Recorded[call.OutcomeUnknown], world: World) -> Decision:
        return Decision(rows=[_moved(fact, "unknown")])

    async def on_evidence(self, fact: Recorded[call.Ringing | call.Answered], world: World) -> Decision:
        """It rings or is talked on: whatever became of the request, it was dialled."""
        ref = fact.event.provider_ref if isinstance(fact.event, call.Answered) else None
        rows = [_moved(fact, "answered" if isinstance(fact.event, call.Answered) else "dialled", ref)]
        id_ = UUID(fact.subject_id)
        if await effect_rows.awaits_evidence(LEDGER, world.db, id_):
            rows.append(effect_rows.resolve_row(LEDGER, id_, "done"))
        return Decision(rows=rows)

    async def on_over(self, fact: Recorded[Any], world: World) -> Decision:
        id_ = UUID(fact.subject_id)
        rows = [_moved(fact, "over"), Row(_CALLED_US, (fact.tenant, id_))]
        if await effect_rows.awaits_evidence(LEDGER, world.db, id_):
            rows.append(effect_rows.resolve_row(LEDGER, id_, "done"))
        return Decision(rows=rows)

    async def on_ended(self, fact: Recorded[call.Ended], world: World) -> Decision:
        """It is over, and what was said in it is summarised."""
        decision = await self.on_over(fact, world)
        if not fact.event.turns:
            return decision
        work = effect_rows.open_row(
            LEDGER, fact, kind=summary.SUMMARISE, account=summary.ACCOUNT, order_key=f"{fact.subject_id}/summary"
        )
        return Decision(rows=[*decision.rows, work])

    async def on_erased(self, fact: Recorded[contact.Erased], world: World) -> Decision:
        """Their recordings are unreadable already; what lies there is deleted."""
        self._forget()
        return Decision(rows=[Row(recording.ERASE, (fact.tenant, fact.event.contact_id))])


def target(fact: Recorded[Event]) -> str:
    """The conversation that a fact is for."""
    told: str | None = getattr(fact.event, "conversation", None)
    return f"conversation-{told}" if told else fact.stream


def _moved(fact: Recorded[Any], state: str, ref: str | None = None) -> Row:
    return Row(_MOVED, (fact.tenant, UUID(fact.subject_id), ref, state))
