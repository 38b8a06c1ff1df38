"""The token that opens a contact's chat: a JSON Web Token (HS256) that the company's web server signs.

Claims: `sub` is the contact's id, `exp` the end in seconds since 1970, `tenant` the tenant (left out: `default`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

ALGORITHM = "HS256"
LEEWAY = timedelta(seconds=10)
"""How far the clocks of the company's server and ours may differ."""
SHORTEST_SECRET = 32
"""Bytes of the secret, as RFC 7518 section 3.2 asks for HS256."""
DEFAULT_TENANT = "default"
SANDBOX_SECRET = "sandbox-chat-secret-known-to-everybody"  # noqa: S105 - opens chats of a system without credentials only


class BadToken(Exception):
    """The token opens nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who may come in, and until when."""

    contact: str
    expires_at: datetime


def mint(contact: str, secret: str, *, tenant: str = DEFAULT_TENANT, expires_at: datetime) -> str:
    """A token as the company's web server makes one for a contact who has signed in there."""
    claims: dict[str, Any] = {"sub": contact, "tenant": tenant, "exp": int(expires_at.timestamp())}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def verify(token: str, secret: str, *, contact: str, tenant: str, now: datetime) -> Entry:
    """Lets the bearer into the chat of `contact`; `now` is machine time. Raises BadToken."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            options={"require": ["sub", "exp"], "verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False},
        )  # fmt: skip
    except jwt.InvalidTokenError as error:
        raise BadToken(f"the token is not valid ({type(error).__name__})") from error
    if claims["sub"] != contact or claims.get("tenant", DEFAULT_TENANT) != tenant:
        raise BadToken("the token is for somebody else's chat")
    expires = claims["exp"]
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise BadToken("`exp` must be a number of seconds since 1970")
    try:
        expires_at = datetime.fromtimestamp(expires, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadToken("`exp` is no time") from error
    if now >= expires_at + LEEWAY:
        raise BadToken("the token has expired")
    return Entry(contact, expires_at)
