"""The rows by which WhatsApp's own effects begin: files to fetch, messages to mark as read, the typing indicator."""

from datetime import timedelta
from typing import Any

from events.base import Recorded
from events.conversation import ContactSaid, TurnRequested
from events.inbound import Received
from libs.kit import effect_rows
from libs.kit.effect_sql import Ledger
from libs.kit.world import Row, World
from services.gateways.settings import WHATSAPP

LEDGER: Ledger = "gateways"
FETCH = "whatsapp.fetch"
MARK_READ = "whatsapp.mark_read"
TYPING_WITHIN = timedelta(minutes=5)
"""How long after the contact wrote a turn still answers that, for which the typing indicator is shown."""

_HEARD = """INSERT INTO gateways.heard (tenant, conversation, channel, provider_ref, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, conversation) DO UPDATE
SET channel = excluded.channel, provider_ref = excluded.provider_ref, at = excluded.at"""
_LAST_HEARD = "SELECT channel, at FROM gateways.heard WHERE tenant = $1 AND conversation = $2"


def fetches(fact: Recorded[Received]) -> list[Row]:
    """The files that a message announces are fetched."""
    if not any(each.provider_id is not None and each.object is None for each in fact.event.attachments):
        return []
    return [effect_rows.open_row(LEDGER, fact, kind=FETCH, account=FETCH, order_key=f"{FETCH} {fact.stream}")]


def heard(fact: Recorded[ContactSaid]) -> list[Row]:
    """What a contact said last, and its blue ticks where that was on WhatsApp."""
    event = fact.event
    last = Row(_HEARD, (fact.tenant, fact.subject_id, event.channel, event.provider_ref, event.at))
    return [last, _mark(fact)] if event.channel == WHATSAPP and event.provider_ref is not None else [last]


async def typing(fact: Recorded[TurnRequested], world: World) -> list[Row]:
    """Whoever has just written on WhatsApp sees that we are typing."""
    last = await world.db.fetchrow(_LAST_HEARD, fact.tenant, fact.subject_id)
    if last is None or last["channel"] != WHATSAPP or world.now() - last["at"] > TYPING_WITHIN:
        return []
    return [_mark(fact)]


def _mark(fact: Recorded[Any]) -> Row:
    key = f"{MARK_READ} {fact.stream} {fact.version}"
    return effect_rows.open_row(LEDGER, fact, kind=MARK_READ, account=MARK_READ, order_key=key)
