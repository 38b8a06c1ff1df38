"""The effect `<channel>.send`: one message over a channel's provider, never sent twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from events.base import Draft, Recorded
from events.conversation import MessageRequested
from libs.channels import outcome as told
from libs.config.bundle import Bundle
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from services.gateways import decide, stops
from services.gateways.desk import Desk
from services.gateways.handle import Bundles
from services.gateways.port import AnyAdapter, Patient, Prepares
from services.gateways.settings import ChannelOff

ERASED = "[erased]"
"""What an address reads as once its contact's key is destroyed."""


class Sender:
    """Sends what a conversation asked to have said, through the tenant's own account."""

    def __init__(self, adapter: AnyAdapter, bundles: Bundles, desk: Desk) -> None:
        self._adapter = adapter
        self._bundles = bundles
        self._desk = desk

    def kind(self, *, timeout: timedelta, wait: timedelta | None = None) -> Kind:
        """The protocol: where there are no idempotency keys, an unknown outcome waits for the webhook with our id."""
        evidence = self._adapter.evidence
        kind = Kind(
            perform=self.perform,
            withheld=_withheld,
            dead=_given_up,
            after_unknown="repeat" if evidence is None else "wait",
            unknown=_unknown,
            timeout=timeout,
            wait=wait or evidence or timedelta(0),
        )
        if isinstance(self._adapter, Patient):
            return replace(kind, timeout=self._adapter.timeout, max_age=self._adapter.max_age)
        return kind

    async def perform(self, claim: Claim) -> Outcome:
        """Call the provider once and say what came of it."""
        intent: Recorded[MessageRequested] = claim.intent
        if intent.event.to == ERASED:
            return Withheld("the contact was erased meanwhile")
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = self._adapter.door(bundle)
        except ChannelOff as off:
            return Withheld(str(off))
        now = self._desk.clock.now()
        if reason := decide.veto(intent, door, bundle, now):
            return Withheld(reason)
        asked = decide.message_of(intent)
        request = self._adapter.write(intent, door, bundle, now)
        if isinstance(self._adapter, Prepares) and not isinstance(request, told.Refused):
            request = await self._adapter.prepare(claim.tenant, request, door)
        match request:
            case told.Refused() as refused:
                return await self._refused(claim, refused, bundle)
            case told.Retry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
        claim.begin_call()
        match await self._adapter.send(request, door, claim.attempt - 1):
            case told.Accepted(provider_id):
                return Done([decide.taken(intent, provider_id, decide.cost(bundle, asked, now))])
            case told.Refused() as refused:
                return await self._refused(claim, refused, bundle)
            case told.Retry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
            case told.Unknown(reason):
                return Unknown(reason)

    async def _refused(self, claim: Claim, refused: told.Refused, bundle: Bundle) -> Outcome:
        """Tell it, and where the contact opted out at the provider, that they want no more.

        What the provider says to the whole account stops that, before more messages are spent on it.
        """
        intent: Recorded[MessageRequested] = claim.intent
        if refused.scope == "account":
            reason = f"{refused.code}: {refused.reason}"
            await stops.stop(self._desk.store.pool, claim.tenant, claim.account, reason, bundle.hash)
        drafts = [decide.rejected(decide.message_of(intent), refused)]
        if refused.opted_out:
            channel, to = self._adapter.channel, intent.event.to
            digest = await self._desk.digest(intent.tenant, channel, to)
            stream = self._desk.stream(channel, f"{intent.id} opted out")
            drafts.append(Draft(stream, decide.unsubscribed(channel, to, digest, str(intent.id))))
        return Refused(drafts)


def _withheld(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.withheld(decide.message_of(intent), reason)]


def _given_up(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.given_up(decide.message_of(intent), reason)]


def _unknown(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.outcome_unknown(decide.message_of(intent), reason)]
