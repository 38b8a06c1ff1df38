"""Addresses in the one form in which they are stored, compared and looked up, whichever way the ERP or a provider wrote them."""

from libs.channels.email_mime import mailboxes
from libs.channels.whatsapp_address import e164, is_user_id

PHONE_CHANNELS = ("whatsapp", "sms", "voice")
"""The channels whose addresses are phones: one number is one person on all of them."""


def beside(channel: str) -> tuple[str, ...]:
    """The channels on which an address of a channel is the same one, that channel among them."""
    return PHONE_CHANNELS if channel in PHONE_CHANNELS else (channel,)


def normalized(channel: str, address: str) -> str:
    """An address of a channel in its normal form.

    Phones are E.164 (`+919876543210`); what can be none stays as it is without blanks around, such as a user id of
    WhatsApp. Mail is the bare address in small letters, whatever name stands before it. A chat's is the contact's id.
    """
    text = address.strip()
    match channel:
        case "whatsapp" | "sms" | "voice":
            return text if is_user_id(text) else e164(text) or text
        case "chat":
            return text
        case "email":
            return next((box.address for box in mailboxes(text)), text.lower())
        case _:
            return text.lower()


def same_person(channel: str, address: str) -> tuple[str, ...]:
    """The other channels on which this address names the same person: those of phones, for a phone."""
    if channel not in PHONE_CHANNELS or is_user_id(address) or e164(address) is None:
        return ()
    return tuple(other for other in PHONE_CHANNELS if other != channel)
