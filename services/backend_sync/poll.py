"""Polling: follow-ups that the ERP holds pending become facts, each under its own id, however often it is seen."""

from typing import NoReturn

import structlog

from events.backend import FollowupDiscovered
from events.base import Cause, Draft
from libs.config.bundle import Bundle
from libs.kit import ids
from libs.kit.bundles import Bundles, NothingPublished, Publications
from libs.kit.clock import Clock
from libs.kit.store import Store
from services.backend_sync.rest import Rest

log = structlog.get_logger(__name__)

SOURCE = "backend-sync"
UNPUBLISHED_S = 5.0


class Poller:
    """Asks each tenant's ERP every `poll.every_minutes`."""

    def __init__(self, rest: Rest, store: Store, clock: Clock, bundles: Bundles[Bundle]) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._bundles = bundles
        self._publications = Publications(store)

    async def run(self) -> NoReturn:
        """Poll until cancelled, and at once where a publication may name another ERP or pace.

        Replicas may poll at once: a follow-up is one fact all the same.
        """
        while True:
            await self._publications.wait(await self.poll())

    async def poll(self) -> float:
        """Ask every tenant's ERP once; the seconds until the next time."""
        pause = UNPUBLISHED_S
        pauses = []
        for tenant in await self._store.tenants.all():
            try:
                minutes = (await self._bundles.current(tenant.name)).settings.backend.poll_minutes
            except NothingPublished:
                continue
            if minutes is None:
                continue
            pauses.append(minutes * 60.0)
            for found in await self._rest.pending(tenant.name):
                await self._take(tenant.name, found)
        return min(pauses, default=pause)

    async def _take(self, tenant: str, found: FollowupDiscovered) -> None:
        cause_id = ids.cause_id(tenant, "erp-followup", found.erp_id)
        cause = Cause(correlation_id=cause_id, occurred_at=self._clock.now(), source=SOURCE, id=cause_id)
        stream = f"backend-followup-{ids.digest(found.erp_id)}"
        taken = await self._store.append_any(
            tenant, stream, [Draft(stream, found, f"contact-{found.contact_id}")], cause
        )
        if not taken.duplicate:
            log.info("the ERP has a follow-up for us", followup=found.erp_id)
