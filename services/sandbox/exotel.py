"""What Exotel's APIs share, for SMS and for calls: who may ask, and what a refusal looks like."""

import base64
import binascii
from typing import Any, Protocol


class Credentials(Protocol):
    """Who is let in; None lets anybody in."""

    @property
    def api_key(self) -> str | None: ...

    @property
    def api_token(self) -> str | None: ...


class ExotelError(Exception):
    """A refusal in Exotel's shape."""

    def __init__(self, status: int, code: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"RestException": {"Status": self.status, "Message": self.message, "Code": self.code}}


def admit(credentials: Credentials, authorization: str) -> None:
    """HTTP Basic with the account's key and token. Raises ExotelError."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        key, colon, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        key = colon = token = ""
    known = credentials.api_key in (None, key) and credentials.api_token in (None, token)
    if scheme.lower() != "basic" or not colon or not known:
        raise ExotelError(401, 34010, "Authentication failed")
