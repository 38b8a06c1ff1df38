"""Addresses of mail: their normal form, our own Message-IDs, and the signed tokens that lead an answer to its message.

A token is `<purpose>+<message id>.<signature>` before the @, in small letters and digits: at most 45 of the 64 characters
that RFC 5321 allows there, and unharmed by servers that change the case.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from email.utils import formataddr
from typing import Literal, get_args
from uuid import UUID

Purpose = Literal["r", "b", "u"]
"""What an address is for: replies, bounces (the envelope sender, VERP), unsubscribing."""

SIGNATURE_BYTES = 10
PLAIN = re.compile(r"[^\s@<>(),;:\\\"\[\]]{1,64}@[^\s@<>(),;:\\\"\[\]]{1,253}")
MAX_ADDRESS = 320  # RFC 5321 4.5.3.1
ANY = re.compile(rf"[^\s@<>(),;:\\\"\[\]]{{1,{MAX_ADDRESS}}}@[^\s@<>(),;:\\\"\[\]]{{1,{MAX_ADDRESS}}}")
"""What may be an address. Without its bounds it would take the square of a text without any @, and nobody else a turn."""
_TOKEN = re.compile(r"^([rbu])\+([a-z2-7]{26})\.([a-z2-7]{16})$")
_MESSAGE_ID = re.compile(r"^[!-;=?-~]{1,250}$")  # printable ASCII without < and >


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was written to; it proves nothing until its signature is compared."""

    purpose: Purpose
    message: UUID
    signature: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name that is shown."""

    address: str
    name: str | None = None

    def __str__(self) -> str:
        return formataddr((" ".join((self.name or "").split()), self.address))


def normal(address: str) -> str:
    """An address as look-ups know it: in small letters, without spaces around."""
    return address.strip().lower()


def wire(address: str) -> str | None:
    """An address as SMTP takes it, its domain in IDNA; None where it is none, or needs SMTPUTF8."""
    if not PLAIN.fullmatch(address.strip()):
        return None
    local, _, domain = address.strip().rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}" if local.isascii() else None
    except UnicodeError:
        return None


def domain_of(address: str) -> str:
    """What stands behind the @."""
    return address.rpartition("@")[2]


def without_addresses(text: str, longest: int = 300) -> str:
    """What a server says, without the addresses that it names: reasons are stored unsealed. At most `longest` characters."""
    flat = " ".join(text.split())
    return ANY.sub("(address)", flat[: 10 * longest])[:longest]


def message_id(message: UUID, domain: str) -> str:
    """Our Message-ID, without its brackets: the same for every attempt, so that a repeat is known as one."""
    return f"{message}@{domain}"


def message_of(id: str | None) -> UUID | None:
    """Our message that a Message-ID names, whatever the domain; None for somebody else's."""
    try:
        return UUID((id or "").strip().strip("<>").partition("@")[0])
    except ValueError:
        return None


def bare_id(text: str | None) -> str | None:
    """A Message-ID without brackets and spaces; None for what can be none."""
    id = (text or "").strip().strip("<>").strip()
    return id if _MESSAGE_ID.fullmatch(id) else None


def signed_text(purpose: Purpose, message: UUID) -> str:
    """What the tenant's key signs: a token for replies is none for unsubscribing."""
    return f"{purpose} {message}"


def token(purpose: Purpose, message: UUID, mac: bytes) -> str:
    """The local part of an address; `mac` is the HMAC of `signed_text`, of which the first 80 bits travel."""
    return f"{purpose}+{_base32(message.bytes)}.{_base32(mac[:SIGNATURE_BYTES])}"


def read_token(address: str) -> Token | None:
    """The token of an address that looks as ours do."""
    found = _TOKEN.match(normal(address).rpartition("@")[0] or normal(address))
    if found is None:
        return None
    purpose = next(each for each in get_args(Purpose) if each == found[1])
    try:
        return Token(purpose, UUID(bytes=_unbase32(found[2])), found[3])
    except (ValueError, binascii.Error):
        return None


def is_signed(token: Token, mac: bytes) -> bool:
    """Whether `mac` is what the token was signed with."""
    return hmac.compare_digest(token.signature, _base32(mac[:SIGNATURE_BYTES]))


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _unbase32(text: str) -> bytes:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
