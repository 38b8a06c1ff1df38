"""A stop that comes from an address counts for everybody who is registered there."""

from events.consent import Withdrawn
from events.contact import Address, Lookup, Profile, Registered
from events.inbound import Received, Unsubscribed
from libs.testkit.nouns import PRIYA, PRIYA_PHONE
from tests.services.orchestrator.neighbours import Neighbours


async def twins(neighbours: Neighbours) -> str:
    """Two records of one phone; the digest of its address."""
    digest = await neighbours.digest("whatsapp", PRIYA_PHONE)
    for name in (PRIYA, "c_twin"):
        profile = Profile(name="Priya", channels=[Address(channel="whatsapp", address=PRIYA_PHONE)])
        lookups = [Lookup(channel="whatsapp", digest=digest)]
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
