"""Two people behind one phone: written to one after the other, and heard as whoever is answered, named, or has something open."""

from datetime import timedelta

import pytest

from events import contact, followup, inbound, message
from events.conversation import ContactSaid
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_shared_phone_leads_to_the_one_who_is_meant(fresh_town: FreshTown):
    town = await fresh_town()
    asha, dev = await town.somebody(), await town.somebody()
    dev.phone = asha.phone
    agreed = {"at": "2025-11-03T09:30:00Z", "evidence": "order form, box ticked"}
    shared = {"channel": "whatsapp", "address": asha.phone, "consent": agreed}
    await town.told("erp/contacts", {"id": dev.id, "name": dev.name, "organization": "Acme Corp", "channels": [shared]})
    await asha.was_reminded()
    # Dev becomes known later: the phone is registered for him last.
    asked = {"contact_id": dev.id, "reason": "Say hello", "channel_priority": ["email"]}
    await town.post("/api/v1/followups/trigger", asked)
    await dev.sees(contact.Registered)
    await dev.owes()
    deferred = await dev.sees(followup.Deferred)
    said = [check.detail for each in deferred.event.decisions for check in each.checks if check.rule == "minimum_gap"]
    assert f"which was to contact {asha.id} at the same phone" in said[0]
    assert len(await asha.received()) == 1, "the phone has rung once"
    await town.clock.advance(timedelta(hours=4, minutes=1))
    await dev.sees(message.Accepted)

    await asha.says(f"About {asha.invoice}: 20 February tak kar denge")
    assert await heard_by(town, asha, 1) == asha.id
    await dev.says(f"What about {dev.invoice}?")
    assert await heard_by(town, dev, 2) == dev.id
    first = next(each for each in await asha.received() if asha.invoice in each["text"])
    await town.told("meta/inbound", {"from": asha.phone, "text": "Yes, that one", "quoted": first["id"]})
    assert await heard_by(town, asha, 3) == asha.id


async def heard_by(town: Town, person: Person, number: int) -> str:
    """Whose conversation the n-th message from that phone was heard in."""
    received = await town.log.wait(
        lambda fact: isinstance(fact.event, inbound.Received) and fact.event.sender == person.phone, times=number
    )
    stream = received[-1].stream
    [said] = await town.log.wait(lambda fact: isinstance(fact.event, ContactSaid) and fact.event.inbound == stream)
    return str(said.envelope.subject)
