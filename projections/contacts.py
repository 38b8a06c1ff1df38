"""Who the contacts are, and what they allowed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events.base import Recorded
from events.consent import Given, Withdrawn
from events.contact import Changed, Erased, ErasureFailed, NotFound, Registered
from events.operator import ErasureRequested
from events.reach import AddressFailed, AddressWorks
from projections.base import Held, Json, Projection, Row, Wanted, changed


class Contact(Row, frozen=True, kw_only=True):
    """`missing` says why nothing is known; `consents` holds, by channel, what the contact itself allowed or forbade.

    `erasure` is `requested`, `done`, or says why it failed. `failing` lists the addresses at which nothing arrives: [{channel, address, reason, since, until}].
    """

    TABLE = "contacts"
    KEY = ("tenant", "id")

    id: str
    name: str | None
    role: str | None
    organization: str | None
    channels: Json
    metadata: Json
    known_to_erp: bool
    missing: str | None
    erasure: str | None
    stopped: bool
    consents: Json
    failing: Json
    created_at: datetime
    updated_at: datetime
    first_pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The contact that a fact is about."""
    yield Contact, (fact.tenant, fact.event.contact_id)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The contact after one more fact."""
    event = fact.event
    known = held.get(Contact, fact.tenant, event.contact_id)
    if known is None and isinstance(event, ErasureRequested | ErasureFailed):
        return  # they begin no row: the one that is made anew for somebody who was erased does not read them
    row = known or _new(fact)
    row = changed(row, updated_at=fact.envelope.occurred_at)
    match event:
        case Registered() | Changed():
            profile = event.profile
            yield changed(
                row,
                name=profile.name,
                role=profile.role,
                organization=profile.organization,
                channels=msgspec.to_builtins(profile.channels),
                metadata=profile.metadata,
                known_to_erp=event.known_to_erp if isinstance(event, Registered) else row.known_to_erp,
                missing=None,
            )
        case NotFound():
            yield changed(row, missing=event.reason)
        case ErasureRequested() if row.erasure != "done":
            yield changed(row, erasure="requested")
        case ErasureFailed():
            yield changed(row, erasure=f"failed: {event.reason}")
        case Erased():
            gone: dict[str, Any] = {"role": None, "organization": None, "channels": [], "metadata": {}, "failing": []}
            yield changed(row, name="[erased]", missing="erased", erasure="done", **gone)
        case AddressFailed():
            yield changed(row, failing=[*_others(row, event), _failing(fact, event)])
        case AddressWorks():
            yield changed(row, failing=_others(row, event))
        case Withdrawn(channel=None):
            yield changed(row, stopped=True, consents=_withdrawn(row))
        case Withdrawn(channel=str(channel)):
            yield changed(row, consents={**row.consents, channel: "withdrawn"})
        case Given(channel=None):
            yield changed(row, stopped=False, consents=_withdrawn(row))
        case Given(channel=str(channel)):
            yield changed(row, stopped=False, consents={**row.consents, channel: "given"})


def _withdrawn(row: Contact) -> dict[str, Any]:
    """The channels of which the contact wants nothing: a stop, and a start after it, take none of that back."""
    return {channel: said for channel, said in row.consents.items() if said == "withdrawn"}


def _others(row: Contact, event: AddressFailed | AddressWorks) -> list[Any]:
    """The failing addresses but the one that is spoken of."""
    place = (event.channel, event.address)
    return [each for each in row.failing if (each["channel"], each["address"]) != place]


def _failing(fact: Recorded[Any], event: AddressFailed) -> dict[str, Any]:
    told = {
        "channel": event.channel,
        "address": event.address,
        "reason": event.reason,
        "since": fact.envelope.occurred_at,
        "until": event.until,
    }
    return dict(msgspec.to_builtins(told))


def _new(fact: Recorded[Any]) -> Contact:
    at = fact.envelope.occurred_at
    return Contact(
        tenant=fact.tenant,
        id=fact.event.contact_id,
        name=None,
        role=None,
        organization=None,
        channels=[],
        metadata={},
        known_to_erp=False,
        missing=None,
        erasure=None,
        stopped=False,
        consents={},
        failing=[],
        created_at=at,
        updated_at=at,
        first_pos=fact.pos,
    )


CONTACTS = Projection(
    "contacts",
    (Contact,),
    (
        Registered,
        Changed,
        NotFound,
        Erased,
        ErasureRequested,
        ErasureFailed,
        Withdrawn,
        Given,
        AddressFailed,
        AddressWorks,
    ),
    reads,
    apply,
)
