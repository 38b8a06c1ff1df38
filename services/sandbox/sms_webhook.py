"""Carries what SMS providers tell to the business, again and again until it is taken, each in its provider's own way."""

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import httpx
import msgspec

from services.sandbox.settings import SmsSettings
from services.sandbox.state import Background

_LONGEST_BACKOFF = 5.0
_KEPT = 20_000


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the business. SNS takes a 4xx other than 429 for a last word; Exotel takes none but 2xx for one."""

    provider: Literal["exotel", "sns", "pinpoint"]
    method: Literal["GET", "POST"]
    url: str
    body: str = ""
    headers: Mapping[str, str] = {}


class Delivery(msgspec.Struct, kw_only=True):
    """A call and how its delivery went. `status` is the last answer's, 0 without an answer."""

    at: datetime
    call: Call
    attempts: int = 0
    status: int = 0

    @property
    def over(self) -> bool:
        """Whether it is not made again: taken, or refused for good."""
        refused = self.call.provider != "exotel" and 400 <= self.status < 500 and self.status != 429
        return 200 <= self.status < 300 or refused


class Webhooks:
    """Makes calls; one that is not over is made again, with backoff, a bounded number of times."""

    def __init__(self, settings: SmsSettings, client: httpx.AsyncClient, background: Background) -> None:
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT)
        self._settings = settings
        self._client = client
        self._background = background

    async def make(self, call: Call, at: datetime, *, copies: int = 1) -> Delivery:
        """Return after the first attempt (of the last copy); further ones go on in the background."""
        delivery = Delivery(at=at, call=call)
        for _ in range(copies):
            delivery = Delivery(at=at, call=call)
            self.deliveries.append(delivery)
            await self._attempt(delivery)
            if not delivery.over:
                self._background.start(self._again(delivery))
        return delivery

    async def _again(self, delivery: Delivery) -> None:
        wait = self._settings.webhook_backoff
        while delivery.attempts < self._settings.webhook_attempts:
            await asyncio.sleep(wait)
            await self._attempt(delivery)
            if delivery.over:
                return
            wait = min(wait * 2, _LONGEST_BACKOFF)

    async def _attempt(self, delivery: Delivery) -> None:
        call = delivery.call
        delivery.attempts += 1
        try:
            answer = await self._client.request(
                call.method,
                call.url,
                content=call.body.encode() if call.method == "POST" else None,
                headers=dict(call.headers),
                timeout=self._settings.webhook_timeout,
            )
        except httpx.HTTPError:
            delivery.status = 0
        else:
            delivery.status = answer.status_code
