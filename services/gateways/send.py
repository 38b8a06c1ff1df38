"""The effect `<channel>.send`: one message over a channel's provider, never sent twice."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from events.base import Draft, Recorded
from events.conversation import MessageRequested
from libs.channels import outcome as told
from libs.config.bundle import Bundle
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from libs.kit.store import Store
from services.gateways import decide, stops
from services.gateways.decide import Message
from services.gateways.handle import Bundles
from services.gateways.port import AnyAdapter, Prepares
from services.gateways.settings import ChannelOff


class Sender:
    """Sends what a conversation asked to have said, through the tenant's own account."""

    def __init__(self, adapter: AnyAdapter, store: Store, bundles: Bundles, clock: Clock) -> None:
        self._adapter = adapter
        self._store = store
        self._bundles = bundles
        self._clock = clock

    def kind(self, *, timeout: timedelta, wait: timedelta | None = None) -> Kind:
        """The protocol: where there are no idempotency keys, an unknown outcome waits for the webhook with our id."""
        evidence = self._adapter.evidence
        return Kind(
            perform=self.perform,
            withheld=_withheld,
            dead=_given_up,
            after_unknown="repeat" if evidence is None else "wait",
            unknown=_unknown,
            timeout=timeout,
            wait=wait or evidence or timedelta(0),
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Call the provider once and say what came of it."""
        intent: Recorded[MessageRequested] = claim.intent
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = self._adapter.door(bundle)
        except ChannelOff as off:
            return Withheld(str(off))
        now = self._clock.now()
        if reason := decide.veto(intent, door, bundle, now):
            return Withheld(reason)
        asked = decide.message_of(intent)
        request = self._adapter.write(intent, door, bundle, now)
        if isinstance(self._adapter, Prepares) and not isinstance(request, told.Refused):
            request = await self._adapter.prepare(claim.tenant, request, door)
        match request:
            case told.Refused() as refused:
                return await self._refused(claim, refused, asked, bundle)
            case told.Retry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
        claim.begin_call()
        match await self._adapter.send(request, door, claim.attempt - 1):
            case told.Accepted(provider_ref):
                return Done([decide.accepted(asked, provider_ref, decide.cost(bundle, asked, now))])
            case told.Refused() as refused:
                return await self._refused(claim, refused, asked, bundle)
            case told.Retry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
            case told.Unknown(reason):
                return Unknown(reason)

    async def _refused(self, claim: Claim, refused: told.Refused, asked: Message, bundle: Bundle) -> Outcome:
        """Tell it; what the provider says to the whole account stops that, before more messages are spent on it."""
        if refused.scope == "account":
            reason = f"{refused.code}: {refused.reason}"
            await stops.stop(self._store.pool, claim.tenant, claim.account, reason, bundle.hash)
        return Refused([decide.rejected(asked, refused)])


def _withheld(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.withheld(decide.message_of(intent), reason)]


def _given_up(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.given_up(decide.message_of(intent), reason)]


def _unknown(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.outcome_unknown(decide.message_of(intent), reason)]
