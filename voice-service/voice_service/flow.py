"""What a flow of the telephony provider's asks when it reaches the applet for us: where this call's media go."""

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog

from events.base import Cause, Draft
from events.call import CameIn
from libs.channels.exotel import Reached
from libs.config.bundle import Bundle
from libs.kit import ids
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from voice_service import decide, lines
from voice_service.facts import SOURCE, call_id
from voice_service.leases import MEDIA, VOICE, Worker
from voice_service.providers.shared import Shared
from voice_service.settings import Door, Settings
from voice_service.transfers import Transfers

log = structlog.get_logger(__name__)

BACK = timedelta(days=7)
"""How old a call of ours may be for somebody to be calling back."""

_OF_CALL = """SELECT c.call, w.name, w.origin FROM voice.call c
LEFT JOIN voice.worker w ON w.id = c.dialled_by AND w.seen_at > now() - $3::interval
WHERE c.tenant = $1 AND c.state <> 'over' AND (c.call = $2 OR c.provider_ref = $4)"""
_NEWEST = """SELECT call, conversation, contact FROM voice.call
WHERE tenant = $1 AND digest = $2 AND asked_at > now() - $3::interval ORDER BY asked_at DESC LIMIT 1"""
_CAME_IN = """INSERT INTO voice.incoming (tenant, call, provider_ref, digest, over) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING"""


class Flow:
    """Answers the applet."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bundles: "Bundles[Bundle]",
        clock: Clock,
        worker: Worker,
        shared: Shared,
        transfers: Transfers,
    ) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._worker = worker
        self._shared = shared
        self._transfers = transfers

    async def reached(self, tenant: str, door: Door, asked: Reached) -> str:
        """The WebSocket of the process that dialled the call, or of this one where that is gone.

        Of somebody who calls us: of a process that has a line for them; this one first. Raises Problem 404 for a call that we
        neither dialled nor can talk on, 503 where every line is taken: then the flow goes on without us.
        """
        back = await self._transfers.over(tenant, asked.ref, "nobody")  # it reaches us again where nobody took the call
        if back is not None:
            return await self._called(tenant, door, asked, back[1], returns=back[0])
        if asked.caller is not None:
            return await self._called(tenant, door, asked, asked.caller)
        row = await self._store.pool.fetchrow(_OF_CALL, tenant, call_id(asked.call), self._worker.lease, asked.ref)
        if row is None:
            raise Problem(404, "There is no such call", "the flow reached us with a call that we did not dial")
        name, origin = (row["name"], row["origin"]) if row["name"] else (self._worker.name, self._worker.origin)
        return _url(tenant, door, name, origin, row["call"])

    async def _called(self, tenant: str, door: Door, asked: Reached, caller: str, returns: UUID | None = None) -> str:
        id_ = ids.cause_id(tenant, SOURCE, f"came {'back' if returns else 'in'} {asked.ref}")
        bundle = await self._bundles.current(tenant)
        voice = self._settings.voice(bundle, door)
        place = await self._place(tenant, id_) if voice.media_url is None else None
        try:
            await self._came_in(tenant, id_, door.carrier, asked, caller, waits=place is not None, returns=returns)
        except Exception:
            self._worker.leaves(id_)
            raise
        if voice.media_url is not None:
            raise Problem(404, "Nobody talks here to who calls", "the media of our calls are led elsewhere")
        if place is None:
            raise Problem(503, "Every line is busy", "the call is on record, and answered by calling them")
        if place[0] == self._worker.name:
            self._shared.ringing(id_, voice.chains, *lines.for_callers(bundle.settings.voice))
        return _url(tenant, door, *place, id_)

    async def _place(self, tenant: str, call: UUID) -> tuple[str, str | None] | None:
        """The process that has a line for one more call. Here it is kept at once: media may come when we have begun to drain."""
        if self._worker.room():
            self._worker.keeps(tenant, call)
            return self._worker.name, self._worker.origin
        return await self._worker.sibling()

    async def _came_in(
        self, tenant: str, id_: UUID, provider: str, asked: Reached, caller: str, *, waits: bool, returns: UUID | None
    ) -> None:
        digest = (await self._store.keyring.lookup(tenant, VOICE, caller)).hex()
        newest = await self._store.pool.fetchrow(_NEWEST, tenant, digest, BACK)
        contact = newest["contact"] if newest else None
        now = self._clock.now()
        fact = CameIn(
            caller=caller,
            digest=digest,
            provider=provider,
            provider_ref=asked.ref,
            at=now,
            dialled=asked.dialled,
            back=str(newest["call"]) if newest else None,
            conversation=newest["conversation"] if newest else None,
            waits=waits,
            returns=str(returns) if returns else None,
        )
        # A provider's call is one of ours; the one that comes back is another part of it, by a name that is only ours.
        ref = f"{asked.ref}/back" if returns else asked.ref
        # Before the fact: whoever takes the call finds the row.
        await self._store.pool.execute(_CAME_IN, tenant, id_, ref, digest, not waits)
        cause = Cause(id=id_, correlation_id=id_, occurred_at=now, source=SOURCE)
        stream = decide.stream(id_)
        draft = Draft(stream, fact, f"contact-{contact}" if contact else None, contact)
        await self._store.append_any(tenant, stream, [draft], cause, consumer=SOURCE)
        log.info("somebody calls us", ref=asked.ref, back=fact.back, waits=waits)


def _url(tenant: str, door: Door, name: str, origin: str | None, call: UUID) -> str:
    base = (origin or door.origin).replace("http", "ws", 1)
    return f"{base}{MEDIA}{name}/{tenant}/{door.secret}?{urlencode({'call': str(call)})}"
