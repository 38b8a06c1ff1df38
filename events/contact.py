"""Who the contacts are, as the ERP knows them. Written by backend-sync."""

from datetime import datetime
from typing import Annotated, Any

from events.base import Category, Event, Personal, Value


class Address(Value):
    """Where a contact can be reached; consent as the ERP has it on record, and whether a registry forbids to disturb there."""

    channel: str
    address: str
    consent_at: datetime | None = None
    consent_evidence: str | None = None
    do_not_disturb: bool = False


class Profile(Value):
    """What the ERP tells of a contact."""

    name: str
    role: str | None = None
    organization: str | None = None
    channels: list[Address] = []
    metadata: dict[str, Any] = {}


class Lookup(Value):
    """By which an inbound message finds its contact: the channel and the HMAC (hex) of the normalised address.

    `implied`: nobody registered it for this channel, but a phone is the same person's on every phone channel.
    """

    channel: str
    digest: str
    implied: bool = False


PersonalProfile = Annotated[Profile, Personal({"name": "[erased]"})]


class Registered(Event, tag="contact.registered.v1"):
    """We know this contact now. `known_to_erp` is false for a sender whom the ERP could not name."""

    contact_id: str
    profile: PersonalProfile
    lookups: list[Lookup] = []
    known_to_erp: bool = True


class Changed(Event, tag="contact.changed.v1"):
    """The ERP tells something new of a contact."""

    contact_id: str
    profile: PersonalProfile
    lookups: list[Lookup] = []


class NotFound(Event, tag="contact.not_found.v1"):
    """The ERP does not know this id, or refuses to tell; nobody can be contacted."""

    contact_id: str
    reason: str


class Linked(Event, tag="contact.linked.v1"):
    """An unknown sender turned out to be this contact."""

    contact_id: str
    channel: str
    digest: str


class Erased(Event, tag="contact.erased.v1"):
    """The contact's keys are destroyed."""

    contact_id: str


class ErasureFailed(Event, tag="contact.erasure_failed.v1"):
    """They were to be erased, and their keys could not be destroyed: an operator has to ask for it again."""

    contact_id: str
    reason: str


CONTACT = Category("contact", current=(Registered, Changed, NotFound, Linked, Erased, ErasureFailed))
