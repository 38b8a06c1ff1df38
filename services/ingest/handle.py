"""What ingest does with a request: one durable append, found again by its identity when it comes twice."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from events.base import Draft, Event
from events.business import EventReceived
from events.followup import Joined
from events.operator import FollowupTriggered, TriggerGiven
from libs.config.bundle import Bundle
from libs.domain.contact import sealed_with
from libs.kit import folds, ids, telemetry
from libs.kit.auth import Caller
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from services.ingest import decide, states
from services.ingest.decide import EventIn, FollowupIn, TriggerIn
from services.ingest.states import CONTACTS, CONVERSATIONS

SOURCE = "ingest"
EVENTS = telemetry.counter("events_received", "Events that the ERP posted.", "outcome")


@dataclass(frozen=True, slots=True)
class Taken:
    """What was stored: its id, and whether it had been stored before."""

    event_id: str
    duplicate: bool


class Ingest:
    """Stores what comes in. Everything here answers only after the fact is durable."""

    def __init__(self, store: Store, clock: Clock, bundles: Bundles[Bundle]) -> None:
        self._store = store
        self._clock = clock
        self._bundles = bundles

    async def take_event(self, caller: Caller, event: EventIn, key: str | None) -> Taken:
        """A business event. Raises Problem 422 when its id stands for other content already."""
        origin = event.source or ""
        if event.event_id:
            cause_id = ids.cause_id(caller.tenant, f"event:{origin}", event.event_id)
        elif key:
            cause_id = ids.cause_id(caller.tenant, f"event-key:{origin}", key)
        else:
            cause_id = ids.fresh()
        external_id = event.event_id or str(cause_id)
        content = [event.event_name, event.data, event.occurred_at]
        fingerprint = await states.fingerprint(self._store, caller.tenant, content)
        fact = EventReceived(
            event_name=event.event_name,
            external_id=external_id,
            origin=origin,
            fingerprint=fingerprint,
            data=event.data,
            happened_at=event.occurred_at,
        )
        stream = f"business-{ids.digest(origin, external_id)}"
        key_name = sealed_with(stream, event.data)
        duplicate = await self._store_once(caller, stream, fact, cause_id, fingerprint, key_name)
        EVENTS.labels("duplicate" if duplicate else "stored").inc()
        return Taken(external_id, duplicate)

    async def take_followup(self, caller: Caller, asked: FollowupIn, key: str | None) -> tuple[str, str | None, Taken]:
        """A follow-up by hand: its id, its conversation once there is one, and what was stored."""
        decide.check_followup(asked, await states.current(self._bundles, caller.tenant))
        cause_id = ids.cause_id(caller.tenant, "followup", key) if key else ids.fresh()
        stream = f"operator-{cause_id}"
        followup = str(ids.event_id(cause_id, SOURCE, "followup", 0))
        fingerprint = await states.fingerprint(self._store, caller.tenant, asked)
        fact = FollowupTriggered(followup=followup, fingerprint=fingerprint, **msgspec.structs.asdict(asked))
        key_name = f"contact-{asked.contact_id}"
        duplicate = await self._store_once(caller, stream, fact, cause_id, fingerprint, key_name)
        conversation = await self._conversation_of(caller.tenant, followup) if duplicate else None
        return followup, conversation, Taken(str(cause_id), duplicate)

    async def take_trigger(self, caller: Caller, given: TriggerIn, key: str | None) -> Taken:
        """A state-map trigger by hand. Raises Problem 404 for an unknown conversation, 409 when nothing would move."""
        cause_id = ids.cause_id(caller.tenant, "trigger", key) if key else ids.fresh()
        stream = f"operator-{cause_id}"
        fingerprint = await states.fingerprint(self._store, caller.tenant, given)
        known = await self._store.read_stream(caller.tenant, stream) if key else []
        if not known:
            await self._check_trigger(caller.tenant, given)
        fact = TriggerGiven(
            conversation=given.conversation_id,
            fingerprint=fingerprint,
            trigger_type=given.trigger_type,
            trigger_value=given.trigger_value,
            process_type=given.process_type,
            entity_id=given.entity_id,
            extra_data=given.extra_data,
        )
        return Taken(str(cause_id), await self._store_once(caller, stream, fact, cause_id, fingerprint))

    async def _store_once(
        self, caller: Caller, stream: str, fact: Event, cause_id: UUID, fingerprint: str, key_name: str | None = None
    ) -> bool:
        """Append the first fact of a stream; True when the same content stands there already."""
        cause = caller.cause(cause_id, source=SOURCE, at=self._clock.now())
        appended = await self._store.append_any(caller.tenant, stream, [Draft(stream, fact, key_name)], cause)
        if not appended.duplicate:
            return False
        stored: Any = (await self._store.read_stream(caller.tenant, stream))[0].event
        if stored.fingerprint != fingerprint:
            raise Problem(
                422,
                "The id stands for other content",
                "this id was used before with another body; send a new id, or the same body again",
            )
        return True

    async def _conversation_of(self, tenant: str, followup: str) -> str | None:
        for fact in await self._store.read_stream(tenant, f"followup-{followup}"):
            if isinstance(fact.event, Joined):
                return fact.event.conversation
        return None

    async def _check_trigger(self, tenant: str, given: TriggerIn) -> None:
        conversation = (
            await folds.read(self._store, CONVERSATIONS, tenant, f"conversation-{given.conversation_id}")
        ).state
        if not conversation.contact_id:
            raise Problem(404, "Unknown conversation", f"there is no conversation {given.conversation_id!r}")
        contact = (await folds.read(self._store, CONTACTS, tenant, f"contact-{conversation.contact_id}")).state
        bundles = {matter.bundle: await self._bundles.get(matter.bundle) for matter in conversation.live}
        accepted = decide.accepted_triggers(given, conversation, contact, bundles, self._clock.now())
        if accepted is not None:
            raise Problem(
                409,
                "no transition",
                f"nothing here takes the {given.trigger_type} {given.trigger_value!r} now",
                accepted_triggers=[{"type": each.type, "value": each.value} for each in accepted],
            )
