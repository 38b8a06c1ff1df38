"""Keeps the account of the ledger as the tenants' bundles say."""

from libs.config.bundle import Bundle
from libs.kit import buckets
from libs.kit.buckets import Limits
from libs.kit.bundles import Bundles, NothingPublished, Publications
from libs.kit.store import Store
from voice_service import summary
from voice_service.handle import LEDGER
from voice_service.settings import ChannelOff, Settings


class Account:
    """Keeps the limits and the kill switch of the ledger's account as the tenants' bundles say."""

    def __init__(self, settings: Settings, store: Store, bundles: "Bundles[Bundle]") -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._publications = Publications(store)

    async def run(self) -> None:
        """Look at once, at every publication, and now and then."""
        await self._publications.each_tenant(self._configure)

    async def _configure(self, tenant: str) -> None:
        killed = None
        try:
            self._settings.door(await self._bundles.current(tenant))
        except NothingPublished:
            return
        except ChannelOff as off:
            killed = str(off)
        rate = self._settings.dials_per_second
        limits = Limits(rate=rate, burst=max(1.0, rate), concurrency=8)
        await buckets.configure(self._store.pool, LEDGER, tenant, "voice", limits, killed=killed)
        await buckets.configure(self._store.pool, LEDGER, tenant, summary.ACCOUNT, summary.LIMITS)
