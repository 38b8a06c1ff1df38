"""Polling: follow-ups that the ERP holds pending become facts, each under its own id, however often it is seen."""

import asyncio
from typing import NoReturn

import structlog

from events.backend import FollowupDiscovered
from events.base import Cause, Draft
from libs.config.bundle import Bundle
from libs.kit import ids
from libs.kit.bundles import Bundles, NothingPublished, Publications
from libs.kit.clock import Clock
from libs.kit.failures import describe, passes
from libs.kit.store import Store
from services.backend_sync.rest import Rest

log = structlog.get_logger(__name__)

SOURCE = "backend-sync"
UNPUBLISHED_S = 5.0  # until it is looked again, also where Postgres is away
AT_ONCE = 8  # ERPs


class Poller:
    """Asks each tenant's ERP every `poll.every_minutes`."""

    def __init__(self, rest: Rest, store: Store, clock: Clock, bundles: Bundles[Bundle]) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._bundles = bundles
        self._publications = Publications(store)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> NoReturn:
        """Poll until cancelled, and at once where a publication may name another ERP or pace.

        Replicas may poll at once: a follow-up is one fact all the same.
        """
        while True:
            await self._publications.wait(await self.poll())

    async def poll(self) -> float:
        """Ask every tenant's ERP once; the seconds until the next time."""
        tenants = await self._store.tenants.all()
        pauses = await asyncio.gather(*(self._of(tenant.name) for tenant in tenants))
        return min((pause for pause in pauses if pause is not None), default=UNPUBLISHED_S)

    async def _of(self, tenant: str) -> float | None:
        """Ask one tenant's ERP, whatever becomes of the others; the seconds until the next time, None where it is not polled.

        What cannot be stored for a reason that passes comes again with the next poll, as all that the ERP holds pending does.
        """
        try:
            minutes = (await self._bundles.current(tenant)).settings.backend.poll_minutes
            if minutes is None:
                return None
            async with self._at_once:
                for found in await self._rest.pending(tenant):
                    await self._take(tenant, found)
        except NothingPublished:
            return None
        except Exception as error:  # whatever one tenant's bundle or ERP does stops no other tenant's
            log.warning("pending follow-ups are left for the next poll", tenant=tenant, error=describe(error))
            return UNPUBLISHED_S
        return minutes * 60.0

    async def _take(self, tenant: str, found: FollowupDiscovered) -> None:
        cause_id = ids.cause_id(tenant, "erp-followup", found.erp_id)
        cause = Cause(correlation_id=cause_id, occurred_at=self._clock.now(), source=SOURCE, id=cause_id)
        stream = f"backend-followup-{ids.digest(found.erp_id)}"
        try:
            taken = await self._store.append_any(
                tenant, stream, [Draft(stream, found, f"contact-{found.contact_id}")], cause
            )
        except Exception as error:
            if passes(error):
                raise
            log.error("a pending follow-up cannot be kept", error=describe(error))  # and the next one can
            return
        if not taken.duplicate:
            log.info("the ERP has a follow-up for us", followup=found.erp_id)
