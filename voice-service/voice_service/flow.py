"""What a flow of the telephony provider's asks when it reaches the applet for us: where this call's media go."""

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog

from events.base import Cause, Draft
from events.call import CameIn
from libs.channels.exotel import Reached
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from voice_service import decide
from voice_service.facts import SOURCE
from voice_service.leases import MEDIA, VOICE, Worker
from voice_service.settings import Door

log = structlog.get_logger(__name__)

BACK = timedelta(days=7)
"""How old a call of ours may be for somebody to be calling back."""

_OF_CALL = """SELECT c.call, w.name, w.origin FROM voice.call c
LEFT JOIN voice.worker w ON w.id = c.dialled_by AND w.seen_at > now() - $3::interval
WHERE c.tenant = $1 AND c.state <> 'over' AND (c.call = $2 OR c.provider_ref = $4)"""
_NEWEST = """SELECT call, conversation, contact FROM voice.call
WHERE tenant = $1 AND digest = $2 AND asked_at > now() - $3::interval ORDER BY asked_at DESC LIMIT 1"""


class Flow:
    """Answers the applet."""

    def __init__(self, store: Store, clock: Clock, worker: Worker) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker

    async def reached(self, tenant: str, door: Door, asked: Reached) -> str:
        """The WebSocket of the process that dialled the call, or of this one where that is gone.

        Raises Problem 404 for a call that we did not dial; somebody who calls us is a fact, and the flow goes on without us.
        """
        if asked.caller is not None:
            await self._came_in(tenant, asked, asked.caller)
            raise Problem(404, "Nobody talks here to who calls", "the call is on record; let the flow say so")
        row = await self._store.pool.fetchrow(_OF_CALL, tenant, _id(asked.call), self._worker.lease, asked.ref)
        if row is None:
            raise Problem(404, "There is no such call", "the flow reached us with a call that we did not dial")
        name, origin = (row["name"], row["origin"]) if row["name"] else (self._worker.name, self._worker.origin)
        base = (origin or door.origin).replace("http", "ws", 1)
        return f"{base}{MEDIA}{name}/{tenant}/{door.secret}?{urlencode({'call': str(row['call'])})}"

    async def _came_in(self, tenant: str, asked: Reached, caller: str) -> None:
        digest = (await self._store.keyring.lookup(tenant, VOICE, caller)).hex()
        newest = await self._store.pool.fetchrow(_NEWEST, tenant, digest, BACK)
        contact = newest["contact"] if newest else None
        id_ = ids.cause_id(tenant, SOURCE, f"came in {asked.ref}")
        now = self._clock.now()
        fact = CameIn(
            caller=caller,
            digest=digest,
            provider=decide.PROVIDER,
            provider_ref=asked.ref,
            at=now,
            dialled=asked.dialled,
            back=str(newest["call"]) if newest else None,
            conversation=newest["conversation"] if newest else None,
        )
        cause = Cause(id=id_, correlation_id=id_, occurred_at=now, source=SOURCE)
        stream = decide.stream(id_)
        draft = Draft(stream, fact, f"contact-{contact}" if contact else None, contact)
        await self._store.append_any(tenant, stream, [draft], cause, consumer=SOURCE)
        log.info("somebody called us", ref=asked.ref, back=fact.back)


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
