"""A stop that comes from an address counts for everybody who is registered there."""

from datetime import timedelta
from uuid import uuid5

import pytest
from msgspec import convert

from events.base import Event
from events.call import Answered, CallRequested, CallTaken, CameIn, Ended, ToolCalled, TurnTaken
from events.consent import Withdrawn
from events.contact import Address, Lookup, Profile, Registered
from events.conversation import MessageRequested
from events.followup import Deferred
from events.inbound import Received, Unsubscribed
from events.operator import FollowupTriggered
from events.phone import CallOver
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_PHONE
from tests.services.orchestrator.neighbours import Neighbours
from tests.services.orchestrator.scene import ROOT

SAID = "Mujhe dobara phone mat karna"


async def twins(neighbours: Neighbours, channel: str = "whatsapp") -> str:
    """Two records of one phone; the digest of its address on a channel."""
    digest = await neighbours.digest(channel, PRIYA_PHONE)
    for name in (PRIYA, "c_twin"):
        known_at = Address(channel=channel, address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="form")
        profile = Profile(name="Priya", channels=[known_at])
        lookups = [Lookup(channel=channel, digest=digest)]
        known = Registered(contact_id=name, profile=profile, lookups=lookups)
        await neighbours.say(f"contact-{name}", known, contact=name)
    return digest


async def test_two_records_of_one_phone_hear_nothing_more_after_one_stop(neighbours: Neighbours):
    digest = await twins(neighbours)
    said = Received(
        channel="whatsapp", account="1", digest=digest, sender=PRIYA_PHONE, text="STOP", provider_ref="in.1"
    )
    await neighbours.say("inbound-whatsapp-1", said, contact=None)
    stopped = (await neighbours.heard(Withdrawn, channel=None)).event.contact_id
    other = (await neighbours.heard(Withdrawn, channel="whatsapp")).event
    assert {stopped, other.contact_id} == {PRIYA, "c_twin"}
    assert other.evidence == "said at an address that is registered for somebody else, too"


async def test_an_unsubscribing_counts_for_the_other_record_on_that_channel(neighbours: Neighbours):
    digest = await twins(neighbours)
    asked = Unsubscribed(channel="whatsapp", digest=digest, how="preference", sender=PRIYA_PHONE)
    await neighbours.say("inbound-whatsapp-2", asked, contact=None)
    own = (await neighbours.heard(Withdrawn, how="unsubscribe")).event
    other = (await neighbours.heard(Withdrawn, how="stop_word")).event
    assert (own.channel, other.channel) == ("whatsapp", "whatsapp")
    assert {own.contact_id, other.contact_id} == {PRIYA, "c_twin"}


@pytest.mark.parametrize("how", ["understood", "stop_word"])
async def test_a_stop_that_is_spoken_in_a_call_counts_for_the_other_record_of_the_number(
    neighbours: Neighbours, how: str
):
    digest = await twins(neighbours, "voice")
    call = uuid5(ROOT, "in-1")
    came = CameIn(caller=PRIYA_PHONE, digest=digest, provider="exotel", provider_ref="in-1", at=MORNING, waits=True)
    await neighbours.say(f"call-{call}", came, contact=None)
    taken = await neighbours.heard(CallTaken)
    talk = taken.stream.removeprefix("conversation-")
    told: list[Event] = [Answered(conversation=talk, at=MORNING)]
    if how == "understood":  # Claude reports it before the exchange is over
        inputs = {"intent": "opt_out", "words": SAID}
        told.append(ToolCalled(conversation=talk, turn=1, number=1, tool="report_intent", inputs=inputs, said=SAID))
    spoken = SAID if how == "understood" else "STOP"
    told.append(TurnTaken(conversation=talk, turn=1, contact=spoken, agent="Theek hai.", at=MORNING))
    told.append(Ended(conversation=talk, reason="completed", seconds=9, turns=1))
    for fact in told:
        await neighbours.say(f"call-{call}", fact, contact=taken.envelope.subject)
    await neighbours.heard(CallOver)
    own = (await neighbours.heard(Withdrawn, channel=None)).event
    assert (own.how, own.evidence, own.said_on) == (how, spoken, "voice")
    others = [(await neighbours.heard(Withdrawn, channel=each)).event for each in ("whatsapp", "sms", "voice")]
    assert {each.contact_id for each in others} == {PRIYA, "c_twin"} - {own.contact_id}
    assert not any(SAID in each.evidence for each in others)


async def followed_up(neighbours: Neighbours, channel: str, *contacts: str) -> None:
    """Somebody wants each of them contacted there, all at once."""
    for contact in contacts:
        about = {"followup": str(uuid5(ROOT, contact)), "contact_id": contact, "channel_priority": [channel]}
        asked = convert({**about, "fingerprint": contact, "reason": "a new debt"}, FollowupTriggered)
        await neighbours.say(f"operator-{contact}", asked, contact=contact)


@pytest.mark.parametrize("channel", ["whatsapp", "voice"])
async def test_of_two_records_of_one_phone_one_is_approached_and_the_other_one_after_the_gap(
    neighbours: Neighbours, channel: str
):
    await twins(neighbours, channel)
    await followed_up(neighbours, channel, PRIYA, "c_twin")
    begun = await neighbours.heard(CallRequested if channel == "voice" else MessageRequested, purpose="approach")
    later = await neighbours.heard(Deferred)
    assert {begun.envelope.subject, later.envelope.subject} == {PRIYA, "c_twin"}
    [decision] = later.event.decisions
    gap = next(check for check in decision.checks if check.rule == "minimum_gap")
    assert timedelta() <= later.event.until - begun.event.allowed_by.at - timedelta(hours=4) < timedelta(minutes=1)
    assert gap.detail == (
        f"0 of 240 minutes since the last attempt, which was to contact {begun.envelope.subject} at the same phone"
    )
