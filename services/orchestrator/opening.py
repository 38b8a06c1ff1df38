"""Opening: which of the follow-ups that rules ask for begin, at once or on their date, and which of them replace another."""

from dataclasses import dataclass, field, replace
from typing import Any

from events.backend import FollowupDiscovered
from events.base import Draft, Event, Recorded
from events.business import EventReceived
from events.followup import Cancelled, Declined, Opened, Scheduled
from events.operator import FollowupTriggered
from events.rules import Evaluated, MatchedFollowup
from libs.domain.rules import Holder, why_not
from libs.kit.world import World
from services.orchestrator import settling
from services.orchestrator.gather import BUSINESS_FACTS, FOLLOWUPS, Gatherer, Shell
from services.orchestrator.index import Index
from services.orchestrator.story import Story

SUPERSEDED = "a newer follow-up of its key replaces it"


@dataclass(slots=True)
class Opening:
    """What an evaluation comes to: facts of follow-ups, and the conversations of those that were replaced."""

    drafts: list[Draft] = field(default_factory=list)
    conversations: dict[str, Story] = field(default_factory=dict)

    @property
    def stories(self) -> list[Story]:
        return list(self.conversations.values())


async def matched(fact: Recorded[Evaluated], world: World, gather: Gatherer, shell: Shell) -> Opening:
    """Open each follow-up that rules ask for once per key; what is declined says why."""
    asked = Index(world.db, world.tenant)
    opening = Opening()
    opening.drafts += await _overtaken(fact.event, world, gather, opening.conversations)
    opened_here: dict[str, str] = {}
    for place, each in enumerate(fact.event.matched):
        followup = shell.fact_id(fact.id, "followup", place)
        holder = _as_left(opening, await asked.holder(each.dedupe_key))
        if each.dedupe_key in opened_here:
            _decline(opening, each, followup, "this event opened another one of this key", opened_here[each.dedupe_key])
            continue
        why = why_not(holder, cooldown_s=each.cooldown_s, supersede=each.supersede, now=world.now())
        if why is not None and holder is not None:
            _decline(opening, each, followup, why, holder.followup)
            continue
        opened_here[each.dedupe_key] = followup
        replaced = holder if holder is not None and not holder.settled else None
        _tell(opening, each, followup, _opened(fact, each, replaced))
        if each.not_before is not None:
            timer = shell.fact_id(fact.id, f"followup-{followup}", 1)  # this fact's own id
            _tell(opening, each, followup, Scheduled(timer=timer, due_at=each.not_before))
        if replaced is not None:
            await _replace(opening, world, gather, replaced, each)
    return opening


async def pointless(
    event: EventReceived, world: World, gather: Gatherer, conversations: dict[str, Story]
) -> list[Draft]:
    """An event ends the follow-ups that it makes pointless: those in `conversations` there, the others by the facts returned."""
    drafts: list[Draft] = []
    reason = f"{event.event_name} made it pointless"
    for followup in await gather.cancelled(world, Index(world.db, world.tenant), event):
        state = await world.fold(FOLLOWUPS, f"followup-{followup}")
        if state.opened is None or state.settled:
            continue
        story = await gather.story(world, conversations, state.conversation) if state.conversation else None
        if story is None:
            drafts.append(draft(followup, state.opened.contact_id, Cancelled(reason=reason)))
        elif not story.followups[followup].settled:
            settling.cancel(story, followup, reason)
    return drafts


def by_hand(asked: FollowupTriggered) -> Opened:
    """The follow-up that somebody asks for."""
    return Opened(
        contact_id=asked.contact_id,
        reason=asked.reason,
        origin="operator",
        priority=asked.priority,
        channel_priority=asked.channel_priority,
        process_type=asked.process_type,
        entity_type=asked.entity_type,
        entity_id=asked.entity_id,
        flow=asked.flow,
        business_context=asked.business_context,
        rule_id=asked.rule_id,
        dedupe_key=asked.dedupe_key,
        cancel_on=asked.cancel_on,
    )


async def asked_by_hand(asked: FollowupTriggered, world: World) -> Draft:
    """The follow-up that somebody asks for; one under a key is declined where one of that key is open."""
    opened: Event = by_hand(asked)
    holder = await Index(world.db, world.tenant).holder(asked.dedupe_key) if asked.dedupe_key is not None else None
    why = why_not(holder, cooldown_s=0, supersede=False, now=world.now())
    if why is not None and holder is not None and asked.dedupe_key is not None:
        opened = Declined(
            contact_id=asked.contact_id,
            rule_id=asked.rule_id or "operator",
            dedupe_key=asked.dedupe_key,
            reason=why,
            instead=holder.followup,
        )
    return draft(asked.followup, asked.contact_id, opened)


def of_the_erp(found: FollowupDiscovered, key: str) -> Opened:
    """The follow-up that the ERP holds; `key` keeps it to one."""
    return Opened(
        contact_id=found.contact_id,
        reason=found.reason,
        origin="erp",
        priority=found.priority,
        channel_priority=found.channel_priority,
        process_type=found.process_type,
        entity_type=found.entity_type,
        entity_id=found.entity_id,
        business_context=found.business_context,
        dedupe_key=key,
        erp_id=found.erp_id,
    )


def draft(followup: str, contact: str, event: Event) -> Draft:
    """A fact of a follow-up, sealed as one about its contact."""
    return Draft(f"followup-{followup}", event, f"contact-{contact}", contact)


async def _overtaken(event: Evaluated, world: World, gather: Gatherer, conversations: dict[str, Story]) -> list[Draft]:
    """An event ends what it makes pointless also where that did not stand yet when we heard the event itself.

    Rules answers events in their order: what was asked for by an earlier one stands by now, however late rules was.
    """
    if not await Index(world.db, world.tenant).matches(event.event_name):
        return []
    told = await world.fold(BUSINESS_FACTS, event.business_stream)
    return await pointless(told, world, gather, conversations) if told is not None else []


def _as_left(opening: Opening, holder: Holder | None) -> Holder | None:
    """The newest follow-up of a key as this very decision has left it."""
    told = [*opening.drafts, *(draft for story in opening.stories for draft in story.drafts)]
    if holder is None or not any(
        each.stream == f"followup-{holder.followup}" and isinstance(each.event, Cancelled) for each in told
    ):
        return holder
    return replace(holder, settled=True)


async def _replace(opening: Opening, world: World, gather: Gatherer, old: Holder, new: MatchedFollowup) -> None:
    """The open follow-up of the key ends; one about the same process lives until the newer one takes its state over."""
    state = await world.fold(FOLLOWUPS, f"followup-{old.followup}")
    if state.opened is None or state.settled:
        return
    story = await gather.story(world, opening.conversations, state.conversation) if state.conversation else None
    if story is None:
        opening.drafts.append(draft(old.followup, state.opened.contact_id, Cancelled(reason=SUPERSEDED)))
    elif not _takes_over(state.opened, new):
        settling.cancel(story, old.followup, SUPERSEDED)


def _takes_over(old: Opened, new: MatchedFollowup) -> bool:
    same: Any = (old.contact_id, old.process_type, old.entity_id) == (new.contact_id, new.process_type, new.entity_id)
    return bool(same) and new.process_type is not None and new.not_before is None


def _opened(fact: Recorded[Evaluated], asked: MatchedFollowup, replaced: Holder | None) -> Opened:
    return Opened(
        contact_id=asked.contact_id,
        reason=asked.reason,
        origin="rule",
        priority=asked.priority,
        channel_priority=asked.channel_priority,
        process_type=asked.process_type,
        entity_type=asked.entity_type,
        entity_id=asked.entity_id,
        flow=asked.flow,
        business_context=asked.business_context,
        business_stream=fact.event.business_stream,
        rule_id=asked.rule_id,
        dedupe_key=asked.dedupe_key,
        cancel_on=asked.cancel_on,
        supersedes=replaced.followup if replaced else None,
    )


def _decline(opening: Opening, asked: MatchedFollowup, followup: str, reason: str, instead: str) -> None:
    declined = Declined(
        contact_id=asked.contact_id,
        rule_id=asked.rule_id,
        dedupe_key=asked.dedupe_key,
        reason=reason,
        instead=instead,
    )
    _tell(opening, asked, followup, declined)


def _tell(opening: Opening, asked: MatchedFollowup, followup: str, event: Event) -> None:
    opening.drafts.append(draft(followup, asked.contact_id, event))
