"""Zones: whose clock the contact lives by."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

_RENAMED = {"Asia/Calcutta": "Asia/Kolkata", "Asia/Katmandu": "Asia/Kathmandu", "Asia/Saigon": "Asia/Ho_Chi_Minh"}


def contact_zone(phone: str | None, default: str) -> str:
    """The IANA zone of a phone number (E.164, or without its plus), where it tells exactly one; else `default`."""
    return phone_zone(phone) or default


@lru_cache(maxsize=10_000)
def phone_zone(phone: str | None) -> str | None:
    """The IANA zone of a phone number (E.164, or without its plus), where it tells exactly one."""
    zones = _zones(phone) if phone else ()
    return zones[0] if len(zones) == 1 and is_zone(zones[0]) else None


def is_zone(name: str) -> bool:
    """Whether a name is that of an IANA zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zones(phone: str) -> tuple[str, ...]:
    digits = "".join(character for character in phone if character.isdigit())
    try:
        found = time_zones_for_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(_RENAMED.get(zone, zone) for zone in found)
