"""How a mail provider's posts reach the business: again and again until they are taken, as each provider does."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import msgspec

from services.sandbox.settings import MailSettings
from services.sandbox.state import Background

Repeat = Literal["unless_2xx", "unless_2xx_or_406", "on_5xx"]
_LONGEST_BACKOFF = 5.0
_KEPT = 20_000


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A request: a form of `fields` and `files`, or `content` as it is; `path` is below the callback URL."""

    path: str
    repeat: Repeat
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    fields: Mapping[str, bytes] = {}
    files: Mapping[str, tuple[str, bytes, str]] = {}
    urlencoded: bool = False
    sign: Callable[[bytes], Mapping[str, str]] | None = None
    """The headers that sign a form's bytes, where the provider signs them."""


class MailDelivery(msgspec.Struct, kw_only=True):
    """One post and how its delivery went. `status` is the last answer's, 0 without an answer."""

    at: datetime
    path: str
    attempts: int = 0
    status: int = 0
    over: bool = False
    """Nothing is tried any more."""


class MailWebhooks:
    """Posts to the callback URL (`…/webhooks/email`)."""

    def __init__(self, settings: MailSettings, client: httpx.AsyncClient, background: Background) -> None:
        self.url = settings.callback_url
        self.deliveries: deque[MailDelivery] = deque(maxlen=_KEPT)
        self._settings = settings
        self._client = client
        self._background = background

    async def post(self, post: Post, at: datetime, *, copies: int = 1) -> None:
        """Return after the first attempt; further ones go on in the background."""
        for _ in range(copies):
            delivery = MailDelivery(at=at, path=post.path)
            self.deliveries.append(delivery)
            if not await self._attempt(delivery, post):
                self._background.start(self._again(delivery, post))

    async def _again(self, delivery: MailDelivery, post: Post) -> None:
        wait = self._settings.webhook_backoff
        while delivery.attempts < self._settings.webhook_attempts:
            await asyncio.sleep(wait)
            if await self._attempt(delivery, post):
                return
            wait = min(wait * 2, _LONGEST_BACKOFF)
        delivery.over = True

    async def _attempt(self, delivery: MailDelivery, post: Post) -> bool:
        if self.url is None:
            delivery.over = True
            return True
        delivery.attempts += 1
        try:
            request = self._client.build_request(
                "POST", self.url + post.path, timeout=self._settings.webhook_timeout, **_body(post)
            )
            if post.sign is not None:
                request.headers.update(post.sign(request.read()))
            answer = await self._client.send(request)
        except httpx.HTTPError:
            delivery.status = 0
            return False
        delivery.status = answer.status_code
        delivery.over = _is_over(post.repeat, answer.status_code)
        return delivery.over


def _body(post: Post) -> dict[str, Any]:
    if post.content is not None:
        return {"content": post.content, "headers": dict(post.headers)}
    if post.urlencoded:
        form = urlencode(list(post.fields.items()))
        return {"content": form, "headers": {"content-type": "application/x-www-form-urlencoded"}}
    parts = {name: (None, content) for name, content in post.fields.items()}
    return {"files": [*parts.items(), *post.files.items()]}


def _is_over(repeat: Repeat, status: int) -> bool:
    taken = 200 <= status < 300
    if repeat == "on_5xx":
        return status < 500
    return taken or (repeat == "unless_2xx_or_406" and status == 406)
