"""Blue ticks and the typing indicator: shown where it is easy, never in the way of a message, told to nobody."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from events.base import Draft, Recorded
from events.conversation import ContactSaid, TurnRequested
from libs.channels import whatsapp
from libs.kit.buckets import Limits
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Withheld
from services.gateways.port import Tools
from services.gateways.settings import ChannelOff, Settings
from services.gateways.whatsapp.call import Graph
from services.gateways.whatsapp.door import door_of
from services.gateways.whatsapp.heard import id_of

LIMITS = Limits(rate=40, burst=40, concurrency=8)
"""An account of its own: what goes wrong here opens no breaker of the messages, and takes none of their tokens."""
SOON = timedelta(seconds=20)
"""After this nobody cares any more; the indicator lasts 25 s. Source: Meta, typing indicators."""

FORGET_EVERY_S = 5.0

_FORGET = """DELETE FROM gateways.effect
WHERE kind = 'whatsapp.mark_read' AND state = 'open' AND opened_at < now() - make_interval(secs => $1)"""
_HEARD = "SELECT provider_ref FROM gateways.heard WHERE tenant = $1 AND conversation = $2 AND channel = 'whatsapp'"


class Marks:
    """The effect `whatsapp.mark_read`: of a contact's message, or with typing of the one that a turn answers."""

    def __init__(self, settings: Settings, tools: Tools, graph: Graph) -> None:
        self._settings = settings
        self._tools = tools
        self._graph = graph

    def kind(self) -> Kind:
        return Kind(
            perform=self.perform,
            withheld=_nothing,
            dead=_nothing,
            after_unknown="repeat",
            attempts=2,
            max_age=SOON,
            timeout=timedelta(seconds=5),
        )

    async def run(self) -> None:
        """Forget the marks that nobody cares about any more: in a rush they would wait for their limit long after it."""
        while True:
            await self.forget()
            await asyncio.sleep(FORGET_EVERY_S)

    async def forget(self) -> None:
        """Drop every mark that has waited too long."""
        await self._tools.store.pool.execute(_FORGET, SOON.total_seconds())

    async def perform(self, claim: Claim) -> Outcome:
        """Mark the message once; one that is gone, or that Meta does not let us mark, is let go."""
        try:
            door = door_of(self._settings, await self._tools.bundles.current(claim.tenant))
        except ChannelOff as off:
            return Withheld(str(off))
        typing = isinstance(claim.intent.event, TurnRequested)
        ref = await self._ref(claim)
        message_id = await id_of(self._tools.store, claim.tenant, ref) if ref is not None else None
        if message_id is None:
            return Done()
        claim.begin_call()
        answer = await self._graph.post(whatsapp.mark_read(message_id, account=door.phone_id, typing=typing), door)
        if answer.well:
            return Done()
        if answer.status in ("not_connected", "no_answer") or answer.status == 429:
            return Retry(f"the read mark was not taken: {answer.status}")
        return Refused()

    async def _ref(self, claim: Claim) -> str | None:
        """What stands for Meta's id of what the contact said, or said last."""
        match claim.intent.event:
            case ContactSaid(provider_ref=ref):
                return ref
            case TurnRequested():
                last: str | None = await self._tools.store.pool.fetchval(_HEARD, claim.tenant, claim.intent.subject_id)
                return last
            case _:
                return None


def _nothing(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return ()
