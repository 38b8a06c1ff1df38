"""How a person is named on WhatsApp: a wa_id (digits only), a phone in E.164, or a business-scoped user id (BSUID)."""

import re

import phonenumbers

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")


def is_user_id(address: str) -> bool:
    """Whether `address` is a BSUID such as `IN.13491208655302741918`, which names a person without a phone."""
    return _USER_ID.match(address) is not None


def e164(address: str, region: str = "IN") -> str | None:
    """The phone in E.164 (`+919876543210`), from any usual notation; None where it can't be a phone.

    Without a `+` it is a number of `region` where that is a valid one, else its country code comes first. A wa_id of
    Meta's always begins with the country code: give it a `+`. With a `+` any number of a possible length is taken, for
    countries open new series before the tables know them.
    """
    text = address.strip()
    if not text.startswith("+"):
        return _valid(text, region) or _valid(f"+{text}", None)
    return _valid(text, None) or _possible(text)


def _valid(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _possible(text: str) -> str | None:
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return None
    return "+" + "".join(character for character in text if character in "0123456789") if possible else None


def wa_id(address: str, region: str = "IN") -> str | None:
    """The digits that Meta wants in `to`; None where `address` can't be a phone."""
    number = e164(address, region)
    return number[1:] if number else None
