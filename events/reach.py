"""What we learnt of where a contact can be reached. Written by orchestrator; the stream is `reach-{contact}`."""

from datetime import date, datetime

from events.base import Category, Event
from events.values import PersonalText, PersonalTextOrNone


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


class PersonConfirmed(Event, tag="reach.person_confirmed.v1"):
    """Who reads there said that they are the contact, in the words of `evidence`.

    It is void when the address fails, is unsubscribed from or changes hands; with `registered` also when the ERP no longer
    registers it for the contact.
    """

    contact_id: str
    channel: str
    address: PersonalText
    evidence: PersonalText
    at: datetime
    registered: bool = False


class PersonDenied(Event, tag="reach.person_denied.v1"):
    """Who reads there is somebody else: nothing more is said there until the contact confirms otherwise."""

    contact_id: str
    channel: str
    address: PersonalText
    evidence: PersonalText


class ConfirmationVoided(Event, tag="reach.confirmation_voided.v1"):
    """Nobody knows any more who reads there; on all addresses of the channel without one."""

    contact_id: str
    channel: str
    reason: str
    address: PersonalTextOrNone = None


class AwayTold(Event, tag="reach.away_told.v1"):
    """A machine answered that the contact is away and back on the day `until`, in the words of `evidence`.

    What we begin waits for that day, as far as the policy lets it, or until the contact is heard themselves.
    """

    contact_id: str
    channel: str
    inbound: str
    until: date
    evidence: PersonalText
    at: datetime


REACH = Category(
    "reach",
    current=(AddressFailed, AddressWorks, PersonConfirmed, PersonDenied, ConfirmationVoided, AwayTold),
)
