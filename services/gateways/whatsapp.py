"""The effect `whatsapp.send`: one message over Meta's Graph API, never twice."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from events.base import Draft, Recorded
from events.conversation import MessageRequested
from libs.channels import outcome as told
from libs.channels import whatsapp
from libs.channels.outcome import Broken
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from services.gateways import decide
from services.gateways.handle import Bundles
from services.gateways.settings import ChannelOff, Settings, whatsapp_door

TIMEOUT = timedelta(seconds=10)


class WhatsAppSender:
    """Sends what a conversation asked to have said, through the tenant's own business number."""

    def __init__(self, settings: Settings, bundles: Bundles, clock: Clock, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._bundles = bundles
        self._clock = clock
        self._client = client

    def kind(self, *, timeout: timedelta = TIMEOUT, wait: timedelta = timedelta(minutes=10)) -> Kind:
        """The protocol: Meta has no idempotency keys, so an unknown outcome waits for the webhook with our id."""
        return Kind(
            perform=self.perform,
            withheld=_withheld,
            dead=_given_up,
            after_unknown="wait",
            unknown=_unknown,
            timeout=timeout,
            wait=wait,
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Call Meta once and say what came of it."""
        intent: Recorded[MessageRequested] = claim.intent
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = whatsapp_door(bundle, self._settings)
        except ChannelOff as off:
            return Withheld(str(off))
        now: datetime = self._clock.now()
        if reason := decide.veto(intent, door, bundle, now):
            return Withheld(reason)
        asked = decide.message_of(intent)
        request = decide.request(intent, door)
        if isinstance(request, told.Refused):
            return Refused([decide.rejected(asked, request)])
        body = msgspec.json.encode(request.body)
        headers = {"authorization": f"Bearer {door.access_token}", "content-type": "application/json"}
        claim.begin_call()
        status, answer, retry_after = await self._post(door.base_url.rstrip("/") + request.path, body, headers)
        match whatsapp.classify(status, answer, retry_after=retry_after, attempt=claim.attempt - 1):
            case told.Accepted(provider_ref):
                return Done([decide.accepted(asked, provider_ref, decide.cost(bundle, asked, now))])
            case told.Refused() as refused:
                return Refused([decide.rejected(asked, refused)])
            case told.Retry(reason, seconds):
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
            case told.Unknown(reason):
                return Unknown(reason)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | Broken, bytes, float | None]:
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return "not_connected", b"", None
        except httpx.RequestError:
            return "no_answer", b"", None
        return answer.status_code, answer.content, _seconds(answer.headers.get("retry-after"))


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; a date is left to our own backoff."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _withheld(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.withheld(decide.message_of(intent), reason)]


def _given_up(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.given_up(decide.message_of(intent), reason)]


def _unknown(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [decide.outcome_unknown(decide.message_of(intent), reason)]
