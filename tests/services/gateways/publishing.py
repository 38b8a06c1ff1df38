"""A bundle for gateways that are running: they hear of it a moment after it is published, and not with it."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

from events.base import Cause
from libs.config.bundle import Bundle
from libs.kit import bundles, ids
from libs.kit.clock import Clock
from libs.kit.listen import Callback
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from services.gateways.settings import CHANNELS
from tests.libs.kit.effects_world import until
from tests.libs.kit.jetstream import within

_LET_OUT = "SELECT coalesce(array_agg(account), '{}') FROM gateways.account WHERE killed IS NULL AND account = ANY ($1)"


async def publish(bundle: Bundle, store: Store, clock: Clock) -> bool:
    """Publish a bundle. False when it is the current one already."""
    cause_id = ids.cause_id(TENANT, "test", bundle.hash)
    cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=clock.now(), source="cli")
    return await bundles.publish(store, TENANT, bundle, cause)


async def go_by(bundle: Bundle, store: Store, clock: Clock, gateways: Sequence[Store]) -> None:
    """Publish a bundle; return once all the services whose stores `gateways` are go by it."""
    with ExitStack() as stack:
        heard = [asyncio.Event() for _ in gateways]
        for own, event in zip(gateways, heard, strict=True):
            stack.callback(own.listener.on("bundle", _sets(event)))
        if await publish(bundle, store, clock):
            for event in heard:
                await within(event.wait())
    enabled = {name for name, settings in bundle.settings.channels.items() if settings.enabled}

    async def let_out() -> bool:
        return set(await store.pool.fetchval(_LET_OUT, CHANNELS)) == enabled

    await until(let_out)


def _sets(event: asyncio.Event) -> Callback:
    return lambda _: event.set()
