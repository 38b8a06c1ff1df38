"""Hears what is to be said and what the providers tell; opens effects, keeps gates, follows each message's state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from asyncpg import Record

from events import contact, conversation, inbound, message
from events.base import Event, Recorded
from libs.channels import chat
from libs.config.bundle import Bundle
from libs.kit import effect_rows, gates
from libs.kit.world import Decision, Handler, Row, World
from services.gateways import decide, stops
from services.gateways.chat import lines as chat_lines
from services.gateways.decide import Message
from services.gateways.settings import CHANNELS, CHAT
from services.gateways.whatsapp import rows as whatsapp_rows

CONSUMER = "gateways"
LEDGER = whatsapp_rows.LEDGER

_REQUESTED = """INSERT INTO gateways.message (tenant, message, channel, conversation, template, units)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"""
_MESSAGE = """SELECT message, channel, conversation, template, units, state, priced FROM gateways.message
WHERE tenant = $1 AND message = $2"""
_BY_REF = """SELECT message, channel, conversation, template, units, state, priced FROM gateways.message
WHERE tenant = $1 AND channel = $2 AND provider_ref = $3"""
_TAKEN = f"{_MESSAGE} AND provider_ref IS NOT NULL"
_STATE = "UPDATE gateways.message SET state = $3 WHERE tenant = $1 AND message = $2"
_PRICED = "UPDATE gateways.message SET priced = $3 WHERE tenant = $1 AND message = $2"
_ACCEPTED = """UPDATE gateways.message
SET provider_ref = coalesce(provider_ref, $3), priced = coalesce(priced, $4), state = CASE WHEN state IN ('requested', 'unknown') THEN 'accepted' ELSE state END
WHERE tenant = $1 AND message = $2
RETURNING message, channel, conversation, template, units, state, priced"""
_WAIT = """INSERT INTO gateways.waiting_status
    (tenant, channel, provider_ref, status, reference, at, code, reason, category, billable)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"""
_WAITING = """DELETE FROM gateways.waiting_status
WHERE tenant = $1 AND channel = $2 AND (provider_ref = $3 OR reference = $4)
RETURNING channel, provider_ref, status, at, reference::text, code, reason, category, billable"""
_REF_OF = """SELECT provider_ref FROM gateways.waiting_status
WHERE tenant = $1 AND channel = $2 AND reference = $3 LIMIT 1"""


class Bundles(Protocol):
    """Where the published bundles are."""

    async def current(self, tenant: str) -> Bundle: ...


class Handlers:
    """The reactor's handlers. Effects are named `<channel>.send`; each channel of a tenant is one account.

    `whatsapp.fetch` and `whatsapp.mark_read` have accounts of their own, and wait for nothing but them.
    """

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles

    def table(self) -> Mapping[type[Event], Handler]:
        """Which fact goes to which handler."""
        return {
            conversation.MessageRequested: self.on_message_requested,
            conversation.GateClosed: self.on_gate_closed,
            conversation.GateOpened: self.on_gate_opened,
            conversation.DraftDropped: self.on_draft_dropped,
            conversation.TakenOver: self.on_operator,
            conversation.Released: self.on_operator,
            message.Accepted: self.on_accepted,
            message.Rejected: self.on_unsaid,
            message.Withheld: self.on_unsaid,
            message.OutcomeUnknown: self.on_outcome_unknown,
            inbound.Received: self.on_received,
            inbound.StatusReceived: self.on_status,
            conversation.ContactSaid: self.on_contact_said,
            conversation.TurnRequested: self.on_turn_requested,
            contact.Erased: self.on_erased,
        }

    async def on_message_requested(
        self, fact: Recorded[conversation.MessageRequested], world: World
    ) -> Decision | None:
        """Somebody wants something said on a channel of ours: it becomes an effect."""
        event = fact.event
        if event.channel not in CHANNELS:
            return None
        asked = decide.message_of(fact)
        known = Row(_REQUESTED, (fact.tenant, asked.id, asked.channel, asked.conversation, asked.template, asked.units))
        work = effect_rows.open_row(
            LEDGER,
            fact,
            kind=f"{event.channel}.send",
            account=event.channel,
            order_key=f"{fact.subject_id}/{event.channel}",
            gates=event.gates,
        )
        return Decision(rows=[known, work, *([chat_lines.asked(fact)] if event.channel == CHAT else ())])

    async def on_erased(self, fact: Recorded[contact.Erased], world: World) -> Decision:
        """Somebody was forgotten: so are the files that they sent."""
        row = effect_rows.open_row(LEDGER, fact, kind="contact.forget", account="objects", order_key=fact.stream)
        return Decision(rows=[row])

    async def on_gate_closed(self, fact: Recorded[conversation.GateClosed], world: World) -> Decision:
        return Decision(rows=[gates.close_row(LEDGER, fact, fact.event.scope, lasting=fact.event.lasting)])

    async def on_gate_opened(self, fact: Recorded[conversation.GateOpened], world: World) -> Decision:
        return Decision(rows=[gates.open_row(LEDGER, fact, fact.event.scope)])

    async def on_accepted(self, fact: Recorded[message.Accepted], world: World) -> Decision | None:
        """The provider's id is known now: statuses that came before it are joined."""
        event = fact.event
        id_ = UUID(fact.subject_id)
        price = decide.price_mark(event.cost)
        known = await world.db.fetchrow(_ACCEPTED, fact.tenant, id_, event.provider_ref, price)
        if known is None:
            return None
        joined = await self._join(world, _message(known), event.provider_ref)
        if event.channel == CHAT:
            return Decision(joined.drafts, [*joined.rows, chat_lines.said(fact.tenant, id_)])
        return joined

    async def on_unsaid(self, fact: Recorded[message.Rejected | message.Withheld], world: World) -> Decision | None:
        """What may not be said in the chat is no line of it."""
        if fact.event.channel != CHAT:
            return None
        return Decision(rows=[chat_lines.unsaid(fact.tenant, UUID(fact.subject_id))])

    async def on_received(self, fact: Recorded[inbound.Received], world: World) -> Decision | None:
        """What a contact writes in the chat is a line of it, for the other tabs; the files of WhatsApp are fetched."""
        match fact.event.channel:
            case "chat":
                return Decision(rows=[chat_lines.heard(fact)])
            case "whatsapp":
                return Decision(rows=whatsapp_rows.fetches(fact))
            case _:
                return None

    async def on_draft_dropped(self, fact: Recorded[conversation.DraftDropped], world: World) -> Decision | None:
        """A draft that the chat may be showing will not be said."""
        return _tell_contact(fact, chat.Retracted(id=fact.event.turn))

    async def on_operator(
        self, fact: Recorded[conversation.TakenOver | conversation.Released], world: World
    ) -> Decision | None:
        """A person has come into the conversation, or left it."""
        there = isinstance(fact.event, conversation.TakenOver)
        return _tell_contact(fact, chat.Presence(who="operator", there=there))

    async def on_outcome_unknown(self, fact: Recorded[message.OutcomeUnknown], world: World) -> Decision | None:
        """Nobody knows whether it was sent, unless a status that carries our id has come already."""
        id_ = UUID(fact.subject_id)
        known = await world.db.fetchrow(_MESSAGE, fact.tenant, id_)
        if known is None or known["state"] not in ("requested", "unknown"):
            return None
        await world.db.execute(_STATE, fact.tenant, id_, "unknown")
        ref = await world.db.fetchval(_REF_OF, fact.tenant, fact.event.channel, id_)
        return await self._resolve(world, _message(known), ref) if ref is not None else None

    async def on_status(self, fact: Recorded[inbound.StatusReceived], world: World) -> Decision | None:
        """A provider tells a state: it moves the message that it names, or waits until that is known."""
        event = fact.event
        reference = _uuid(event.reference)
        known = await world.db.fetchrow(_BY_REF, fact.tenant, event.channel, event.provider_ref)
        if known is None and reference is not None:  # it may have another id than the one that it was taken under
            known = await world.db.fetchrow(_TAKEN, fact.tenant, reference)
        if known is not None:
            return await self._moved(world, _message(known), _message(known), [event])
        await world.db.execute(
            _WAIT,
            fact.tenant,
            event.channel,
            event.provider_ref,
            event.status,
            reference,
            event.at,
            event.code,
            event.reason,
            event.category,
            event.billable,
        )
        if reference is None:
            return None
        named = await world.db.fetchrow(_MESSAGE, fact.tenant, reference)
        if named is None or named["state"] != "unknown":
            return None
        return await self._resolve(world, _message(named), event.provider_ref)

    async def on_contact_said(self, fact: Recorded[conversation.ContactSaid], world: World) -> Decision:
        """A message has reached its conversation."""
        return Decision(rows=whatsapp_rows.heard(fact))

    async def on_turn_requested(self, fact: Recorded[conversation.TurnRequested], world: World) -> Decision:
        """Claude is asked for an answer."""
        return Decision(rows=await whatsapp_rows.typing(fact, world))

    async def _resolve(self, world: World, unknown: Message, provider_ref: str) -> Decision | None:
        """A status is evidence that the provider took a message whose outcome nobody knew."""
        if not await effect_rows.awaits_evidence(LEDGER, world.db, unknown.id):
            return None
        price = decide.cost(await self._bundles.current(world.tenant), unknown, world.now())
        await world.db.execute(_ACCEPTED, world.tenant, unknown.id, provider_ref, decide.price_mark(price))
        taken = decide.accepted(unknown, provider_ref, price)
        unknown = replace(unknown, priced=decide.price_mark(price))
        joined = await self._join(world, unknown, provider_ref)
        settled = effect_rows.resolve_row(LEDGER, unknown.id, "resolved")
        return Decision([taken, *joined.drafts], [*joined.rows, settled])

    async def _join(self, world: World, taken: Message, provider_ref: str) -> Decision:
        """Apply the statuses that waited for `provider_ref`, or for our id of the message."""
        waiting = await world.db.fetch(_WAITING, world.tenant, taken.channel, provider_ref, taken.id)
        state = "accepted" if taken.state in ("requested", "unknown") else taken.state
        current = replace(taken, state=state)
        return await self._moved(world, taken, current, [inbound.StatusReceived(**dict(each)) for each in waiting])

    async def _moved(
        self, world: World, kept: Message, now: Message, statuses: Sequence[inbound.StatusReceived]
    ) -> Decision:
        """What these statuses tell of a message: its state, its price, and whether its whole account is refused."""
        state, drafts = decide.progress(now, statuses)
        rows = [Row(_STATE, (world.tenant, kept.id, state))] if state != kept.state else []
        if all(status.billable is None and status.status != "failed" for status in statuses):
            return Decision(drafts, rows)
        bundle = await self._bundles.current(world.tenant)
        mark, prices = decide.priced(bundle, now, statuses, world.now())
        if mark != now.priced:
            rows.append(Row(_PRICED, (world.tenant, kept.id, mark)))
        for reason in filter(None, map(decide.stops_account, statuses)):
            rows.append(stops.stop_row(world.tenant, kept.channel, reason, bundle.hash))
        return Decision([*drafts, *prices], rows)


def target(fact: Recorded[Any]) -> str:
    """What a fact that cannot be handled holds up: the message or conversation that it is about."""
    match fact.event:
        case inbound.StatusReceived(reference=str(reference)):
            return f"message-{reference}"
        case inbound.StatusReceived(provider_ref=ref):
            return ref
        case _:
            return fact.stream


def _tell_contact(fact: Recorded[Any], frame: chat.Passing) -> Decision | None:
    """Whoever is in the contact's chat now sees the frame; it is no state."""
    contact = fact.envelope.subject
    return Decision(rows=[chat_lines.told(fact.tenant, contact, frame)]) if contact else None


def _message(record: Record) -> Message:
    return Message(
        id=record["message"],
        conversation=record["conversation"],
        channel=record["channel"],
        state=record["state"],
        template=record["template"],
        units=record["units"],
        priced=record["priced"],
    )


def _uuid(text: str | None) -> UUID | None:
    """Our message id, where it is one: what a provider echoes may be anything."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
