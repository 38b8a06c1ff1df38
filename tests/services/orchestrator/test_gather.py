"""What a decision gathers of those who share an address, on the real Postgres."""

from typing import Any

from events.base import Draft, Recorded
from events.contact import Address, Lookup, Profile, Registered
from events.conversation import MessageRequested, Opened
from events.values import Body, PolicyDecision
from libs.config.bundle import Bundle
from libs.domain.policy import Beside
from libs.kit.bundles import Bundles, publish
from libs.kit.folds import FoldCache, Overlay
from libs.kit.memo import Memo
from libs.kit.store import Store
from libs.kit.world import PrivateRows, Row, World
from libs.testkit.nouns import NOON, PRIYA, PRIYA_PHONE, TENANT
from services.orchestrator import index
from services.orchestrator.app import OWN_FAMILIES, KitShell
from services.orchestrator.gather import Gatherer
from services.orchestrator.story import Story
from tests.libs.config.shipped import shipped
from tests.services.orchestrator.neighbours import because

TWIN = "c_twin"
ALLOWED = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="", at=NOON)


async def known(store: Store, contact: str, conversation: str) -> list[Row]:
    """A contact with Priya's phone and a conversation; the rows by which its address is known."""
    lookups = [Lookup(channel=each, digest="d") for each in ("whatsapp", "sms", "email")]
    profile = Profile(name="Priya", channels=[Address(channel="whatsapp", address=PRIYA_PHONE)])
    told = {
        f"contact-{contact}": Registered(contact_id=contact, profile=profile, lookups=lookups),
        f"conversation-{conversation}": Opened(contact_id=contact),
    }
    for stream, event in told.items():
        await store.append_any(TENANT, stream, [Draft(stream, event, f"contact-{contact}", contact)], because())
    return [row for lookup in lookups for row in index.lookup_rows(TENANT, contact, lookup)]


def speaks(story: Story) -> None:
    message = story.next_id()
    body = Body(text="Namaste")
    story.tell(
        MessageRequested(
            message=message, channel="sms", to=PRIYA_PHONE, body=body, allowed_by=ALLOWED, purpose="approach"
        )
    )


async def test_two_who_share_a_phone_and_hear_one_fact_are_not_both_approached_for_it(store: Store):
    await publish(store, TENANT, shipped(), because())
    rows = [*await known(store, PRIYA, "a"), *await known(store, TWIN, "b")]
    fact: Recorded[Any] = (await store.read_log(0, 0, 100))[-1]
    gatherer = Gatherer(Bundles(store, Bundle.from_json), KitShell(), lambda _: {})
    async with store.transaction(0, lazily=True) as unit:
        private = PrivateRows(unit, Memo())
        private.add(rows)
        world = World(fact, NOON, private, Overlay(FoldCache(100), store, OWN_FAMILIES))
        stories: dict[str, Story] = {}
        first = await gatherer.story(world, stories, "a")
        assert first is not None
        speaks(first)
        second = await gatherer.story(world, stories, "b")
        assert second is not None
        assert (first.known.beside["sms"], second.known.beside["sms"]) == ((), (Beside(NOON, PRIYA),))
        assert second.known.beside["whatsapp"] == (Beside(NOON, PRIYA),), "it is the same phone"
        assert "email" not in second.known.beside, "a mailbox may be a department's"
        private.add(list(index.rows_of(TENANT, first.drafts[0], NOON)))
        again = await gatherer.story(world, {}, "b")
        assert again is not None
        assert again.known.beside == second.known.beside, "and as it stands in the log"
