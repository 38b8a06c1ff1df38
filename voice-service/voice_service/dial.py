"""The effect `voice.dial`: one call over the telephony provider, never dialled twice."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from events.base import Draft, Recorded
from events.call import CallRequested
from libs.channels import exotel
from libs.channels.outcome import Accepted
from libs.channels.outcome import Outcome as Told
from libs.channels.outcome import Refused as ToldRefused
from libs.channels.outcome import Retry as ToldRetry
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from voice_service import decide, lines
from voice_service.leases import MEDIA, Worker
from voice_service.providers.shared import Shared
from voice_service.settings import ChannelOff, Door, Settings

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
        client: httpx.AsyncClient,
        worker: Worker,
        shared: Shared,
    ) -> None:
        self._settings = settings
        self._bundles = bundles
        self._clock = clock
        self._client = client
        self._worker = worker
        self._shared = shared

    def kind(self, *, timeout: timedelta, wait: timedelta = EVIDENCE) -> Kind:
        """The protocol: Exotel has no idempotency keys, so an unknown outcome waits for evidence."""
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
        """Ask the provider once and say what came of it."""
        intent: Recorded[CallRequested] = claim.intent
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = self._settings.door(bundle)
        except ChannelOff as off:
            return Withheld(str(off))
        if reason := decide.veto(intent, door, bundle, self._clock.now()):
            return Withheld(reason)
        if await self._worker.is_calling(claim.tenant, intent.event.to):
            return Retry("they call us at this moment", FULL_AGAIN, trouble=False)
        voice = self._settings.voice(bundle, door, lines.spoken_language(intent.event))
        elsewhere = voice.media_url
        if elsewhere is None and not self._worker.room():
            return Retry("every line is busy", FULL_AGAIN, trouble=False)
        request = exotel.write(
            account_sid=door.account_sid,
            call=str(intent.id),
            to=intent.event.to,
            caller_id=door.caller_id,
            stream_url=elsewhere
            or f"{door.media.replace('http', 'ws', 1)}{MEDIA}{self._worker.name}/{claim.tenant}/{door.secret}",
            callback=f"{door.origin}/api/v1/voice/status/{claim.tenant}/{door.secret}",
            max_seconds=intent.event.max_seconds,
            flow=None if elsewhere else door.flow,
        )
        if isinstance(request, ToldRefused):
            return Refused([decide.rejected(intent, request)])
        if elsewhere is None:
            await self._worker.awaits(claim.tenant, intent.id, intent.event.to)
        else:
            await self._worker.gives_away(claim.tenant, intent.id)
        dialling = False
        try:
            if elsewhere is None:
                ready = lines.ready(intent.event, bundle.settings.voice)
                self._shared.ringing(intent.id, voice.chains, lines.opening(intent.event), ready)
            claim.begin_call()
            dialling = True
            told = await self._post(door, request)
            dialling = not isinstance(told, ToldRefused | ToldRetry)
        finally:
            if not dialling:
                self._worker.leaves(intent.id)
        match told:
            case Accepted(ref):
                return Done([decide.dialled(intent, ref)])
            case ToldRefused() as refused:
                return Refused([decide.rejected(intent, refused)])
            case ToldRetry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
            case unknown:
                return Unknown(unknown.reason)

    async def _post(self, door: Door, request: exotel.Request) -> Told:
        auth = (door.api_key, door.keys["telephony"])
        try:
            answer = await self._client.post(door.urls["telephony"] + request.path, data=dict(request.form), auth=auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return exotel.classify("not_connected")
        except httpx.HTTPError:
            return exotel.classify("no_answer")
        wait = answer.headers.get("retry-after", "")
        after = float(wait) if wait.replace(".", "", 1).isdigit() else None
        return exotel.classify(answer.status_code, answer.content, retry_after=after)


def _withheld(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.withheld(intent, reason)]


def _given_up(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.given_up(intent, reason)]


def _unknown(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.outcome_unknown(intent, reason)]
