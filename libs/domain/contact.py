"""A contact as we know it: who it is, where it can be reached, and what it allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar

from events import consent as consents
from events import reach as reaches
from events.base import Event
from events.contact import Address, Changed, Erased, Lookup, NotFound, Profile, Registered

PHONES = ("whatsapp", "voice", "sms")
"""The channels whose addresses are phones: one number is one person on all of them."""
Place = tuple[str, str]

LONGEST_ID = 200
STRANGER = "unknown-"
"""How the id of a contact of our own making begins: a sender whom nobody could name."""


def stranger_id(digest: str) -> str:
    """The contact that a sender is whom nobody can name, by the look-up key (hex) of their address."""
    return f"{STRANGER}{digest[:32]}"


def is_stranger(contact: str) -> bool:
    """Whether it is a contact of our own making."""
    return contact.startswith(STRANGER)


@dataclass(frozen=True, slots=True)
class Contact:
    """`profile` is None for a contact that the ERP has not named yet; `missing` says why it will not.

    `lookups` are the addresses by which they are found.
    """

    id: str = ""
    profile: Profile | None = None
    missing: str | None = None
    known_to_erp: bool = False
    erased: bool = False
    lookups: tuple[Lookup, ...] = ()

    def address(self, channel: str) -> str | None:
        """Where the contact is reached on a channel: the first address that the ERP registered for it.

        In the chat a contact whom the ERP knows is always reached, under its own id.
        """
        if self.profile is None:
            return None
        registered = next((entry.address for entry in self.profile.channels if entry.channel == channel), None)
        return self.id if registered is None and channel == "chat" and self.known_to_erp else registered

    def registers(self, channel: str, address: str) -> bool:
        """Whether the ERP registered an address for this contact: for the channel, or a phone for another one of phones.

        The chat's address is the contact's own id, which a signed token has proved.
        """
        if channel == "chat":
            return self.known_to_erp and address == self.id
        channels = PHONES if channel in PHONES else (channel,)
        entries = self.profile.channels if self.profile and self.known_to_erp else []
        return any(entry.channel in channels and entry.address == address for entry in entries)

    def entry(self, channel: str, address: str | None) -> Address | None:
        """What the ERP says of an address on a channel, or of the first one there where none is meant."""
        entries = [each for each in (self.profile.channels if self.profile else []) if each.channel == channel]
        return next((each for each in entries if address in (None, each.address)), None)


def evolve(state: Contact, event: Event) -> Contact:
    """The contact after one more fact; whatever comes after an erasure names nobody."""
    if state.erased:
        return state
    match event:
        case Registered():
            lookups = tuple(event.lookups)
            return Contact(id=event.contact_id, profile=event.profile, known_to_erp=event.known_to_erp, lookups=lookups)
        case Changed():
            return replace(state, profile=event.profile, missing=None, lookups=tuple(event.lookups))
        case NotFound():
            return replace(state, id=event.contact_id, missing=event.reason)
        case Erased():
            return replace(state, id=event.contact_id, profile=None, missing="erased", erased=True, lookups=())
        case _:
            return state


def sealed_with(stream: str, data: Mapping[str, Any]) -> str:
    """The key that seals what a system says happened: that of the contact whom it names, else one of its stream."""
    contact = data.get("contact_id")
    named = isinstance(contact, str) and contact.isprintable() and 1 <= len(contact) <= LONGEST_ID
    return f"contact-{contact}" if named else stream


def merged(known: Profile | None, given: Profile) -> Profile:
    """What is known of a contact, with what somebody tells of it now: what they leave out stays.

    The addresses of a channel that they name replace those that were known; a consent on record stays with its address.
    """
    if known is None:
        return given
    named = {entry.channel for entry in given.channels}
    consents_of = {(entry.channel, entry.address): entry for entry in known.channels if entry.consent_at is not None}
    told = [
        entry if entry.consent_at is not None else consents_of.get((entry.channel, entry.address), entry)
        for entry in given.channels
    ]
    return Profile(
        name=given.name,
        role=given.role or known.role,
        organization=given.organization or known.organization,
        channels=[*told, *(entry for entry in known.channels if entry.channel not in named)],
        metadata={**known.metadata, **given.metadata},
    )


@dataclass(frozen=True, slots=True)
class Consent:
    """What the contact told us itself.

    `stopped`: on every channel; `said_on`: where they said it, if they did. `erasing`: they are to be forgotten, for ever.
    """

    stopped: bool = False
    said_on: str | None = None
    erasing: bool = False
    channels: Mapping[str, bool] = field(default_factory=dict)


def evolve_consent(state: Consent, event: Event) -> Consent:
    """The consent after one more fact; what was said last counts, and nothing after an erasure was asked for."""
    if state.erasing:
        return state
    match event:
        case consents.Withdrawn(how="erasure"):
            return Consent(stopped=True, erasing=True)
        case consents.Withdrawn(channel=None, said_on=said_on):
            return Consent(stopped=True, said_on=said_on, channels=_withdrawn(state))
        case consents.Withdrawn(channel=str(channel)):
            return replace(state, channels={**state.channels, channel: False})
        case consents.Given(channel=None):
            return Consent(channels=_withdrawn(state))
        case consents.Given(channel=str(channel)):
            return replace(state, stopped=False, said_on=None, channels={**state.channels, channel: True})
        case _:
            return state


def _withdrawn(state: Consent) -> dict[str, bool]:
    """What was said of one channel: a stop, and a start after it, speak of all of them and take nothing of it back."""
    return {channel: given for channel, given in state.channels.items() if not given}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When the contact confirmed who they are at an address, and whether the ERP had registered it then."""

    at: datetime
    registered: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """A machine told `at` that the contact is back on the day `until`."""

    until: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of addresses, each a channel with an address on it.

    `failed`: nothing arrives there, until when (None: until the contact is heard there). `confirmed`: the contact reads
    there; `denied`: somebody else does. `away`: what a machine told last of the contact's absence.
    """

    failed: Mapping[Place, datetime | None] = field(default_factory=dict)
    confirmed: Mapping[Place, Confirmed] = field(default_factory=dict)
    denied: frozenset[Place] = frozenset()
    away: Away | None = None

    def fails(self, channel: str, address: str, now: datetime) -> bool:
        """Whether an address is passed over now."""
        if (channel, address) not in self.failed:
            return False
        until = self.failed[channel, address]
        return until is None or now < until


def evolve_reach(state: Reach, event: Event) -> Reach:
    """The reach after one more fact."""
    match event:
        case reaches.AddressFailed():
            place = (event.channel, event.address)
            failed = {**state.failed, place: event.until}
            return replace(state, failed=failed, confirmed=_without(state.confirmed, place))
        case reaches.AddressWorks():
            return replace(state, failed=_without(state.failed, (event.channel, event.address)))
        case reaches.PersonConfirmed():
            place = (event.channel, event.address)
            confirmed = {**state.confirmed, place: Confirmed(event.at, event.registered)}
            return replace(state, confirmed=confirmed, denied=state.denied - {place})
        case reaches.PersonDenied():
            place = (event.channel, event.address)
            return replace(state, confirmed=_without(state.confirmed, place), denied=state.denied | {place})
        case reaches.ConfirmationVoided():
            kept = {
                place: known
                for place, known in state.confirmed.items()
                if place[0] != event.channel or event.address not in (None, place[1])
            }
            return replace(state, confirmed=kept)
        case reaches.AwayTold():
            return replace(state, away=Away(event.until, event.at))
        case _:
            return state


Known = TypeVar("Known")


def _without(places: Mapping[Place, Known], gone: Place) -> dict[Place, Known]:
    return {place: known for place, known in places.items() if place != gone}
