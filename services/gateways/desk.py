"""The desk at which everything from outside arrives: each thing is stored once, under the provider's own id for it."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import structlog

from events.base import Cause, Draft, Event
from events.refs import ref_of
from libs.config.bundle import Bundle
from libs.kit import ids, telemetry
from libs.kit.bundles import NothingPublished
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store, StreamMoved
from services.gateways.handle import Bundles
from services.gateways.settings import ChannelOff

log = structlog.get_logger(__name__)

SOURCE = "gateways"

_RECEIVED = telemetry.counter("webhook_items", "What webhooks told, by kind.", "channel", "kind")
_REFUSED = telemetry.counter("webhooks_refused", "Webhooks that were not taken, by reason.", "channel", "reason")

_ALARMS = telemetry.counter(
    "provider_alarms", "Refusals that are about our account or configuration.", "channel", "code"
)

D = TypeVar("D")
E = TypeVar("E", bound=Event)

WORDS = frozenset({"text", "subject", "sender", "sender_name", "transcript", "new_address", "provider_id"})
"""What was said and by whom, and by what id the provider knows it: sealed, looked for by nobody, and kept as it came."""
LONGEST = 1000
"""Bytes of an id or word of a provider's that is kept as it is; an index of Postgres's takes 2,700."""


class Desk:
    """Takes what the providers and the contacts send."""

    def __init__(self, store: Store, clock: Clock, bundles: Bundles) -> None:
        self.store = store
        self.clock = clock
        self.bundles = bundles

    async def door(self, tenant: str, door_of: Callable[[Bundle], D]) -> D:
        """A tenant's door. Raises Problem 404 where the channel is off."""
        try:
            return door_of(await self.bundles.current(tenant))
        except (ChannelOff, NothingPublished) as error:
            raise Problem(404, "There is no such webhook", str(error)) from error

    async def digest(self, tenant: str, channel: str, address: str) -> str:
        """The look-up key (HMAC, hex) of an address in the channel's normal form."""
        return (await self.store.keyring.lookup(tenant, channel, address)).hex()

    async def take(self, tenant: str, channel: str, provider_id: str, event: Event) -> bool:
        """Store a fact of the outside durably; False where it is known already, which is a success too."""
        return await self._put(tenant, channel, provider_id, 0, event)

    async def add(self, tenant: str, channel: str, provider_id: str, event: Event) -> bool:
        """Store what belongs to a fact that was taken; False where it is known already."""
        return await self._put(tenant, channel, provider_id, 1, event)

    @staticmethod
    def stream(channel: str, provider_id: str) -> str:
        """The stream of what came under a provider's id."""
        return Desk.stream_of_ref(channel, ref_of(provider_id))

    @staticmethod
    def stream_of_ref(channel: str, ref: str) -> str:
        """The same, of whoever knows only what stands for the id."""
        return f"inbound-{channel}-{ref}"

    async def _put(self, tenant: str, channel: str, provider_id: str, version: int, event: Event) -> bool:
        cause_id = ids.cause_id(tenant, channel, provider_id if version == 0 else f"{provider_id} {version}")
        cause = Cause(
            id=cause_id,
            correlation_id=cause_id,
            occurred_at=self.clock.now(),
            source=SOURCE,
            traceparent=telemetry.traceparent(),
        )
        stream = self.stream(channel, provider_id)
        self.count(channel, type(event).__name__.lower())
        try:
            appended = await self.store.append(tenant, stream, version, [Draft(stream, findable(event))], cause)
        except StreamMoved:
            log.debug("a webhook told what is known", stream=stream)
            return False
        return not appended.duplicate

    @staticmethod
    def count(channel: str, kind: str) -> None:
        """Something came in that may be no fact."""
        _RECEIVED.labels(channel, kind).inc()

    @staticmethod
    def refuse(channel: str, reason: str) -> None:
        """Something came in and was not taken."""
        _REFUSED.labels(channel, reason).inc()

    @staticmethod
    def alarm(channel: str, code: int | str) -> None:
        """A provider refuses what only an operator can put right: credentials, money, a registration."""
        _ALARMS.labels(channel, str(code)).inc()
        log.error("a provider refuses our account or configuration", channel=channel, code=code)


def findable(event: E) -> E:
    """The fact with ids and words that rows can hold: without U+0000, and what is too long as its digest."""
    told = ((name, getattr(event, name)) for name in event.__struct_fields__ if name not in WORDS)
    kept = {name: _kept(value) for name, value in told}
    return msgspec.structs.replace(event, **{name: value for name, value in kept.items() if value is not None})


def _kept(value: Any) -> Any:
    """What is kept instead of a text or a list of texts; None where that is the value itself."""
    if isinstance(value, list):
        instead = [_kept(each) for each in value]
        return (
            [new if new is not None else old for old, new in zip(value, instead, strict=True)] if any(instead) else None
        )
    if not isinstance(value, str) or ("\0" not in value and len(value.encode()) <= LONGEST):
        return None
    return f"digest-{ids.digest(value)}" if len(value.encode()) > LONGEST else value.replace("\0", "\ufffd")
