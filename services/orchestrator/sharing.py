"""Sharing: an address where somebody said stop hears nothing more of us, whoever else is registered there."""

from events.base import Draft
from events.consent import Withdrawn
from events.inbound import Received, Unsubscribed
from libs.domain.contact import PHONES
from libs.kit.world import World
from services.orchestrator import person
from services.orchestrator.gather import Gatherer
from services.orchestrator.index import Index
from services.orchestrator.senders import Senders
from services.orchestrator.story import Story


class Sharing:
    """Finds who else is reached where a contact wrote from. Two records of one person share their addresses, too."""

    def __init__(self, gather: Gatherer, senders: Senders) -> None:
        self._gather = gather
        self._senders = senders

    async def stopped(self, world: World, story: Story, said: Received | Unsubscribed | None) -> list[Draft]:
        """What a stop or an unsubscribing in this story, said by this message, means for the others at its address."""
        told = next((each.event for each in story.drafts if isinstance(each.event, Withdrawn)), None)
        if told is None or said is None:
            return []
        also = said.also_known_as if isinstance(said, Received) else []
        sharing = await Index(world.db, world.tenant).claimants(said.channel, [said.digest, *also])
        drafts: list[Draft] = []
        for other in sharing:
            if other != story.contact.id:
                theirs, _ = await self._gather.story_of_contact(world, other, [])
                withdraw(theirs, told, said.channel, said.sender)
                drafts += theirs.drafts
        return drafts

    async def stopped_in_words(self, world: World, story: Story) -> list[Draft]:
        """The same for a stop that was understood from the newest words."""
        if not any(isinstance(each.event, Withdrawn) for each in story.drafts):
            return []
        lines = (line for line in reversed(story.conversation.lines) if line.role == "contact" and line.source)
        source = next((line.source for line in lines), None)
        heard = await self._senders.message(world, source) if source and source.startswith("inbound-") else None
        return await self.stopped(world, story, heard.received if heard else None)


def withdraw(story: Story, told: Withdrawn, channel: str, address: str) -> None:
    """Nothing goes to an address of this contact any more, as somebody else there wants to hear nothing.

    Of a phone that is for all that reaches it, unless they unsubscribed from one channel alone.
    """
    entries = story.contact.profile.channels if story.contact.profile else []
    mine = {entry.address for entry in entries if entry.channel == channel}
    meant = {address} & mine or mine
    channels = PHONES if channel in PHONES and told.channel is None else (channel,)
    for each in dict.fromkeys(
        entry.channel for entry in entries if entry.channel in channels and entry.address in meant
    ):
        if story.known.consent.stopped or story.known.consent.channels.get(each) is False:
            continue
        evidence = f"{told.how} of another contact at the same address"
        story.tell_consent(Withdrawn(contact_id=story.contact.id, how=told.how, evidence=evidence, channel=each))
        person.forget(story, each, evidence)
        if story.conversation.open:
            story.close_gate(story.gate_of(each), evidence, lasting=True)
