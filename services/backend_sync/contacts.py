"""Contacts as facts: by which addresses one is found, and what is told of it."""

from events.base import Draft, Recorded
from events.contact import CONTACT, Lookup, Profile
from events.operator import ContactGiven
from libs.domain import contact as people
from libs.domain.contact import Contact
from libs.kit.crypto import Keyring
from libs.kit.folds import Fold
from libs.kit.world import Decision, World
from services.backend_sync import decide

CONTACTS: Fold[Contact] = Fold(CONTACT, Contact, people.evolve)


class Contacts:
    """Notes who contacts are; addresses are looked up by HMACs under the tenant's key."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def known(self, tenant: str, contact_id: str, profile: Profile, *, registered: bool) -> Draft:
        """The fact that tells a contact's profile now, with every address that leads to it."""
        lookups = [
            Lookup(
                channel=channel,
                digest=(await self._keyring.lookup(tenant, channel, address)).hex(),
                implied=implied,
            )
            for (channel, address), implied in decide.names_of(contact_id, profile).items()
        ]
        return decide.about_contact(contact_id, decide.contact_fact(contact_id, profile, lookups, registered))

    async def on_contact_given(self, fact: Recorded[ContactGiven], world: World) -> Decision | None:
        """Somebody told who a contact is. Whether that is new was looked at when it was told."""
        told = fact.event
        before = await world.fold(CONTACTS, f"contact-{told.contact_id}")
        if before.erased:
            return None
        profile = people.merged(before.profile, told.profile)
        registered = before.profile is not None
        return Decision([await self.known(world.tenant, told.contact_id, profile, registered=registered)])
