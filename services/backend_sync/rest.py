"""The REST connector: performs what the ledger holds, each write under one idempotency key until the ERP confirms."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import httpx
import structlog

from events.address import AddressMoved, SenderUnknown
from events.base import Draft, Recorded
from events.contact import Erased, ErasureFailed, Linked, NotFound, Profile, Registered
from events.errand import ToolRequested, WritebackRequested
from events.followup import ContactRequested
from libs.channels.address import normalized
from libs.config.bundle import Bundle
from libs.domain.contact import Contact, stranger_id
from libs.kit import folds
from libs.kit.bundles import Bundles
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Retry
from libs.kit.effect_kinds import Refused as RefusedEffect
from libs.kit.http import TooLarge, retry_after, whole
from libs.kit.store import Store
from services.backend_sync import decide
from services.backend_sync.contacts import CONTACTS, Contacts
from services.backend_sync.decide import Answered, Later, Refused, Request
from services.backend_sync.settings import NoBackend, Settings, door

log = structlog.get_logger(__name__)

CALL_TIMEOUT = timedelta(seconds=12)
POLL_TIMEOUT = timedelta(seconds=30)
MAX_ANSWER = 16 * 1024 * 1024
TOOL_AGE = timedelta(minutes=10)
"""How long a flow waits for an answer before it goes on without."""
WRITE_AGE = timedelta(days=3)
"""How long the ERP is told again before an operator must look at it."""
WRITE_ATTEMPTS = 60
TOOL_ATTEMPTS = 6
ERASED_ENDPOINT = "contact_erased"
"""Told who was erased here; a bundle may leave it out."""


class Rest:
    """Calls the ERP."""

    def __init__(self, settings: Settings, store: Store, bundles: Bundles[Bundle], client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._client = client
        self._contacts = Contacts(store.keyring)

    def kinds(self, timeout: timedelta = CALL_TIMEOUT) -> dict[str, Kind]:
        """The protocol of each kind; asking twice does no harm, telling twice has one key."""

        def kind(perform: Any, dead: Any, age: timedelta, attempts: int) -> Kind:
            return Kind(
                perform=perform,
                withheld=dead,
                dead=dead,
                after_unknown="repeat",
                timeout=timeout,
                max_age=age,
                attempts=attempts,
            )

        return {
            "backend.tool": kind(self.ask, _tool_failed, TOOL_AGE, TOOL_ATTEMPTS),
            "backend.write": kind(self.tell, _write_failed, WRITE_AGE, WRITE_ATTEMPTS),
            "contact.fetch": kind(self.fetch, _contact_failed, TOOL_AGE, TOOL_ATTEMPTS),
            "contact.search": kind(self.search, _search_failed, TOOL_AGE, TOOL_ATTEMPTS),
            "contact.erase": kind(self.erase, _not_erased, WRITE_AGE, WRITE_ATTEMPTS),
            "contact.erasure_told": kind(self.tell_erased, _not_told, WRITE_AGE, WRITE_ATTEMPTS),
            "contact.move": kind(self.move, _nothing_told, TOOL_AGE, TOOL_ATTEMPTS),
        }

    async def ask(self, claim: Claim) -> Outcome:
        """A flow's tool call."""
        asked: ToolRequested = claim.intent.event
        return await self._answer(claim, await self._decided(claim), "tool", asked.endpoint, asked.payload)

    async def tell(self, claim: Claim) -> Outcome:
        """A writeback."""
        told: WritebackRequested = claim.intent.event
        return await self._answer(claim, await self._decided(claim), "write", told.endpoint, told.payload)

    async def fetch(self, claim: Claim) -> Outcome:
        """Who a contact is."""
        asked: ContactRequested = claim.intent.event
        bundle = await self._bundles.current(claim.tenant)
        answer = await self._call(claim, bundle, "get_contact", {"contact_id": asked.contact_id}, writes=False)
        if isinstance(answer, Later):
            return _retry(answer)
        if isinstance(answer, Refused):
            return RefusedEffect(_contact_failed(claim.intent, answer.reason))
        try:
            _, profile = decide.profile_of(answer.result)
        except decide.Impossible as wrong:
            return RefusedEffect(_contact_failed(claim.intent, str(wrong)))
        return Done([await self._known(claim.tenant, asked.contact_id, profile)])

    async def search(self, claim: Claim) -> Outcome:
        """Whose address this is; a sender whom the ERP does not know becomes a contact of its own."""
        asked: SenderUnknown = claim.intent.event
        bundle = await self._bundles.current(claim.tenant)
        reason = "the ERP names nobody"
        for endpoint, payload in decide.searches(asked):
            answer = await self._call(claim, bundle, endpoint, payload, writes=False)
            if isinstance(answer, Later):
                return _retry(answer)
            if isinstance(answer, Refused):
                reason = answer.reason
                continue
            named = decide.first_named(answer.result, asked)
            if named is not None:
                contact_id, profile = named
                linked = Linked(contact_id=contact_id, channel=asked.channel, digest=asked.digest)
                return Done(
                    [await self._known(claim.tenant, contact_id, profile), decide.about_contact(contact_id, linked)]
                )
        return Done(_search_failed(claim.intent, reason))

    async def move(self, claim: Claim) -> Outcome:
        """A contact has another address now, as a provider told; somebody who was erased has none."""
        asked: AddressMoved = claim.intent.event
        known = await self._contact(claim.tenant, asked.contact_id)
        if known.profile is None:
            return Done([])
        address = normalized(asked.channel, asked.address)
        profile = decide.moved(known.profile, asked.channel, address)
        return Done([await self._known(claim.tenant, asked.contact_id, profile)])

    async def erase(self, claim: Claim) -> Outcome:
        """Destroy every key of a contact: what was ever stored of it can be read by nobody any more."""
        contact_id = claim.intent.event.contact_id
        if (await self._contact(claim.tenant, contact_id)).erased:
            return Done([])
        claim.begin_call()
        async with self._store.pool.acquire() as connection:
            await self._store.keyring.destroy(connection, claim.tenant, [f"contact-{contact_id}"])
        return Done([decide.about_contact(contact_id, Erased(contact_id=contact_id))])

    async def tell_erased(self, claim: Claim) -> Outcome:
        """The ERP is told who was erased here, where the bundle names an endpoint for it."""
        bundle = await self._bundles.current(claim.tenant)
        if ERASED_ENDPOINT not in bundle.settings.backend.endpoints:
            return Done([])
        payload = {"contact_id": claim.intent.event.contact_id}
        return await self._answer(claim, bundle, "write", ERASED_ENDPOINT, payload)

    async def pending(self, tenant: str, timeout: timedelta = POLL_TIMEOUT) -> list[Any]:
        """The ERP's pending follow-ups, as facts to be stored under its ids; none where it has not told them in time."""
        bundle = await self._bundles.current(tenant)
        if "get_followups" not in bundle.settings.backend.endpoints:
            return []
        try:
            request = decide.request(bundle, "get_followups", {}, writes=False)
            async with asyncio.timeout(timeout.total_seconds()):
                answer = await self._send(bundle, "get_followups", request, {})
        except (decide.Impossible, TimeoutError) as failed:
            answer = Later(str(failed) or "no whole answer in time")
        if not isinstance(answer, Answered):
            log.warning("the ERP could not be polled", reason=answer.reason)
            return []
        taken, wrong = decide.discovered(answer.result)
        for finding in wrong:
            log.warning("a pending follow-up cannot be taken", finding=finding)
        return list(taken)

    async def _decided(self, claim: Claim) -> Bundle:
        """The bundle by which it was decided."""
        return await self._bundles.get(claim.intent.envelope.config or "")

    async def _answer(
        self, claim: Claim, bundle: Bundle, kind: Literal["tool", "write"], endpoint: str, payload: dict[str, Any]
    ) -> Outcome:
        answer = await self._call(claim, bundle, endpoint, payload, writes=kind == "write")
        match answer:
            case Answered(result=result) if decide.too_large(result):
                if kind == "tool":
                    reason = f"the answer has {decide.TOO_LARGE}"
                    return RefusedEffect([decide.failed(claim.intent, kind, endpoint, reason, answer.status)])
                return Done([decide.completed(claim.intent, kind, endpoint, Answered(answer.status, None))])
            case Answered():
                return Done([decide.completed(claim.intent, kind, endpoint, answer)])
            case Refused(status, reason):
                return RefusedEffect([decide.failed(claim.intent, kind, endpoint, reason, status)])
            case Later():
                return _retry(answer)

    async def _call(
        self, claim: Claim, bundle: Bundle, endpoint: str, payload: dict[str, Any], *, writes: bool
    ) -> Answered | Refused | Later:
        try:
            request = decide.request(bundle, endpoint, payload, writes=writes)
        except decide.Impossible as wrong:
            return Refused(None, str(wrong))
        headers = {"idempotency-key": str(claim.intent.id)} if request.method != "GET" else {}
        return await self._send(bundle, endpoint, request, headers, claim)

    async def _send(
        self, bundle: Bundle, endpoint: str, request: Request, headers: dict[str, str], claim: Claim | None = None
    ) -> Answered | Refused | Later:
        try:
            way = door(bundle, self._settings)
        except NoBackend as nowhere:
            return Later(str(nowhere))
        if request.body is not None:
            headers = {**headers, "content-type": "application/json"}
        if claim is not None:
            claim.begin_call()
        call = self._client.stream(
            request.method,
            way.base_url + request.path,
            params=dict(request.query),
            content=request.body,
            headers={**way.headers, **headers},
        )
        try:
            async with call as answer:
                body = await whole(answer, most=MAX_ANSWER)
        except httpx.RequestError as error:
            return Later(f"no answer: {type(error).__name__}")
        except TooLarge:
            return Refused(None, f"an answer of more than {MAX_ANSWER >> 20} MiB")
        return decide.read(bundle, endpoint, answer.status_code, body, retry_after(answer.headers))

    async def _contact(self, tenant: str, contact_id: str) -> Contact:
        return (await folds.read(self._store, CONTACTS, tenant, f"contact-{contact_id}")).state

    async def _known(self, tenant: str, contact_id: str, profile: Profile) -> Draft:
        known = await self._store.read_stream(tenant, f"contact-{contact_id}")
        registered = any(isinstance(fact.event, Registered) for fact in known)
        return await self._contacts.known(tenant, contact_id, profile, registered=registered)


def _retry(later: Later) -> Retry:
    return Retry(later.reason, None if later.after_s is None else timedelta(seconds=later.after_s))


def _tool_failed(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.failed(intent, "tool", intent.event.endpoint, reason)]


def _write_failed(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.failed(intent, "write", intent.event.endpoint, reason)]


def _not_erased(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    contact_id = intent.event.contact_id
    return [decide.about_contact(contact_id, ErasureFailed(contact_id=contact_id, reason=reason))]


def _not_told(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.failed(intent, "write", ERASED_ENDPOINT, reason)]


def _contact_failed(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    contact_id = intent.event.contact_id
    return [decide.about_contact(contact_id, NotFound(contact_id=contact_id, reason=reason))]


def _search_failed(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    """Nobody can say who it is: a contact of its own, so that nothing that was written is lost."""
    asked: SenderUnknown = intent.event
    contact_id = stranger_id(asked.digest)
    return [decide.about_contact(contact_id, decide.stranger(contact_id, asked))]


def _nothing_told(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    """What could not be done shows in the ledger alone: an address that moved leads to the contact all the same."""
    return []
