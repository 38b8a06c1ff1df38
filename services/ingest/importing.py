"""What ingest does with a part of an imported list: looks what is new in it, and stores that, each row once."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import msgspec

from events.base import Draft
from events.operator import ContactGiven, FollowupTriggered
from libs.channels.address import PHONE_CHANNELS
from libs.config.bundle import Bundle
from libs.domain.given import Wrong, check_id
from libs.domain.rules import Rule
from libs.kit import folds, ids
from libs.kit.auth import Caller
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.store import Store
from services.ingest import rows, states
from services.ingest.rows import AddressIn, ContactIn, ContactsIn, FollowupRow, FollowupsIn, Outcome, refused
from services.ingest.states import CONTACTS, FOLLOWUPS

SOURCE = "ingest"
AT_ONCE = 16
"""Rows that are looked at beside each other: what they append goes in few transactions."""

R = TypeVar("R")


class Importing:
    """Takes lists. The same row again changes nothing, whenever it comes."""

    def __init__(self, store: Store, clock: Clock, bundles: Bundles[Bundle]) -> None:
        self._store = store
        self._clock = clock
        self._bundles = bundles

    async def contacts(self, caller: Caller, asked: ContactsIn) -> list[Outcome]:
        """Each contact is new, changed, unchanged or refused; what is new or changed is stored."""
        rows.check_size(asked.items)
        region = rows.region_of(await states.current(self._bundles, caller.tenant))
        return await _together(self._contact(caller, each, region, dry_run=asked.dry_run) for each in asked.items)

    async def followups(self, caller: Caller, asked: FollowupsIn) -> list[Outcome]:
        """Each follow-up is new, unchanged or refused; what is new is asked for under the key of its rule."""
        rows.check_size(asked.items)
        bundle = await states.current(self._bundles, caller.tenant)
        rule = rows.rule_of(asked, bundle)
        return await _together(
            self._followup(caller, each, rule, bundle, dry_run=asked.dry_run) for each in asked.items
        )

    async def _contact(self, caller: Caller, given: ContactIn, region: str, *, dry_run: bool) -> Outcome:
        profile = rows.profile_of(given, region, self._clock.now())
        if isinstance(profile, Outcome):
            return profile
        first = profile.channels[0]
        contact_id = given.id or await self._id_of(caller.tenant, first.channel, first.address)
        known = await folds.read(self._store, CONTACTS, caller.tenant, f"contact-{contact_id}")
        outcome = rows.standing_of(known.state, profile)
        outcome = msgspec.structs.replace(outcome, id=contact_id, key=contact_id)
        if dry_run or outcome.status not in ("new", "changed"):
            return outcome
        fingerprint = await states.fingerprint(self._store, caller.tenant, profile)
        # The same again before it is noted is the same cause; after another change in between it is one of its own.
        cause_id = ids.cause_id(caller.tenant, "contact-import", f"{contact_id}:{known.version}:{fingerprint}")
        fact = ContactGiven(contact_id=contact_id, fingerprint=fingerprint, profile=profile)
        stream = f"operator-contact-{contact_id}"
        draft = Draft(stream, fact, f"contact-{contact_id}", contact_id)
        await self._store.append_any(
            caller.tenant, stream, [draft], caller.cause(cause_id, source=SOURCE, at=self._clock.now())
        )
        return outcome

    async def _followup(
        self, caller: Caller, row: FollowupRow, rule: Rule, bundle: Bundle, *, dry_run: bool
    ) -> Outcome:
        now = self._clock.now()
        try:
            contact_id = await self._contact_of(caller.tenant, row, bundle)
            asked = rows.followup_of(row, contact_id, rule, bundle, now)
            if isinstance(asked, Outcome):
                return asked
            await self._check_contact(caller.tenant, contact_id, bundle)
        except Wrong as wrong:
            return refused(wrong)
        fingerprint = await states.fingerprint(self._store, caller.tenant, asked.followup)
        key = ids.digest(asked.key)
        stream = f"operator-import-{key}"
        before = [fact.event for fact in await self._store.read_stream(caller.tenant, stream)]
        last = next((each for each in reversed(before) if isinstance(each, FollowupTriggered)), None)
        if last is not None and last.fingerprint == fingerprint:
            return Outcome(status="unchanged", id=last.followup, key=key)
        if last is not None and not await self._settled(caller.tenant, last.followup):
            message = "a follow-up of this is open with other data, and goes on as it began: end it first, or leave the row out"
            return msgspec.structs.replace(refused(Wrong("$.data", message)), id=last.followup, key=key)
        cause_id = ids.cause_id(caller.tenant, "followup-import", f"{asked.key}:{len(before)}:{fingerprint}")
        followup = str(ids.event_id(cause_id, SOURCE, "followup", 0))
        if not dry_run:
            fact = FollowupTriggered(
                followup=followup,
                fingerprint=fingerprint,
                rule_id=rule.id,
                dedupe_key=asked.key,
                cancel_on=asked.cancel_on,
                **msgspec.structs.asdict(asked.followup),
            )
            draft = Draft(stream, fact, f"contact-{contact_id}", contact_id)
            await self._store.append_any(
                caller.tenant, stream, [draft], caller.cause(cause_id, source=SOURCE, at=self._clock.now())
            )
        return Outcome(status="new", id=followup, key=key)

    async def _contact_of(self, tenant: str, row: FollowupRow, bundle: Bundle) -> str:
        """Whose matter it is. Raises Wrong."""
        if row.contact_id is not None:
            check_id("$.contact_id", row.contact_id)
            return row.contact_id
        if not isinstance(row.contact, AddressIn):
            raise Wrong("$.contact_id", "a follow-up needs its contact: an id, or the phone or mail address")
        address = rows.address_of(row.contact, rows.region_of(bundle), "$.contact", self._clock.now())
        return await self._id_of(tenant, address.channel, address.address)

    async def _check_contact(self, tenant: str, contact_id: str, bundle: Bundle) -> None:
        """Raises Wrong for a contact whom nobody could reach: unknown here, and there is no ERP to ask."""
        known = (await folds.read(self._store, CONTACTS, tenant, f"contact-{contact_id}")).state
        if known.erased:
            raise Wrong("$.contact_id", "this contact was erased on request: nobody may be contacted")
        if known.profile is not None or "get_contact" in bundle.settings.backend.endpoints:
            return
        if not await self._store.version(tenant, f"operator-contact-{contact_id}"):
            raise Wrong("$.contact_id", "there is no such contact: import the contacts first")

    async def _settled(self, tenant: str, followup: str) -> bool:
        """Whether a follow-up has ended, or never began because another one of its key was open."""
        matter = await folds.read(self._store, FOLLOWUPS, tenant, f"followup-{followup}")
        return matter.state.settled or (matter.version > 0 and matter.state.opened is None)

    async def _id_of(self, tenant: str, channel: str, address: str) -> str:
        """The id of a contact whom only an address names: it tells nothing of the address."""
        kind = "phone" if channel in PHONE_CHANNELS else channel
        return f"i-{(await self._store.keyring.lookup(tenant, f'import:{kind}', address)).hex()[:24]}"


async def _together(work: Iterable[Awaitable[R]]) -> list[R]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(each: Awaitable[R]) -> R:
        async with turn:
            return await each

    return list(await asyncio.gather(*(one(each) for each in work)))
