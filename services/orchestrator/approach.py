"""Approaching: on which channel of the ladder the contact may be spoken to now, and why not on the others."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from events.conversation import ChannelSwitched
from events.values import PolicyDecision, Skipped
from libs.config.bundle import Bundle
from libs.config.providers import WINDOWED
from libs.domain import policy
from libs.domain.conversation import Matter
from services.orchestrator.story import Story

WINDOW = timedelta(hours=24)
"""How long after the contact's last message WhatsApp takes free text (Meta's customer service window)."""

Purpose = Literal["approach", "answer"]


@dataclass(frozen=True, slots=True)
class Way:
    """A channel on which we may speak now."""

    channel: str
    address: str
    decision: PolicyDecision
    template: str | None
    free_text: bool


@dataclass(frozen=True, slots=True)
class NoWay:
    """Nothing may be said now: not before `until`, or never on these channels."""

    until: datetime | None
    decisions: list[PolicyDecision]
    skipped: list[Skipped]


def find_way(
    story: Story,
    matter: Matter | None,
    *,
    purpose: Purpose,
    templates: dict[str, str],
    only: str | None = None,
) -> tuple[Way | NoWay, list[Skipped]]:
    """The first channel on which we may speak now, with what was passed over; else why there is none."""
    bundle = story.bundle(matter)
    skipped: list[Skipped] = []
    decisions: list[PolicyDecision] = []
    for channel in _ladder(story, matter, purpose, only):
        address = story.contact.address(channel)
        verdict = policy.decide(story.known.current.policy, _approach(story, matter, channel, purpose, address))
        decisions.append(verdict.decision)
        if isinstance(verdict, policy.Refused):
            skipped.append(Skipped(channel=channel, reason=verdict.reason))
            continue
        if isinstance(verdict, policy.Deferred):
            skipped.append(Skipped(channel=channel, reason=f"not before {verdict.until.isoformat()}"))
            continue
        template = templates.get(channel) or default_template(bundle, channel)
        free_text = story.known.current.takes_free_text(channel, address or "") or _window_open(story, channel)
        if not free_text and template is None:
            skipped.append(Skipped(channel=channel, reason="the window is closed and the step names no template"))
            continue
        if address is not None:
            return Way(channel, address, decisions[-1], template, free_text), skipped
    return NoWay(min((each.until for each in decisions if each.until), default=None), decisions, skipped), skipped


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
    story.tell(ChannelSwitched(channel=channel, reason="the state map asked for it"))


def _ladder(story: Story, matter: Matter | None, purpose: Purpose, only: str | None) -> list[str]:
    """The channels to try: where the contact talks now, then the ladder, least tried first, without what failed."""
    if only is not None:
        return [only]
    followup = story.followups.get(matter.id) if matter else None
    failed = followup.failed if followup else ()
    ladder = [channel for channel in (matter.channels if matter else ()) if channel not in failed]
    times = Counter(followup.tried if followup else ())
    ladder.sort(key=lambda channel: times[channel])
    here = story.conversation.channel
    if purpose == "answer" and here is not None:
        return [here, *(channel for channel in ladder if channel != here)]
    return ladder or ([here] if here is not None and not failed else [])


def _approach(
    story: Story, matter: Matter | None, channel: str, purpose: Purpose, address: str | None
) -> policy.Approach:
    door = story.known.doors.get(channel)
    heard = max(story.conversation.heard_at.items(), key=lambda item: item[1], default=None)
    followup = story.followups.get(matter.id) if matter else None
    patterns = door.test_recipients if door else ()
    return policy.Approach(
        channel=channel,
        at=story.now,
        zone=story.zone,
        purpose=matter.process_type if matter else None,
        initiating=purpose == "approach",
        last_inbound_at=heard[1] if heard else None,
        last_inbound_channel=heard[0] if heard else None,
        consent=_consent(story),
        opted_out=story.known.consent.stopped,
        attempts_at=tuple(story.approaches),
        matter_attempts=followup.attempts if followup else 0,
        address_known=address is not None,
        channel_enabled=door is not None and door.mode != "off",
        test_recipient=any(fnmatchcase(address or "", each) for each in patterns) if patterns else None,
    )


def _consent(story: Story) -> dict[str, Literal["given", "withdrawn"]]:
    profile = story.contact.profile
    known: dict[str, Literal["given", "withdrawn"]] = {
        entry.channel: "given" for entry in (profile.channels if profile else []) if entry.consent_at
    }
    return known | {
        channel: "given" if given else "withdrawn" for channel, given in story.known.consent.channels.items()
    }


def _window_open(story: Story, channel: str) -> bool:
    heard = story.conversation.heard_at.get(channel) if channel in WINDOWED else None
    return heard is not None and story.now - heard < WINDOW


def default_template(bundle: Bundle, channel: str) -> str | None:
    """The registered text of a channel that fits anywhere."""
    settings = bundle.settings.channels.get(channel)
    return settings.default_template if settings else None
