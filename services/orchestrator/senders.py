"""Senders: whose message it is, by every address that names them, and what becomes of a stranger who turns out to be known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from events import inbound
from events.consent import Withdrawn
from events.contact import Lookup
from events.conversation import Closed
from events.inbound import INBOUND
from libs.domain.contact import is_stranger
from libs.domain.conversation import Conversation
from libs.kit.folds import Fold
from libs.kit.world import Row, World
from services.orchestrator import hearing, index, threads
from services.orchestrator.gather import CONSENTS, CONTACTS, CONVERSATIONS, Gatherer, Shell
from services.orchestrator.hearing import Heard
from services.orchestrator.index import Index, Standing
from services.orchestrator.story import Story

MESSAGES: Fold[Heard] = Fold(INBOUND, Heard, hearing.heard)
CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Sender:
    """The contact who wrote. `by_address`: the address is theirs, and not only the message that it answers."""

    contact: str
    by_address: bool = True


class Senders:
    """Finds contacts for what comes in."""

    def __init__(self, gather: Gatherer, shell: Shell) -> None:
        self._gather = gather
        self._shell = shell

    async def of(self, world: World, event: inbound.Received) -> Sender | None:
        """Whose message it is; None for somebody whom nobody has named yet.

        An unknown address that answers a message of ours, as the address that it wrote to proves, speaks for whoever got it.
        """
        contact = await self.by_address(world, event.channel, [event.digest, *event.also_known_as])
        if contact is None and event.channel == CHAT:
            # The address is the contact's id, and a signed token has proved it.
            known = await world.fold(CONTACTS, f"contact-{event.sender}")
            contact = known.id if known.profile is not None else None
        if contact is not None:
            return Sender(await self._whose(world, event, contact))
        got_it = await self._gather.contact_of_message(world, event.reference)
        return Sender(got_it, by_address=False) if got_it is not None else None

    async def _whose(self, world: World, event: inbound.Received, newest: str) -> str:
        """Who of those that share an address is meant: whoever got the message that it answers, else the one whose open
        conversation holds what it answers or names, else the only one with an open matter; else the newest.
        """
        asked = Index(world.db, world.tenant)
        sharing = await asked.claimants(event.channel, [event.digest, *event.also_known_as])
        if len(sharing) < 2:
            return newest
        got_it = await self._gather.contact_of_message(world, event.reference)
        if got_it in sharing:
            return got_it
        talks: dict[str, Conversation] = {}
        for each in sharing:
            open_now, _ = await asked.conversation_of(each)
            if open_now is not None:
                talks[each] = await world.fold(CONVERSATIONS, f"conversation-{open_now}")
        about = [each for each, talk in talks.items() if threads.matter_of(talk, event) is not None]
        busy = [each for each, talk in talks.items() if talk.live]
        return next((found[0] for found in (about, busy) if len(found) == 1), newest)

    async def by_address(self, world: World, channel: str, digests: Sequence[str]) -> str | None:
        """The contact whom one of these names; one that is known goes before a stranger."""
        found = await Index(world.db, world.tenant).contacts_by_address(channel, digests)
        return min(found, key=is_stranger, default=None)

    async def learnt(self, world: World, event: inbound.Received, contact: str) -> list[Row]:
        """The rows by which each name of a sender leads to the contact from now on, where it does not yet."""
        standing: Standing = "stranger" if is_stranger(contact) else "learnt"
        asked = Index(world.db, world.tenant)
        return [
            index.know_address(world.tenant, event.channel, each, contact, standing)
            for each in dict.fromkeys([event.digest, *event.also_known_as])
            if not await asked.is_known(event.channel, each, contact, standing)
        ]

    async def message(self, world: World, stream: str) -> Heard:
        """A message with what is known of its files."""
        return await world.fold(MESSAGES, stream)

    async def hear(
        self, world: World, story: Story, streams: Iterable[str], follows: str | None, *, theirs: bool = True
    ) -> list[Row]:
        """Messages that have waited for their sender's name are heard, as they were written: the last word counts."""
        rows: list[Row] = []
        messages = [(stream, await self.message(world, stream)) for stream in streams]
        for stream, heard in sorted(messages, key=lambda each: _written(each[1])):
            if heard.received is not None:
                hearing.hear(story, heard, stream, follows, sender_is_theirs=theirs)
                rows += self._shell.bind_rows(world.tenant, [stream], story.contact.id)
        return rows

    async def strangers(self, world: World, contact: str, lookups: Iterable[Lookup]) -> list[str]:
        """Strangers who turn out to be this contact: an address of theirs is registered now."""
        asked = Index(world.db, world.tenant)
        found: dict[str, None] = {}
        for lookup in lookups:
            for each in await asked.contacts_by_address(lookup.channel, [lookup.digest]):
                if is_stranger(each) and each != contact:
                    found[each] = None
        return list(found)

    async def adopt(self, world: World, story: Story, stranger: str, follows: str | None) -> list[Any]:
        """What a stranger said counts for the contact: a stop first, then what nobody has answered.

        Returns the facts by which the stranger's own conversation ends.
        """
        consent = await world.fold(CONSENTS, f"consent-{stranger}")
        withdrawn: list[str | None] = [channel for channel, given in consent.channels.items() if not given]
        for channel in [None] if consent.stopped else withdrawn:
            story.heed(
                Withdrawn(
                    contact_id=story.contact.id,
                    how="stop_word",
                    evidence=f"said as {stranger}, before we knew who it was",
                    channel=channel,
                    said_on=consent.said_on,
                )
            )
        open_now, _ = await Index(world.db, world.tenant).conversation_of(stranger)
        theirs = await self._gather.story(world, {}, open_now) if open_now else None
        if theirs is None or theirs.conversation.live:
            return []
        unread = [line.source for line in theirs.conversation.unread if line.source]
        theirs.tell(Closed(reason="handed_over"))
        if not consent.stopped:
            await self.hear(world, story, unread, follows or open_now)
        return theirs.drafts


def _written(heard: Heard) -> datetime:
    """When a message was written; what does not tell comes last."""
    sent_at = heard.received.sent_at if heard.received is not None else None
    return sent_at or datetime.max.replace(tzinfo=UTC)
