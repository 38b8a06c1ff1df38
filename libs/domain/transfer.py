"""Handing a call over to a person: whose numbers are rung, when, and for how long (`voice.transfer` of the settings)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from libs.domain.hours import Calendar, Hours

RING_SECONDS = 25


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """`numbers` (E.164) are rung one after the other, each for `ring_seconds`, within `hours` of the tenant's zone."""

    numbers: tuple[str, ...] = ()
    hours: Hours | None = None
    ring_seconds: int = RING_SECONDS


def transfer_of(voice: Mapping[str, Any]) -> Transfer:
    """What the settings say; nobody is there to be rung where they say nothing."""
    return msgspec.convert(voice.get("transfer") or {}, Transfer)


def somebody_is_there(terms: Transfer, at: datetime, zone: str) -> bool:
    """Whether a person may be rung at that time."""
    return bool(terms.numbers) and Calendar(zone, hours=terms.hours).within_hours(at)
