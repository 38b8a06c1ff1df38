"""Consents on record: what the ERP says of who agreed to be written to, when and how, and whether that can be shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from events.contact import Address

A_DAY = timedelta(days=1)
"""What a date without a zone may be ahead of us."""


@dataclass(frozen=True, slots=True)
class Record:
    """The ERP's record of a consent at an address: its `evidence` in words, or what it `lacks` to be one."""

    evidence: str | None = None
    lacks: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is a consent: it names a time that is over, and what shows it."""
        return self.lacks is None


def of_record(entry: Address | None, now: datetime) -> Record | None:
    """What the ERP says of a consent to an address (`channels[].consent {at, evidence}`); None where it says nothing."""
    if entry is None or (entry.consent_at is None and not entry.consent_evidence):
        return None
    if entry.consent_at is None:
        return Record(lacks="does not say when it was given")
    day = entry.consent_at.date()
    if entry.consent_at - now > A_DAY:
        return Record(lacks=f"is of {day}, a day to come")
    if not (entry.consent_evidence or "").strip():
        return Record(lacks=f"of {day} has no evidence")
    return Record(evidence=f"{day}, {entry.consent_evidence}")
