"""Calls to Meta's Graph API: each once, with what came back or how it broke."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from libs.channels import whatsapp
from libs.channels.outcome import Broken, Outcome
from libs.kit.http import TooLarge, retry_after, whole
from services.gateways.whatsapp.door import WhatsAppDoor

_MAX_ANSWER = 4 * 1024 * 1024
_HOSTS = ("facebook.com", "fbsbx.com", "fbcdn.net", "whatsapp.net")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status with its body, or how the call broke; `retry_after` in seconds."""

    status: int | Broken
    body: bytes = b""
    retry_after: float | None = None

    @property
    def well(self) -> bool:
        return isinstance(self.status, int) and 200 <= self.status < 300


class Graph:
    """The Graph API over one HTTP client, which stays the caller's."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def say(self, request: whatsapp.Request, door: WhatsAppDoor, attempt: int) -> Outcome:
        """Post a message, and what Meta's answer means; `attempt` counts from 0."""
        answer = await self.post(request, door)
        return whatsapp.classify(answer.status, answer.body, retry_after=answer.retry_after, attempt=attempt)

    async def post(self, request: whatsapp.Request, door: WhatsAppDoor) -> Answer:
        headers = {**_token(door), "content-type": "application/json"}
        body = msgspec.json.encode(request.body)
        return await self._call(
            self._client.build_request("POST", door.url(request.path), content=body, headers=headers)
        )

    async def get(self, path: str, door: WhatsAppDoor, query: Mapping[str, str | int] | None = None) -> Answer:
        request = self._client.build_request("GET", door.url(path), params=query, headers=_token(door))
        return await self._call(request)

    async def upload(self, path: str, door: WhatsAppDoor, content: bytes, media_type: str, name: str) -> Answer:
        """Post a file as multipart."""
        form = {"messaging_product": "whatsapp", "type": media_type}
        files = {"file": (name, content, media_type)}
        url = door.url(path)
        return await self._call(self._client.build_request("POST", url, data=form, files=files, headers=_token(door)))

    async def download(self, url: str, door: WhatsAppDoor, *, most: int) -> Answer:
        """A file of Meta's, which is given out for the token only. Raises TooLarge beyond `most` bytes.

        The token goes to Meta's own hosts and to the door's, nowhere else: another URL counts as not found.
        """
        if not _is_metas(url, door):
            return Answer(404)
        request = self._client.build_request("GET", url, headers=_token(door))
        return await self._call(request, most=most)

    async def _call(self, request: httpx.Request, *, most: int | None = None) -> Answer:
        try:
            answer = await self._client.send(request, stream=True)
            try:
                body = await whole(answer, most=most or _MAX_ANSWER)
            except TooLarge:
                if most is not None:
                    raise
                return Answer("no_answer")  # no answer of Meta's is so large: whoever gave it says nothing that counts
            finally:
                await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return Answer("not_connected")
        except httpx.RequestError:
            return Answer("no_answer")
        return Answer(answer.status_code, body, retry_after(answer.headers))


def _token(door: WhatsAppDoor) -> dict[str, str]:
    return {"authorization": f"Bearer {door.access_token}"}


def _is_metas(url: str, door: WhatsAppDoor) -> bool:
    there, ours = urlsplit(url), urlsplit(door.base_url)
    if (there.scheme, there.netloc) == (ours.scheme, ours.netloc):
        return True
    host = there.hostname or ""
    return there.scheme == "https" and any(host == known or host.endswith(f".{known}") for known in _HOSTS)
