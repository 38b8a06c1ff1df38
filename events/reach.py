"""What we learnt of where a contact can be reached. Written by orchestrator; the stream is `reach-{contact}`."""

from datetime import datetime

from events.base import Category, Event
from events.values import PersonalText


class AddressFailed(Event, tag="reach.address_failed.v1"):
    """Nothing arrives at this address: it is passed over `until` then, or until the contact is heard from there."""

    contact_id: str
    channel: str
    address: PersonalText
    message: str
    reason: str
    until: datetime | None = None


class AddressWorks(Event, tag="reach.address_works.v1"):
    """Something has arrived at, or come from, an address that had failed."""

    contact_id: str
    channel: str
    address: PersonalText


REACH = Category("reach", current=(AddressFailed, AddressWorks))
