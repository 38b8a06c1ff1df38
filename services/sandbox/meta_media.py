"""Files at Meta: uploads and what contacts sent, given out for the token only, from a place that is good for five minutes."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.sandbox.meta_send import GraphError

PLACE_LASTS = timedelta(minutes=5)
KEPT_FOR = timedelta(days=30)
PLACES = "/_media"
"""The path below the Graph API's own under which files are given out."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file; `uploaded` by the business, else a contact sent it."""

    id: str
    media_type: str
    size: int
    sha256: str
    uploaded: bool
    at: datetime
    name: str | None = None


class Shelf:
    """Every file that Meta keeps."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._files: dict[str, tuple[Media, bytes]] = {}
        self._places: dict[str, tuple[str, datetime]] = {}

    def keep(self, content: bytes, media_type: str, name: str | None = None, *, uploaded: bool = False) -> Media:
        """Take a file; known from now on by a number of its own."""
        media = Media(
            id=str(10**15 + secrets.randbelow(10**15)),
            media_type=media_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            uploaded=uploaded,
            at=self._now(),
            name=name,
        )
        self._files[media.id] = (media, content)
        return media

    def has(self, media_id: str) -> bool:
        known = self._files.get(media_id)
        return known is not None and self._now() - known[0].at < KEPT_FOR

    def place(self, media_id: str, base: str) -> dict[str, Any]:
        """Where a file lies for some minutes, as Meta tells it. Raises GraphError."""
        if not self.has(media_id):
            raise GraphError(100, f"Object with ID '{media_id}' does not exist", 400)
        media, _ = self._files[media_id]
        ticket = secrets.token_urlsafe(12)
        self._places[ticket] = (media_id, self._now())
        return {
            "messaging_product": "whatsapp",
            "url": f"{base}{PLACES}/{ticket}",
            "mime_type": media.media_type,
            "sha256": media.sha256,
            "file_size": media.size,
            "id": media.id,
        }

    def read(self, ticket: str) -> tuple[Media, bytes] | None:
        """The file at a place; None for one that is no more."""
        media_id, since = self._places.get(ticket, ("", self._now()))
        if not self.has(media_id) or self._now() - since > PLACE_LASTS:
            return None
        return self._files[media_id]

    @property
    def files(self) -> list[Media]:
        return [media for media, _ in self._files.values()]

    def clear(self) -> None:
        self._files.clear()
        self._places.clear()
