"""Who it is that calls us, on the real log: found by the number, asked for in the ERP, or called later where we missed them."""

from uuid import uuid5

import pytest

from events.address import SenderUnknown
from events.call import CallTaken, CameIn, Missed
from events.consent import Withdrawn
from events.contact import Address, ErasureFailed, Linked, Lookup, Profile, Registered
from events.conversation import Escalated, MessageRequested, Opened
from events.followup import Cancelled
from events.operator import ErasureRequested, FollowupTriggered
from events.phone import CallOver, RangUs
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_PHONE
from tests.services.orchestrator.neighbours import Neighbours
from tests.services.orchestrator.scene import ROOT


async def priya(neighbours: Neighbours) -> None:
    """The ERP knows Priya by her phone."""
    lookups = [Lookup(channel="voice", digest=await neighbours.digest("voice", PRIYA_PHONE))]
    profile = Profile(name="Priya", channels=[Address(channel="voice", address=PRIYA_PHONE)])
    await neighbours.say(f"contact-{PRIYA}", Registered(contact_id=PRIYA, profile=profile, lookups=lookups))


async def calls(neighbours: Neighbours, name: str = "in-1") -> str:
    """Somebody calls us from her number, and waits; the call's id."""
    id_ = str(uuid5(ROOT, name))
    digest = await neighbours.digest("voice", PRIYA_PHONE)
    came = CameIn(caller=PRIYA_PHONE, digest=digest, provider="exotel", provider_ref=name, at=MORNING, waits=True)
    await neighbours.say(f"call-{id_}", came, contact=None)
    return id_


async def test_who_is_known_by_the_number_is_talked_with_in_their_conversation(neighbours: Neighbours):
    await priya(neighbours)
    id_ = await calls(neighbours)
    taken = await neighbours.heard(CallTaken)
    assert (taken.event.call, taken.envelope.subject) == (id_, PRIYA)
    opened = await neighbours.heard(Opened)
    assert opened.stream == taken.stream


async def test_the_erp_is_asked_about_a_number_once_and_the_caller_is_taken_when_it_knows(neighbours: Neighbours):
    id_ = await calls(neighbours)
    unknown = await neighbours.heard(SenderUnknown)
    assert (unknown.event.channel, unknown.event.address) == ("voice", PRIYA_PHONE)
    contact = f"unknown-{unknown.event.digest[:32]}"
    lookups = [Lookup(channel="voice", digest=unknown.event.digest)]
    profile = Profile(name=PRIYA_PHONE, channels=[Address(channel="voice", address=PRIYA_PHONE)])
    registered = Registered(contact_id=contact, profile=profile, lookups=lookups, known_to_erp=False)
    await neighbours.say(f"contact-{contact}", registered, contact=contact)
    taken = await neighbours.heard(CallTaken)
    assert (taken.event.call, taken.event.identifies) == (id_, False)
    assert PRIYA_PHONE not in taken.event.opening


async def test_who_was_gone_before_the_erp_had_answered_is_not_taken_and_a_person_sees_it(neighbours: Neighbours):
    id_ = await calls(neighbours)
    unknown = await neighbours.heard(SenderUnknown)
    await neighbours.say(f"call-{id_}", Missed(at=MORNING, reason="not_found", promised=True), contact=None)
    await priya(neighbours)
    await neighbours.say(f"contact-{PRIYA}", Linked(contact_id=PRIYA, channel="voice", digest=unknown.event.digest))
    rang = await neighbours.heard(RangUs)
    assert rang.envelope.subject == PRIYA
    assert "called us" in (await neighbours.heard(Escalated)).event.reason
    assert await neighbours.facts(CallTaken) == []


@pytest.mark.parametrize("times", [1, 2])
async def test_who_was_taken_and_gone_is_missed_once(neighbours: Neighbours, times: int):
    await priya(neighbours)
    id_ = await calls(neighbours)
    await neighbours.heard(CallTaken)
    for _ in range(times):
        await neighbours.say(f"call-{id_}", Missed(at=MORNING, reason="hung_up"), contact=None)
    over = await neighbours.heard(CallOver)
    assert (over.event.call, over.event.outcome, over.event.reason) == (id_, "unanswered", "hung_up")
    assert len(await neighbours.facts(CallOver)) == 1


async def test_from_the_moment_an_erasure_is_asked_for_nobody_is_taken_or_followed_up_and_a_failure_calls_a_person(
    neighbours: Neighbours,
):
    await priya(neighbours)
    await calls(neighbours)
    await neighbours.heard(CallTaken)
    await neighbours.say("operator-1", ErasureRequested(contact_id=PRIYA, operator="asha"))
    assert (await neighbours.heard(Withdrawn)).event.how == "erasure"
    await calls(neighbours, "in-2")
    matter = "00000000-0000-0000-0000-00000000beef"
    triggered = FollowupTriggered(followup=matter, contact_id=PRIYA, fingerprint="f", reason="a new debt")
    await neighbours.say("operator-2", triggered)
    assert (await neighbours.heard(Cancelled)).event.reason == "the contact was erased on request"
    assert len(await neighbours.facts(CallTaken)) == 1
    await neighbours.say(f"contact-{PRIYA}", ErasureFailed(contact_id=PRIYA, reason="the keys are away"))
    escalated = await neighbours.heard(Escalated, queue="privacy")
    assert escalated.event.reason == "the contact was to be erased, and was not: the keys are away"
    assert await neighbours.facts(MessageRequested) == []
