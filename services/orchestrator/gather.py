"""Gathering what a decision reads: folds, index rows, bundles, and what the world looks like now."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import msgspec

from events import business, conversation
from events.base import Recorded
from events.business import BUSINESS
from events.consent import CONSENT
from events.contact import CONTACT, Lookup
from events.conversation import CONVERSATION
from events.followup import FOLLOWUP, Scheduled
from events.message import MESSAGE
from events.reach import REACH
from events.values import Cost
from libs.channels import address
from libs.config.bundle import Bundle
from libs.domain import contact as people
from libs.domain import conversation as talk
from libs.domain import followup as matters
from libs.domain.contact import Consent, Contact, Reach
from libs.domain.conversation import Conversation
from libs.domain.followup import Followup
from libs.domain.policy import Beside
from libs.domain.rules import Cancel, cancelled_by, rendered_match
from libs.domain.statemap import Accepted, accepted_triggers, event_entities
from libs.kit.folds import Fold
from libs.kit.world import Row, World
from services.orchestrator import approached, spending
from services.orchestrator.index import Binding, Index
from services.orchestrator.story import Door, Known, Story

CONTACTS: Fold[Contact] = Fold(CONTACT, Contact, people.evolve)
CONSENTS: Fold[Consent] = Fold(CONSENT, Consent, people.evolve_consent)
REACHES: Fold[Reach] = Fold(REACH, Reach, people.evolve_reach)
FOLLOWUPS: Fold[Followup] = Fold(FOLLOWUP, Followup, matters.evolve)
CONVERSATIONS: Fold[Conversation] = Fold(CONVERSATION, Conversation, talk.evolve)
MESSAGE_FACTS: Fold[str | None] = Fold(MESSAGE, lambda: None, lambda known, event: known or event.conversation)
"""The conversation that a message of ours belongs to."""
BUSINESS_FACTS: Fold[business.EventReceived | None] = Fold(BUSINESS, lambda: None, lambda _, event: event)


class Bundles(Protocol):
    """Where the published bundles are."""

    async def current(self, tenant: str) -> Bundle:
        """The bundle that decides for new matters."""

    async def get(self, bundle: str) -> Bundle:
        """A bundle by its hash."""


class Shell(Protocol):
    """What decisions need of the outside: ids, and rows that are not the index's."""

    def fact_id(self, cause: UUID, stream: str, n: int) -> str:
        """The id of the n-th fact that a cause writes into a stream."""

    def timer_row(self, fact: Recorded[Any], stream: str, timer: conversation.TimerSet | Scheduled) -> Row:
        """The row that wakes us."""

    def bind_rows(self, tenant: str, keys: Iterable[str], contact: str) -> list[Row]:
        """Bind data keys to the contact whose erasure destroys them."""


class Gatherer:
    """Makes stories out of a reactor's world."""

    def __init__(self, bundles: Bundles, shell: Shell, doors: Callable[[Bundle], Mapping[str, Door]]) -> None:
        self._bundles = bundles
        self._shell = shell
        self._doors = doors

    async def spent(self, world: World, what: str, cost: Cost | None) -> list[Row]:
        """The rows by which what something cost counts for the policy's money per day."""
        if cost is None:
            return []
        return spending.spend(world.tenant, what, cost, (await self._bundles.current(world.tenant)).policy, world.now())

    async def bundle(self, bundle: str) -> Bundle:
        """A stored bundle by its hash."""
        return await self._bundles.get(bundle)

    async def story(self, world: World, stories: dict[str, Story], conversation_id: str) -> Story | None:
        """A conversation as it stands, made once in `stories`; None for one that never began."""
        if conversation_id not in stories:
            state = await world.fold(CONVERSATIONS, f"conversation-{conversation_id}")
            if not state.contact_id:
                return None
            told = list(stories.values())
            stories[conversation_id] = await self._gather(
                world, state.contact_id, conversation_id, state, [], None, told
            )
        return stories[conversation_id]

    async def listens(self, world: World, fact: Recorded[Any], outcome: str) -> bool:
        """Whether a later state of a message can mean anything: most of them change nothing, and need no story."""
        state = await world.fold(CONVERSATIONS, f"conversation-{fact.event.conversation}")
        sent = state.messages.get(fact.subject_id)
        if sent is None or fact.subject_id in state.awaited:
            return sent is not None
        matter = state.matters.get(sent.matter or "")
        if matter is None or matter.settled is not None or matter.process_type is None or matter.state is None:
            return False
        state_map = (await self._bundles.get(matter.bundle)).state_maps.get(matter.process_type)
        return state_map is not None and Accepted("outcome", outcome) in accepted_triggers(state_map, matter.state)

    async def story_of_contact(
        self, world: World, contact_id: str, followups: Iterable[str]
    ) -> tuple[Story, str | None]:
        """The contact's open conversation, else a new one; and the one before it."""
        now, last = await Index(world.db, world.tenant).conversation_of(contact_id)
        conversation_id = now or self._shell.fact_id(world.fact.id, "conversation", 0)
        state = await world.fold(CONVERSATIONS, f"conversation-{conversation_id}")
        before: Conversation | None = None
        if last and not now:
            before = await world.fold(CONVERSATIONS, f"conversation-{last}")
        return await self._gather(world, contact_id, conversation_id, state, followups, before), last

    async def contact_of_message(self, world: World, message: str | None) -> str | None:
        """To whom a message of ours was said; None for one that is not ours."""
        conversation_id = await world.fold(MESSAGE_FACTS, f"message-{message}") if message else None
        if conversation_id is None:
            return None
        return (await world.fold(CONVERSATIONS, f"conversation-{conversation_id}")).contact_id or None

    async def _gather(
        self,
        world: World,
        contact_id: str,
        conversation_id: str,
        state: Conversation,
        more: Iterable[str],
        before: Conversation | None,
        told: Sequence[Story] = (),
    ) -> Story:
        if before is None and state.follows is not None and not state.heard_at:
            before = await world.fold(CONVERSATIONS, f"conversation-{state.follows}")  # where they wrote last
        followup_ids = [*(matter.id for matter in state.matters.values()), *more]
        followups = {each: await world.fold(FOLLOWUPS, f"followup-{each}") for each in dict.fromkeys(followup_ids)}
        for each in more:
            followups[each] = await self._with_context(world, followups[each])
        current = await self._bundles.current(world.tenant)
        pinned = {matter.bundle for matter in state.live} - {current.hash}
        gap = timedelta(minutes=current.policy.minimum_gap_minutes)
        contact_state = await world.fold(CONTACTS, f"contact-{contact_id}")
        return Story(
            Known(
                now=world.now(),
                fact_id=partial(self._shell.fact_id, world.fact.id),
                current=current,
                contact=contact_state if contact_state.id else Contact(id=contact_id),
                id=conversation_id,
                conversation=state,
                before=before,
                reach=await world.fold(REACHES, f"reach-{contact_id}"),
                consent=await world.fold(CONSENTS, f"consent-{contact_id}"),
                followups=followups,
                bundles={current.hash: current} | {each: await self._bundles.get(each) for each in pinned},
                doors=self._doors(current),
                approaches=await approached.lately(world.db, world.tenant, contact_id, world.now(), gap),
                beside=await self._beside(world, contact_id, contact_state.lookups, gap, told),
                spent_today=await spending.spent_today(world.db, world.tenant, current.policy, world.now()),
            )
        )

    async def _beside(
        self,
        world: World,
        contact_id: str,
        lookups: Sequence[Lookup],
        gap: timedelta,
        told: Sequence[Story],
    ) -> dict[str, tuple[Beside, ...]]:
        """The approaches to others at the phones of a contact, by its channels; those that this very decision has `told`, too.

        A phone is one person, or one household; a mailbox may be a department's, and each of its people is written to there.
        """
        phones = [each for each in lookups if each.channel in address.PHONE_CHANNELS]
        others = set(await Index(world.db, world.tenant).claimed_by_others(contact_id, phones))
        if not others:
            return {}
        sharing = sorted({other for _, other in others})
        found = await approached.any_of(world.db, world.tenant, sharing, world.now(), gap)
        found += [(story.contact.id, channel, world.now()) for story in told for channel in story.begun]
        return {
            channel: tuple(
                Beside(at, to) for to, on, at in found if on in address.beside(channel) and (channel, to) in others
            )
            for channel in {channel for channel, _ in others}
        }

    async def _with_context(self, world: World, state: Followup) -> Followup:
        """A follow-up that means its event's whole data gets it here."""
        opened = state.opened
        if opened is None or opened.business_context is not None or opened.business_stream is None:
            return state
        told = await world.fold(BUSINESS_FACTS, opened.business_stream)
        data = told.data if told is not None else {}
        return replace(state, opened=msgspec.structs.replace(opened, business_context=data))

    async def bindings(self, world: World, asked: Index, event: business.EventReceived) -> list[Binding]:
        """The open processes whose own bundle says that this event is about their entity."""
        current = await self._bundles.current(world.tenant)
        found: dict[str, Binding] = {}
        for bundle_hash in await asked.bundles():
            bundle = current if bundle_hash == current.hash else await self._bundles.get(bundle_hash)
            for state_map in bundle.state_maps.values():
                for match in event_entities(state_map, event.event_name, event.data):
                    entity_id = match.get("entity_id")
                    if entity_id is None:
                        continue
                    for binding in await asked.bindings([state_map.process_type], [str(entity_id)]):
                        if binding.bundle == bundle_hash:
                            found[binding.matter] = binding
        return list(found.values())

    async def cancelled(self, world: World, asked: Index, event: business.EventReceived) -> list[str]:
        """The open follow-ups that this event makes pointless."""
        found: list[str] = []
        for match in await asked.matches(event.event_name):
            expected = rendered_match(msgspec.json.decode(match, type=dict[str, str]), event.data)
            if expected is None:
                continue
            entity_id = expected.get("entity_id")
            candidates = await asked.cancelled_by(
                event.event_name, match, None if entity_id is None else str(entity_id)
            )
            for candidate in candidates:
                opened = (await world.fold(FOLLOWUPS, f"followup-{candidate}")).opened
                if opened is None:
                    continue
                facts = {
                    "entity_id": opened.entity_id,
                    "entity_type": opened.entity_type,
                    "contact_id": opened.contact_id,
                    "process_type": opened.process_type,
                    "business_context": opened.business_context or {},
                }
                cancels = [Cancel(event=each.event, match=each.match) for each in opened.cancel_on]
                if cancelled_by(cancels, facts, event.event_name, event.data):
                    found.append(candidate)
        return found
