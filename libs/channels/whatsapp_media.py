"""Files on WhatsApp: where Meta keeps one, whether what came is what was announced, and how large one may be."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

import msgspec

from libs.channels.outcome import Refused
from libs.channels.whatsapp_message import FileKind
from libs.channels.whatsapp_outbound import GRAPH_VERSION

MB = 1024 * 1024
LARGEST: dict[FileKind, int] = {
    "image": 5 * MB,
    "audio": 16 * MB,
    "video": 16 * MB,
    "sticker": 500 * 1024,
    "document": 100 * MB,
}
"""Bytes that Meta takes and gives, by kind. Source: Meta, supported media."""
LARGEST_KEPT = 32 * MB
"""What we take in, of any kind: a file is held in memory while it is checked and sealed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies for some five minutes; only with our token it is given out. `sha256` is hex."""

    url: str
    media_type: str | None
    size: int | None
    sha256: str | None


class _Place(msgspec.Struct):
    url: str
    mime_type: str | None = None
    sha256: str | None = None
    file_size: int | str | None = None


class _Uploaded(msgspec.Struct):
    id: str | int


def media_path(media_id: str, version: str = GRAPH_VERSION) -> str:
    """The path that tells where a file lies."""
    return f"/{version}/{media_id}"


def upload_path(account: str, version: str = GRAPH_VERSION) -> str:
    """The path that takes a file as multipart: `messaging_product`, `type` and `file`."""
    return f"/{version}/{account}/media"


def read_place(body: bytes) -> Place | None:
    """The answer to `media_path`; None where it is not one."""
    try:
        place = msgspec.json.decode(body, type=_Place)
        size = None if place.file_size is None else int(place.file_size)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return Place(place.url, place.mime_type, size, hex_digest(place.sha256))


def read_upload(body: bytes) -> str | None:
    """The id that Meta gave to what was uploaded; None where the answer names none."""
    try:
        return str(msgspec.json.decode(body, type=_Uploaded).id)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def hex_digest(told: str | None) -> str | None:
    """A sha256 as 64 hexadecimal characters; Meta writes it in base64 in webhooks, in hex elsewhere. None for neither."""
    if told is None:
        return None
    text = told.strip()
    try:
        raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw.hex() if len(raw) == 32 else None


def too_large(kind: FileKind, size: int, what: str = "the file") -> Refused | None:
    """Why a file of this kind and size (bytes) can be neither sent nor kept; None where it can."""
    most = min(LARGEST[kind], LARGEST_KEPT)
    if size > most:
        return Refused(131053, f"{what} has {size} bytes; {kind} may have {most}", "message")
    return None


def is_as_told(content: bytes, *told: str | None) -> bool:
    """Whether the content has each sha256 (hex) that was told of it."""
    digest = hashlib.sha256(content).hexdigest()
    return all(each == digest for each in told if each is not None)
