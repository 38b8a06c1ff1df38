"""Whose address it is: facts of the family `conversation` that belong to no conversation yet. Written by orchestrator."""

from events.base import Intent
from events.values import PersonalText


class SenderUnknown(Intent, tag="conversation.sender_unknown.v1", effect="contact.search"):
    """Somebody wrote whom we do not know: the ERP is asked who it is."""

    channel: str
    digest: str
    address: PersonalText


class AddressMoved(Intent, tag="conversation.address_moved.v1", effect="contact.move"):
    """A provider told that a contact has another address now: who they are stays, where they are reached changes."""

    contact_id: str
    channel: str
    digest: str
    new_digest: str
    address: PersonalText
