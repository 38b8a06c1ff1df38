"""What ingest does with a request: one durable append, found again by its identity when it comes twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from events.base import Draft, Event
from events.business import EventReceived
from events.followup import Joined
from events.operator import FollowupTriggered, TriggerGiven
from libs.config.bundle import Bundle
from libs.domain.contact import sealed_with
from libs.domain.given import Wrong
from libs.kit import folds, ids, telemetry
from libs.kit.appends import ANY, Append
from libs.kit.auth import Caller
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from services.ingest import cloudevents, decide, states
from services.ingest.cloudevents import Told
from services.ingest.decide import FollowupIn, TriggerIn
from services.ingest.states import CONTACTS, CONVERSATIONS

SOURCE = "ingest"
OTHER_CONTENT = "this id was used before with another body; send a new id, or the same body again"
EVENTS = telemetry.counter("events_received", "Events that the ERP posted.", "outcome")


@dataclass(frozen=True, slots=True)
class Taken:
    """What was stored: its id, and whether it had been stored before."""

    event_id: str
    duplicate: bool


class _Meant(NamedTuple):
    """An event as the fact that it becomes: why, where, and the name of the key that seals it."""

    cause_id: UUID
    stream: str
    fact: EventReceived
    key_name: str


class Ingest:
    """Stores what comes in. Everything here answers only after the fact is durable."""

    def __init__(self, store: Store, clock: Clock, bundles: Bundles[Bundle]) -> None:
        self._store = store
        self._clock = clock
        self._bundles = bundles

    async def take_event(self, caller: Caller, told: Told, key: str | None) -> Taken:
        """A business event. Raises Problem 422 when its id stands for other content already."""
        meant = await self._meant(caller.tenant, told, key)
        duplicate = await self._store_once(
            caller, meant.stream, meant.fact, meant.cause_id, meant.fact.fingerprint, meant.key_name
        )
        EVENTS.labels("duplicate" if duplicate else "stored").inc()
        return Taken(meant.fact.external_id, duplicate)

    async def take_events(self, caller: Caller, batch: Sequence[Told]) -> list[Taken | Wrong]:
        """Business events, each by itself: what is new goes in one transaction, in their order.

        Wrong, of its element, is one whose id stands for other content already. To take them all again changes nothing.
        """
        meant = [await self._meant(caller.tenant, told, None) for told in batch]
        firsts: dict[str, _Meant] = {}
        for each in meant:
            firsts.setdefault(each.stream, each)
        appends = [
            Append(
                caller.tenant,
                each.stream,
                ANY,
                [Draft(each.stream, each.fact, each.key_name)],
                caller.cause(each.cause_id, source=SOURCE, at=self._clock.now()),
            )
            for each in firsts.values()
        ]
        known: dict[str, str] = {}
        if appends:
            async with self._store.transaction(await self._store.shard_of(caller.tenant), lazily=True) as unit:
                appended = await unit.commit(appends=appends)
            for stream, outcome in zip(firsts, appended, strict=True):
                if outcome.duplicate:
                    known[stream] = await self._fingerprint_of(caller.tenant, stream)
        outcomes: list[Taken | Wrong] = []
        for each in meant:
            first = firsts[each.stream]
            stored = known.get(each.stream, first.fact.fingerprint)
            if stored != each.fact.fingerprint:
                outcomes.append(Wrong("$.id", OTHER_CONTENT))
                continue
            duplicate = each is not first or each.stream in known
            EVENTS.labels("duplicate" if duplicate else "stored").inc()
            outcomes.append(Taken(each.fact.external_id, duplicate))
        return outcomes

    async def _meant(self, tenant: str, told: Told, key: str | None) -> _Meant:
        event = told.event
        origin = event.source or ""
        if event.event_id:
            cause_id = ids.cause_id(tenant, f"event:{origin}", event.event_id)
        elif key:
            cause_id = ids.cause_id(tenant, f"event-key:{origin}", key)
        else:
            cause_id = ids.fresh()
        external_id = event.event_id or str(cause_id)
        fact = EventReceived(
            event_name=event.event_name,
            external_id=external_id,
            origin=origin,
            fingerprint=await states.fingerprint(self._store, tenant, cloudevents.content_of(told)),
            data=event.data,
            happened_at=event.occurred_at,
            attributes=told.attributes,
        )
        stream = f"business-{ids.digest(origin, external_id)}"
        return _Meant(cause_id, stream, fact, sealed_with(stream, event.data))

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
        if await self._fingerprint_of(caller.tenant, stream) != fingerprint:
            raise Problem(422, "The id stands for other content", OTHER_CONTENT)
        return True

    async def _fingerprint_of(self, tenant: str, stream: str) -> str:
        stored: Any = (await self._store.read_stream(tenant, stream))[0].event
        fingerprint: str = stored.fingerprint
        return fingerprint

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
