"""Erasing: what ends when a contact is forgotten, and what becomes of facts about them that come later."""

from collections.abc import Iterable

from events.base import Draft
from events.consent import Withdrawn
from events.contact import ErasureFailed, Lookup
from events.conversation import Escalated
from events.followup import Cancelled
from libs.domain.contact import stranger_id
from libs.kit.world import World
from services.orchestrator import decide, opening
from services.orchestrator.gather import CONSENTS, CONTACTS, Gatherer
from services.orchestrator.index import Index
from services.orchestrator.story import Story

QUEUE = "privacy"
"""Where a person finds what could not be erased."""


async def is_erased(world: World, contact_id: str) -> bool:
    """Whether nobody may be named, answered or approached under this id any more: from the moment that it was asked for."""
    asked = (await world.fold(CONSENTS, f"consent-{contact_id}")).erasing
    return asked or (await world.fold(CONTACTS, f"contact-{contact_id}")).erased


def pointless(followup_id: str, contact_id: str) -> Draft:
    """A matter of somebody who was erased."""
    return opening.draft(followup_id, contact_id, Cancelled(reason=decide.ERASED))


async def ended(world: World, gather: Gatherer, contact_id: str) -> tuple[list[Story], list[Draft]]:
    """The contact's open conversation with its end, the end of what waits for the ERP to say who they are, and of all contact."""
    asked = Index(world.db, world.tenant)
    drafts = [pointless(each, contact_id) for each in await asked.waiting_for(contact_id)]
    withdrawn = Withdrawn(contact_id=contact_id, how="erasure", evidence="")
    drafts.append(Draft(f"consent-{contact_id}", withdrawn, f"contact-{contact_id}", contact_id))
    open_now, _ = await asked.conversation_of(contact_id)
    story = await gather.story(world, {}, open_now) if open_now else None
    if story is None:
        return [], drafts
    decide.erase(story)
    return [story], drafts


async def failed(world: World, gather: Gatherer, event: ErasureFailed) -> list[Story]:
    """The contact's last conversation, where there is one, calls a person: what was asked for has not been done."""
    last = (await Index(world.db, world.tenant).conversation_of(event.contact_id))[1]
    story = await gather.story(world, {}, last) if last else None
    if story is None:
        return []
    story.tell(Escalated(reason=f"the contact was to be erased, and was not: {event.reason}", queue=QUEUE))
    return [story]


def keys_of_strangers(lookups: Iterable[Lookup], strangers: Iterable[str]) -> list[str]:
    """The keys under which the ERP was asked whose addresses these are, and those of strangers who turn out to be the contact."""
    return [
        *(f"conversation-{stranger_id(each.digest)}" for each in lookups),
        *(f"contact-{each}" for each in strangers),
    ]
