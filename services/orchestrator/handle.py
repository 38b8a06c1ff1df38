"""What the orchestrator hears: each handler gathers what is known, lets `decide` speak, and keeps the index rows."""

from collections.abc import Sequence
from typing import Any

from events import (
    address,
    backend,
    business,
    call,
    contact,
    followup,
    inbound,
    message,
    operator,
    rules,
    timer,
    turn,
)
from events.base import Draft, Event, Recorded
from libs.domain.contact import stranger_id
from libs.domain.followup import urgency
from libs.domain.rules import why_not
from libs.kit.world import Decision, World
from services.orchestrator import (
    approach,
    decide,
    erasing,
    hearing,
    index,
    on_call,
    opening,
    outcomes,
    person,
    stopping,
    turns,
)
from services.orchestrator.callers import Callers, is_call
from services.orchestrator.gather import CONTACTS, FOLLOWUPS, Gatherer, Shell
from services.orchestrator.index import Index
from services.orchestrator.operators import Operators
from services.orchestrator.senders import Senders
from services.orchestrator.sharing import Sharing
from services.orchestrator.story import Story
from services.orchestrator.telling import Telling

CONSUMER = "orchestrator"


class Orchestrator:
    """Handlers by the fact that they hear."""

    def __init__(self, gather: Gatherer, shell: Shell) -> None:
        self._gather = gather
        self._shell = shell
        self._senders = Senders(gather, shell)
        self._telling = Telling(gather, shell)
        self._operators = Operators(gather, self._telling)
        self._sharing = Sharing(gather, self._telling)
        self._callers = Callers(gather, shell, self._senders, self._telling)

    def handlers(self) -> dict[type[Event], Any]:
        """Which handler hears which fact."""
        return {
            rules.Evaluated: self.on_evaluated,
            operator.FollowupTriggered: self.on_followup_triggered,
            backend.FollowupDiscovered: self.on_followup_discovered,
            backend.CallCompleted: self.on_call_answered,
            backend.CallFailed: self.on_call_answered,
            business.EventReceived: self.on_business_event,
            operator.ErasureRequested: self.on_erasure_requested,
            contact.ErasureFailed: self.on_erasure_failed,
            followup.Opened: self.on_followup_opened,
            contact.Registered: self.on_contact_known,
            contact.Changed: self.on_contact_known,
            contact.NotFound: self.on_contact_not_found,
            contact.Linked: self.on_contact_linked,
            inbound.Received: self.on_inbound,
            inbound.Fetched: self.on_files,
            inbound.FetchFailed: self.on_files,
            inbound.Unsubscribed: self.on_unsubscribed,
            inbound.AddressChanged: self.on_address_changed,
            turn.Completed: self.on_turn_completed,
            turn.Failed: self.on_turn_failed,
            turn.Withheld: self.on_turn_withheld,
            message.Accepted: self.on_message,
            message.Rejected: self.on_message,
            message.Withheld: self.on_message,
            message.OutcomeUnknown: self.on_message,
            message.Delivered: self.on_message,
            message.Read: self.on_message,
            message.Failed: self.on_message,
            message.Bounced: self.on_message,
            message.Priced: self.on_priced,
            call.Answered: self.on_call,
            call.TurnTaken: self.on_call,
            call.ToolCalled: self.on_call,
            call.Ended: self.on_call,
            call.TransferOver: self.on_call,
            call.Rejected: self.on_call,
            call.Withheld: self.on_call,
            timer.Fired: self.on_timer_fired,
            **self._callers.handlers(),
            **self._operators.handlers(),
            **self._sharing.handlers(),
        }

    async def on_evaluated(self, fact: Recorded[rules.Evaluated], world: World) -> Decision | None:
        """Rules asked for follow-ups: each is opened once per key."""
        opened = await opening.matched(fact, world, self._gather, self._shell)
        contacts = {draft.subject for draft in opened.drafts if draft.subject}
        event_key = [fact.event.business_stream]  # the evaluation is sealed under it too
        bound = [row for each in contacts for row in self._shell.bind_rows(world.tenant, event_key, each)]
        return self._telling.told(world, opened.stories, bound, opened.drafts)

    async def on_followup_triggered(self, fact: Recorded[operator.FollowupTriggered], world: World) -> Decision | None:
        """Somebody asked for a follow-up by hand."""
        event = fact.event
        bound = self._shell.bind_rows(world.tenant, [fact.stream], event.contact_id)
        return self._telling.decision(world, [await opening.asked_by_hand(event, world)], bound)

    async def on_followup_discovered(self, fact: Recorded[backend.FollowupDiscovered], world: World) -> Decision | None:
        """The ERP holds a pending follow-up; the same id is taken up once."""
        event = fact.event
        key = f"erp:{event.erp_id}"
        holder = await Index(world.db, world.tenant).holder(key)
        if why_not(holder, cooldown_s=0, supersede=False, now=world.now()):
            return None
        bound = self._shell.bind_rows(world.tenant, [fact.stream], event.contact_id)
        followup_id = self._shell.fact_id(fact.id, "followup", 0)
        return self._telling.decision(
            world, [opening.draft(followup_id, event.contact_id, opening.of_the_erp(event, key))], bound
        )

    async def on_followup_opened(self, fact: Recorded[followup.Opened], world: World) -> Decision | None:
        """A matter is ours: it is taken up at once, or on its date."""
        if (await world.fold(FOLLOWUPS, fact.stream)).due_at is not None:
            return None
        return await self._join(world, fact.subject_id, fact.event.contact_id)

    async def _join(self, world: World, followup_id: str, contact_id: str) -> Decision | None:
        """A matter joins the contact's conversation, once the ERP has said who the contact is."""
        known = await world.fold(CONTACTS, f"contact-{contact_id}")
        if await erasing.is_erased(world, contact_id):
            return self._telling.decision(world, [erasing.pointless(followup_id, contact_id)])
        if known.profile is None:
            waiting = await Index(world.db, world.tenant).waiting_for(contact_id)
            rows = [index.wait_for_contact(world.tenant, contact_id, followup_id)]
            if waiting:
                return Decision(rows=rows)
            request = followup.ContactRequested(contact_id=contact_id)
            return Decision([opening.draft(followup_id, contact_id, request)], rows)
        story, follows = await self._gather.story_of_contact(world, contact_id, [followup_id])
        decide.take_up(story, followup_id, follows)
        return self._telling.told(world, [story])

    async def on_contact_known(self, fact: Recorded[contact.Registered], world: World) -> Decision | None:
        """We know who it is now, or something new of them: what waited for this contact goes on."""
        event = fact.event
        asked = Index(world.db, world.tenant)
        waiting = await asked.waiting_for(event.contact_id)
        known = await self._identified(world, event.contact_id, event.lookups, waiting)
        open_now, _ = await asked.conversation_of(event.contact_id)
        if waiting or open_now is None or (known is not None and known.drafts):
            return known
        story = await self._gather.story(world, {}, open_now)
        if story is not None:
            approach.withdraw_elsewhere(story)
        return self._telling.told(world, [story] if story else [], known.rows if known else ())

    async def _identified(
        self, world: World, contact_id: str, lookups: Sequence[contact.Lookup], followups: list[str]
    ) -> Decision | None:
        """These addresses are this contact's: what waited for them goes on, what a stranger said there counts for them."""
        asked = Index(world.db, world.tenant)
        strangers = await self._senders.strangers(world, contact_id, lookups)
        messages = [
            stream for lookup in lookups for stream in await asked.waiting_messages(lookup.channel, lookup.digest)
        ]
        rows = [row for lookup in lookups for row in index.lookup_rows(world.tenant, contact_id, lookup)]
        barred = await self._sharing.barred(world, contact_id, lookups)
        if not followups and not messages and not strangers and not barred:
            return Decision(rows=rows)
        if await erasing.is_erased(world, contact_id):
            return Decision(rows=[*rows, *self._shell.bind_rows(world.tenant, messages, contact_id)])
        story, follows = await self._gather.story_of_contact(world, contact_id, followups)
        stopping.bar(story, barred)
        rows += self._shell.bind_rows(world.tenant, erasing.keys_of_strangers(lookups, strangers), contact_id)
        ended = [draft for each in strangers for draft in await self._senders.adopt(world, story, each, follows)]
        for followup_id in sorted(followups, key=lambda each: urgency(story.followups[each])):
            decide.take_up(story, followup_id, follows)
        rows.append(index.contact_is_known(world.tenant, contact_id))
        written = [stream for stream in messages if not is_call(stream)]
        rows += await self._senders.hear(world, story, written, follows)
        rows += await self._callers.hear(world, story, filter(is_call, messages), follows)
        return self._telling.told(world, [story], rows, ended)

    async def on_contact_not_found(self, fact: Recorded[contact.NotFound], world: World) -> Decision | None:
        """The ERP does not know the contact: nobody can be approached, a person must look at it."""
        contact_id = fact.event.contact_id
        waiting = await Index(world.db, world.tenant).waiting_for(contact_id)
        reason = f"the contact is not known: {fact.event.reason}"
        drafts = [opening.draft(each, contact_id, followup.Exhausted(reason=reason)) for each in waiting]
        return self._telling.decision(world, drafts, [index.contact_is_known(world.tenant, contact_id)])

    async def on_contact_linked(self, fact: Recorded[contact.Linked], world: World) -> Decision | None:
        """An unknown sender turned out to be this contact: what they wrote is heard now."""
        event = fact.event
        lookups = [contact.Lookup(channel=event.channel, digest=event.digest)]
        return await self._identified(world, event.contact_id, lookups, [])

    async def on_inbound(self, fact: Recorded[inbound.Received], world: World) -> Decision | None:
        """A contact wrote: the message finds its conversation by the sender's addresses, or by what it answers."""
        event = fact.event
        sender = await self._senders.of(world, event)
        if sender is None and event.automatic is not None:
            return None
        if sender is None:
            waiting = await Index(world.db, world.tenant).waiting_messages(event.channel, event.digest)
            rows = [index.wait_for_sender(world.tenant, event.channel, event.digest, fact.stream)]
            if waiting:
                return Decision(rows=rows)
            unknown = address.SenderUnknown(channel=event.channel, digest=event.digest, address=event.sender)
            return Decision([Draft(f"conversation-{stranger_id(event.digest)}", unknown)], rows)
        if await erasing.is_erased(world, sender.contact):
            # Its address still leads to who it was: what they write is destroyed unread, and nobody answers.
            return Decision(rows=self._shell.bind_rows(world.tenant, [fact.stream], sender.contact))
        story, follows = await self._gather.story_of_contact(world, sender.contact, [])
        rows = await self._senders.learnt(world, event, sender.contact) if sender.by_address else []
        rows += await self._senders.hear(world, story, [fact.stream], follows, theirs=sender.by_address)
        return self._telling.told(world, [story], rows)

    async def on_files(self, fact: Recorded[inbound.Fetched | inbound.FetchFailed], world: World) -> Decision | None:
        """The files of a message are here, or cannot be had. Whom nobody has named yet is heard with them later."""
        message = await self._senders.message(world, fact.stream)
        if message.received is None:
            return None
        sender = await self._senders.of(world, message.received)
        if sender is None:
            return None
        story, _ = await self._gather.story_of_contact(world, sender.contact, [])
        hearing.read_files(story, message, fact.stream)
        return self._telling.told(world, [story])

    async def on_unsubscribed(self, fact: Recorded[inbound.Unsubscribed], world: World) -> Decision | None:
        """A contact asked one channel for no more."""
        event = fact.event
        contact_id = await self._senders.by_address(world, event.channel, [event.digest])
        contact_id = contact_id or await self._gather.contact_of_message(world, event.reference)
        if contact_id is None:
            return None
        story, _ = await self._gather.story_of_contact(world, contact_id, [])
        hearing.unsubscribe(story, event)
        return self._telling.told(world, [story], self._shell.bind_rows(world.tenant, [fact.stream], contact_id))

    async def on_address_changed(self, fact: Recorded[inbound.AddressChanged], world: World) -> Decision | None:
        """A contact has another address now: it leads to them, and the ERP's side of the house notes it."""
        event = fact.event
        contact_id = await self._senders.by_address(world, event.channel, [event.digest])
        if contact_id is None:
            return None
        moved = address.AddressMoved(
            contact_id=contact_id,
            channel=event.channel,
            digest=event.digest,
            new_digest=event.new_digest,
            address=event.new_address,
        )
        rows = [
            index.forget_address(world.tenant, event.channel, event.digest, contact_id),
            index.give_up_address(world.tenant, event.channel, event.digest, contact_id),
            index.know_address(world.tenant, event.channel, event.new_digest, contact_id, "registered"),
            *self._shell.bind_rows(world.tenant, [fact.stream], contact_id),
        ]
        story, _ = await self._gather.story_of_contact(world, contact_id, [])
        person.forget(story, event.channel, "the provider tells that the address has changed hands")
        stream = f"conversation-{stranger_id(event.new_digest)}"
        return self._telling.decision(
            world, [*story.drafts, Draft(stream, moved, f"contact-{contact_id}", contact_id)], rows
        )

    async def on_turn_completed(self, fact: Recorded[turn.Completed], world: World) -> Decision | None:
        """Claude has understood and written; the state map moves and the conversation answers."""
        spent = await self._gather.spent(world, fact.subject_id, fact.event.cost)
        return await self._telling.tell(
            world, fact.event.conversation, lambda story: turns.after_turn(story, fact.event, fact.subject_id), spent
        )

    async def on_turn_failed(self, fact: Recorded[turn.Failed], world: World) -> Decision | None:
        """Claude could not; the contact still gets an answer, or a person gets the conversation."""
        event = fact.event
        return await self._telling.tell(
            world,
            event.conversation,
            lambda story: turns.after_failed_turn(story, fact.subject_id, event.reason, event.cost),
        )

    async def on_turn_withheld(self, fact: Recorded[turn.Withheld], world: World) -> Decision | None:
        return await self._telling.tell(
            world, fact.event.conversation, lambda story: turns.after_withheld_turn(story, fact.subject_id)
        )

    async def on_call_answered(
        self, fact: Recorded[backend.CallCompleted | backend.CallFailed], world: World
    ) -> Decision | None:
        """The ERP answered a flow's question, or confirmed what it was told."""
        event = fact.event

        def answered(story: Story) -> None:
            asked = story.conversation.calls.get(fact.subject_id)
            if asked is not None:
                decide.after_tool(story, fact.subject_id, asked, event)
            elif fact.subject_id in story.conversation.awaited:
                decide.after_writeback(story, fact.subject_id, event)

        return await self._telling.tell(world, event.conversation, answered)

    async def on_message(self, fact: Recorded[Any], world: World) -> Decision | None:
        """What became of something that we said."""
        what = outcomes.became(fact.event)
        spent = await self._gather.spent(world, fact.subject_id, getattr(fact.event, "cost", None))
        if what.outcome in ("delivered", "read") and not await self._gather.listens(world, fact, what.outcome):
            return None
        return await self._telling.tell(
            world, fact.event.conversation, lambda story: outcomes.after_message(story, fact.subject_id, what), spent
        )

    async def on_priced(self, fact: Recorded[message.Priced], world: World) -> Decision | None:
        """The provider's own price replaces what was reckoned."""
        return self._telling.decision(world, [], await self._gather.spent(world, fact.subject_id, fact.event.cost))

    async def on_call(self, fact: Recorded[Any], world: World) -> Decision | None:
        """What happens in a call, or comes of it."""
        spent = [
            row
            for component, cost in on_call.costs(fact.event).items()
            for row in await self._gather.spent(world, f"{fact.subject_id}/{component}", cost)
        ]
        return await self._telling.tell(
            world, fact.event.conversation, lambda story: on_call.hear(story, fact.subject_id, fact.event), spent
        )

    async def on_timer_fired(self, fact: Recorded[timer.Fired], world: World) -> Decision | None:
        """Business time has come."""
        family, _, name = fact.event.stream.partition("-")
        if family == "followup":
            state = await world.fold(FOLLOWUPS, fact.event.stream)
            if state.opened is None or state.settled or state.conversation is not None:
                return None
            return await self._join(world, name, state.opened.contact_id)

        def due(story: Story) -> None:
            known = story.conversation.timers.get(fact.event.timer)
            if known is not None:
                decide.after_timer(story, known)

        return await self._telling.tell(world, name, due)

    async def on_business_event(self, fact: Recorded[business.EventReceived], world: World) -> Decision | None:
        """The ERP says what happened: open processes of that entity hear it, pointless follow-ups end."""
        event = fact.event
        asked = Index(world.db, world.tenant)
        stories: dict[str, Story] = {}
        for binding in await self._gather.bindings(world, asked, event):
            story = await self._gather.story(world, stories, binding.conversation)
            if story is not None and binding.matter in story.conversation.matters:
                decide.on_business_event(story, binding.matter, event)
        drafts = await opening.pointless(event, world, self._gather, stories)
        return self._telling.told(world, stories.values(), (), drafts)

    async def on_erasure_requested(self, fact: Recorded[operator.ErasureRequested], world: World) -> Decision | None:
        """Somebody is to be forgotten: their follow-ups end, and nothing more is said to them."""
        stories, drafts = await erasing.ended(world, self._gather, fact.event.contact_id)
        return self._telling.told(world, stories, (), drafts)

    async def on_erasure_failed(self, fact: Recorded[contact.ErasureFailed], world: World) -> Decision | None:
        """Somebody who was to be forgotten was not: a person must look at it."""
        return self._telling.told(world, await erasing.failed(world, self._gather, fact.event))
