"""Approaching: on which channel of the ladder the contact may be spoken to now, and why not on the others."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from events.conversation import ChannelSwitched
from events.values import PolicyDecision, Skipped
from libs.config.bundle import Bundle
from libs.config.providers import WINDOWED
from libs.domain import consents, policy
from libs.domain.conversation import LOST
from libs.domain.hours import Hours, minutes
from libs.domain.matter import Matter
from libs.domain.phone import VOICE
from libs.domain.right_person import Standing, standing
from services.orchestrator.story import Story

WINDOW = timedelta(hours=24)
"""How long after the contact's last message WhatsApp takes free text (Meta's customer service window)."""
PRESENT = timedelta(minutes=15)
"""How long after they wrote in the chat we take it that the contact still looks at it: nobody hears us there else."""

UNCONFIRMED = "nobody has confirmed who it is"
"""What the policy says of a channel on which only the question who it is may be asked."""
STRICTER: tuple[Standing, ...] = ("free", "registered", "confirmed", "unconfirmed", "denied")
Purpose = Literal["approach", "answer"]


@dataclass(frozen=True, slots=True)
class Way:
    """A channel on which we may speak now. `identifies`: only to ask who it is."""

    channel: str
    address: str
    decision: PolicyDecision
    template: str | None
    free_text: bool
    identifies: bool = False


@dataclass(frozen=True, slots=True)
class NoWay:
    """Nothing may be said now: not before `until`, or never on these channels."""

    until: datetime | None
    decisions: list[PolicyDecision]
    skipped: list[Skipped]

    @property
    def why(self) -> str:
        """Why each channel was passed over."""
        return "; ".join(f"{each.channel}: {each.reason}" for each in self.skipped)


def find_way(
    story: Story,
    matter: Matter | None,
    *,
    purpose: Purpose,
    templates: dict[str, str],
    only: str | None = None,
    identify: bool = True,
    calls: bool = False,
) -> tuple[Way | NoWay, list[Skipped]]:
    """The first channel on which we may speak now, with what was passed over; else why there is none.

    On the phone we speak where the caller `calls`: a line by itself is no reason to ring somebody up.

    Where nobody has confirmed who they are that is the question who it is; a channel is passed over instead without `identify`.
    """
    skipped: list[Skipped] = []
    decisions: list[PolicyDecision] = []
    waits: list[datetime] = []
    for channel in _ladder(story, matter, purpose, only):
        if channel == VOICE and not calls:
            skipped += [Skipped(channel=channel, reason="what is said there needs a call")] if only else []
            continue
        address = story.address(channel, answering=purpose == "answer")
        asks = standing_at(story, matter, channel, address or "") == "unconfirmed"
        bundle = story.known.current if asks else story.bundle(matter)
        template = templates.get(channel) or default_template(bundle, channel)
        if asks:
            template = bundle.policy.right_person.templates.get(channel)
        free_text = story.known.current.takes_free_text(channel, address or "") or window_open(story, channel)
        category = None if free_text else template_category(bundle, channel, template)
        about = approach_of(story, matter, channel, purpose, address, category=category, identifies=asks and identify)
        verdict = policy.decide(story.known.current.policy, about)
        decisions.append(verdict.decision)
        reason = verdict.reason if isinstance(verdict, policy.Refused) else _obstacle(story, channel, address, purpose)
        if reason is None and asks and address is not None:
            reason = _asked_enough(story, channel, address)
        if reason is None and not free_text and template is None:
            what = "the policy names no template that asks who it is" if asks else "the step names no template"
            reason = f"the window is closed and {what}"
        if reason is not None or address is None:
            skipped.append(Skipped(channel=channel, reason=reason or "no address is known"))
            continue
        until = _not_before(story, matter, channel, verdict)
        if until is not None:
            skipped.append(Skipped(channel=channel, reason=f"not before {until.isoformat()}"))
            waits.append(until)
            continue
        return Way(channel, address, decisions[-1], template, free_text, asks), skipped
    return NoWay(min(waits, default=None), decisions, skipped), skipped


def withdraw_elsewhere(story: Story) -> None:
    """What is on its way to an address that is not the contact's any more is withheld: somebody else may have it now."""
    now = story.conversation
    on_its_way = [
        (sent.channel, sent.to)
        for intent, sent in now.messages.items()
        if intent in now.awaited and sent.purpose == "approach" and not now.withdrew(sent)
    ]
    if now.phone is not None and not now.phone.live and now.phone.purpose == "approach":
        on_its_way.append((VOICE, now.phone.to))
    for channel in dict.fromkeys(place[0] for place in on_its_way if not story.contact.registers(*place)):
        story.close_gate(story.gate_of(channel), "the contact has another address now")


def switch(story: Story, matter: str, channel: str) -> None:
    """Go on elsewhere: on the channel named, or on the next of the ladder."""
    if channel == "next":
        doors = story.known.doors
        ladder = [
            each
            for each in story.matter(matter).channels
            if each != story.conversation.channel and each in doors and doors[each].mode != "off"
        ]
        if not ladder:
            return
        channel = ladder[0]
    story.tell(ChannelSwitched(channel=channel, reason="the state map asked for it", matter=matter))


def purpose_of(story: Story, matter: Matter | None) -> Purpose:
    """Whether what is said next about a matter answers something that the contact said about it."""
    return "answer" if story.conversation.unread_about(matter.id if matter else None) else "approach"


def talked_on(story: Story, matter: Matter | None) -> str | None:
    """Where it is talked about now: the matter's own channel, else that of the conversation."""
    return story.conversation.channels.get(matter.id if matter else "") or story.conversation.channel


def _ladder(story: Story, matter: Matter | None, purpose: Purpose, only: str | None) -> list[str]:
    """The channels to try: where the contact talks, then the ladder, least tried first, without what failed."""
    if only is not None:
        return [only]
    followup = story.followups.get(matter.id) if matter else None
    failed = followup.failed if followup else ()
    ladder = [channel for channel in (matter.channels if matter else ()) if channel not in failed]
    times = Counter(followup.tried if followup else ())
    ladder.sort(key=lambda channel: times[channel])
    channel_now = talked_on(story, matter)
    if purpose == "answer" and channel_now is not None:
        return [channel_now, *(channel for channel in ladder if channel != channel_now)]
    answered_on = _answered_on(story, matter)
    if answered_on is not None and answered_on not in failed:
        return [answered_on, *(channel for channel in ladder if channel != answered_on)]
    return ladder or ([channel_now] if channel_now is not None and not failed else [])


def _answered_on(story: Story, matter: Matter | None) -> str | None:
    """Where the contact last spoke about a matter, unless something that we began there since is unanswered."""
    now = story.conversation
    said = next(
        (line for line in reversed(now.lines) if line.role == "contact" and matter and now.about(line) == matter.id),
        None,
    )
    if said is None or matter is None:
        return None
    since = [
        sent
        for sent in now.messages.values()
        if sent.purpose == "approach" and (sent.matter, sent.channel) == (matter.id, said.channel)
    ]
    return None if any(sent.version > said.version for sent in since) else said.channel


def _obstacle(story: Story, channel: str, address: str | None, purpose: Purpose) -> str | None:
    """Why nobody would hear us there, whatever the policy says."""
    if address is not None and story.reach.fails(channel, address, story.now):
        return "nothing arrived at this address lately"
    if channel == "chat" and purpose == "approach":
        wrote_at = story.heard_at.get(channel)
        if wrote_at is None or story.now - wrote_at > PRESENT:
            return "the contact is not in the chat"
    return None


def _not_before(
    story: Story, matter: Matter | None, channel: str, verdict: policy.Allowed | policy.Deferred | policy.Refused
) -> datetime | None:
    """When it may be tried, where that is not now: by the policy, and by what our account there met with."""
    followup = story.followups.get(matter.id) if matter else None
    refused = followup.refused.get(channel) if followup else None
    waits = [verdict.until] if isinstance(verdict, policy.Deferred) else []
    waits += [refused] if refused is not None and refused > story.now else []
    return max(waits, default=None)


def standing_at(story: Story, matter: Matter | None, channel: str, address: str) -> Standing:
    """Who is known to be at an address, as far as a matter asks; what belongs to no matter asks what any of them does.

    Who answers a phone is asked in each call, and known until it is over.
    """
    phone = story.conversation.phone
    if channel == VOICE and phone is not None and phone.confirmed and phone.to == address:
        return "confirmed"
    asking = [matter] if matter is not None else list(story.conversation.matters.values())
    found: list[Standing] = [
        standing(
            story.known.current.policy,
            each.process_type,
            channel,
            address,
            contact=story.contact,
            reach=story.reach,
            now=story.now,
        )
        for each in asking
    ]
    return max(found, key=STRICTER.index, default="free")


def _asked_enough(story: Story, channel: str, address: str) -> str | None:
    most = story.known.current.policy.right_person.max_asks
    asked = [
        sent
        for sent in story.conversation.messages.values()
        if sent.identifies and (sent.channel, sent.to) == (channel, address) and sent.heard not in LOST
    ]
    return f"who it is was asked {len(asked)} times, and nobody confirmed it" if len(asked) >= most else None


def wished(story: Story) -> tuple[Hours | None, tuple[str, ...]]:
    """The hours and the dates without any contact that the contact asks for, as the ERP tells them."""
    told = story.contact.profile.metadata if story.contact.profile else {}
    try:
        hours = msgspec.convert(told["preferred_hours"], Hours) if told.get("preferred_hours") else None
        if hours is not None:
            minutes(hours.start), minutes(hours.end)
    except (msgspec.ValidationError, ValueError):
        hours = None
    dates = told.get("blackout_dates")
    return hours, tuple(str(each) for each in dates) if isinstance(dates, list) else ()


def approach_of(
    story: Story,
    matter: Matter | None,
    channel: str,
    purpose: Purpose,
    address: str | None,
    *,
    category: str | None,
    identifies: bool,
) -> policy.Approach:
    """What the policy judges: what is about to be done on a channel, and all that is known that may forbid it."""
    door = story.known.doors.get(channel)
    heard = max(story.heard_at.items(), key=lambda item: item[1], default=None)
    followup = story.followups.get(matter.id) if matter else None
    patterns = door.test_recipients if door else ()
    entry = story.contact.entry(channel, address)
    record = consents.of_record(entry, story.now)
    preferred, quiet_dates = wished(story)
    away = story.reach.away
    if away is not None and heard is not None and heard[1] > away.at:
        away = None  # they are back sooner, or read their messages where they are
    return policy.Approach(
        channel=channel,
        at=story.now,
        zone=story.zone,
        zone_known=story.zone_known,
        purpose=matter.process_type if matter else None,
        initiating=purpose == "approach",
        last_inbound_at=heard[1] if heard else None,
        last_inbound_channel=heard[0] if heard else None,
        consent=_consent(story, channel, record),
        consent_evidence=record.evidence if record else None,
        consent_lacks=record.lacks if record else None,
        opted_out=story.known.consent.stopped,
        attempts_at=tuple(story.approaches),
        attempts_beside=story.known.beside.get(channel, ()),
        matter_attempts=followup.counted if followup else 0,
        address_known=address is not None,
        channel_enabled=door is not None and door.mode != "off",
        test_recipient=any(fnmatchcase(address or "", each) for each in patterns) if patterns else None,
        do_not_disturb=entry is not None and entry.do_not_disturb,
        person=standing_at(story, matter, channel, address) if address is not None else "free",
        identifies=identifies,
        template=category,
        sender=door.sender if door else None,
        preferred=preferred,
        quiet_dates=quiet_dates,
        away_until=away.until if away else None,
        away_at=away.at if away else None,
        spent_today=story.known.spent_today,
    )


def _consent(story: Story, channel: str, record: consents.Record | None) -> dict[str, policy.Consent]:
    """What is on record of this channel at this address, and over it what the contact said last themselves."""
    known: dict[str, policy.Consent] = {channel: "given"} if record is not None and record.stands else {}
    said = story.known.consent.channels
    return known | {each: "given" if given else "withdrawn" for each, given in said.items()}


def window_open(story: Story, channel: str) -> bool:
    heard = story.heard_at.get(channel) if channel in WINDOWED else None
    return heard is not None and story.now - heard < WINDOW


def template_category(bundle: Bundle, channel: str, template: str | None) -> str | None:
    """What kind of text a template is registered as."""
    known = bundle.templates.get(channel, {}).get(template or "")
    return known.category if known else None


def default_template(bundle: Bundle, channel: str) -> str | None:
    """The registered text of a channel that fits anywhere."""
    settings = bundle.settings.channels.get(channel)
    return settings.default_template if settings else None
