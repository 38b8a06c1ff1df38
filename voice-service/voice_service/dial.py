"""The effect `voice.dial`: one call over the tenant's carrier, never dialled twice."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from events.base import Draft, Recorded
from events.call import CallRequested
from libs.channels.outcome import Accepted
from libs.channels.outcome import Refused as ToldRefused
from libs.channels.outcome import Retry as ToldRetry
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from voice_service import decide, lines
from voice_service.leases import Worker
from voice_service.providers.shared import Shared
from voice_service.settings import ChannelOff, Settings
from voice_service.telephony import RING_S, Carrier, Wanted

FULL_AGAIN = timedelta(seconds=5)
EVIDENCE = timedelta(minutes=2)
"""How long a callback, the call's media or the call list may tell what became of a lost request."""


class Dialler:
    """Dials what a conversation asked for, where this process has room for the talk."""

    def __init__(
        self,
        settings: Settings,
        bundles: "Bundles[Bundle]",
        clock: Clock,
        carriers: Mapping[str, Carrier],
        worker: Worker,
        shared: Shared,
        ring_seconds: int = RING_S,
    ) -> None:
        self._settings = settings
        self._bundles = bundles
        self._clock = clock
        self._carriers = carriers
        self._worker = worker
        self._shared = shared
        self._ring_seconds = ring_seconds

    def kind(self, *, timeout: timedelta, wait: timedelta = EVIDENCE) -> Kind:
        """The protocol: no carrier has idempotency keys, so an unknown outcome waits for evidence."""
        return Kind(
            perform=self.perform,
            withheld=_withheld,
            dead=_given_up,
            after_unknown="wait",
            unknown=_unknown,
            timeout=timeout,
            wait=wait,
            max_age=timedelta(minutes=30),
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Ask the carrier once and say what came of it."""
        intent: Recorded[CallRequested] = claim.intent
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = self._settings.door(bundle)
        except ChannelOff as off:
            return Withheld(str(off))
        carrier = self._carriers.get(door.carrier)
        if carrier is None:
            return Withheld(f"nobody here calls over {door.carrier}: baresip-python is not installed")
        if reason := decide.veto(intent, door, bundle, self._clock.now()):
            return Withheld(reason)
        if await self._worker.is_calling(claim.tenant, intent.event.to):
            return Retry("they call us at this moment", FULL_AGAIN, trouble=False)
        voice = self._settings.voice(bundle, door, lines.spoken_language(intent.event))
        elsewhere = voice.media_url
        if elsewhere is None and not self._worker.room():
            return Retry("every line is busy", FULL_AGAIN, trouble=False)
        if not await self._worker.reserves(claim.tenant, intent.id, intent.event.to):
            return Retry("another call with this number is on", FULL_AGAIN, trouble=False)
        wanted = Wanted(
            tenant=claim.tenant,
            call=intent.id,
            to=intent.event.to,
            max_seconds=intent.event.max_seconds,
            ring_seconds=self._ring_seconds,
            elsewhere=elsewhere,
        )
        if elsewhere is None:
            await self._worker.awaits(claim.tenant, intent.id)
        else:
            await self._worker.gives_away(claim.tenant, intent.id)
        dialling = False
        try:
            if elsewhere is None:
                ready = lines.ready(intent.event, bundle.settings.voice)
                self._shared.ringing(intent.id, voice.chains, lines.opening(intent.event), ready)
            claim.begin_call()
            dialling = True
            told = await carrier.place(door, wanted)
            dialling = not isinstance(told, ToldRefused | ToldRetry)
        finally:
            if not dialling:
                self._worker.leaves(intent.id)
        match told:
            case Accepted(ref):
                return Done([decide.dialled(intent, door.carrier, ref)])
            case ToldRefused() as refused:
                return Refused([decide.rejected(intent, refused)])
            case ToldRetry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
            case unknown:
                return Unknown(unknown.reason)


def _withheld(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.withheld(intent, reason)]


def _given_up(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.given_up(intent, reason)]


def _unknown(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.outcome_unknown(intent, reason)]
