"""A stop that comes from an address binds it for everybody who is registered there."""

from events.consent import Withdrawn
from events.contact import Address, Lookup, Profile, Registered
from events.conversation import GateClosed
from events.inbound import Received
from libs.domain.contact import Consent, Contact
from libs.testkit.nouns import PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator import sharing
from tests.services.orchestrator.neighbours import Neighbours
from tests.services.orchestrator.scene import Scene

STOP = Withdrawn(contact_id="c_other", how="stop_word", evidence="STOP")
WEB = Withdrawn(contact_id="c_other", how="unsubscribe", evidence="link", channel="whatsapp")


def at(*places: tuple[str, str]) -> Scene:
    """Priya, registered there, with a reminder on its way."""
    scene = Scene().reminded()
    entries = [Address(channel=channel, address=address) for channel, address in places]
    scene.contact = Contact(id=PRIYA, profile=Profile(name="Priya", channels=entries), known_to_erp=True)
    return scene


def told(scene: Scene, by: Withdrawn) -> list[str | None]:
    said = scene.tells(lambda story: sharing.withdraw(story, by, "whatsapp", PRIYA_PHONE))
    return [fact.channel for fact in said if isinstance(fact, Withdrawn)]


def test_a_stop_from_a_phone_binds_all_that_reaches_that_phone_and_nothing_else():
    scene = at(("whatsapp", PRIYA_PHONE), ("sms", PRIYA_PHONE), ("voice", "+912200000000"), ("email", PRIYA_EMAIL))
    assert told(scene, STOP) == ["whatsapp", "sms"]
    assert {gate.scope for gate in scene.all(GateClosed) if gate.lasting} == {
        f"contact:{PRIYA}/whatsapp",
        f"contact:{PRIYA}/sms",
    }
    assert told(scene, STOP) == [], "once"


def test_an_unsubscribing_from_one_channel_binds_that_channel():
    assert told(at(("whatsapp", PRIYA_PHONE), ("sms", PRIYA_PHONE)), WEB) == ["whatsapp"]


def test_who_said_stop_themselves_is_told_nothing_more():
    scene = at(("whatsapp", PRIYA_PHONE))
    scene.consent = Consent(stopped=True)
    assert told(scene, STOP) == []


async def test_two_records_of_one_phone_hear_nothing_more_after_one_stop(neighbours: Neighbours):
    digest = await neighbours.digest("whatsapp", PRIYA_PHONE)
    for name in (PRIYA, "c_twin"):
        profile = Profile(name="Priya", channels=[Address(channel="whatsapp", address=PRIYA_PHONE)])
        lookups = [Lookup(channel="whatsapp", digest=digest)]
        known = Registered(contact_id=name, profile=profile, lookups=lookups)
        await neighbours.say(f"contact-{name}", known, contact=name)
    said = Received(
        channel="whatsapp", account="1", digest=digest, sender=PRIYA_PHONE, text="STOP", provider_ref="in.1"
    )
    await neighbours.say("inbound-whatsapp-1", said, contact=None)
    stopped = (await neighbours.heard(Withdrawn, channel=None)).event.contact_id
    other = (await neighbours.heard(Withdrawn, channel="whatsapp")).event
    assert {stopped, other.contact_id} == {PRIYA, "c_twin"}
    assert other.evidence == "stop_word of another contact at the same address"
