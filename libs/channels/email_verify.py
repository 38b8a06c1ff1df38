"""Who may post to the webhooks of mail: SendGrid's and Mailgun's signatures, and a secret for what neither signs."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

SENDGRID_SIGNATURE = "x-twilio-email-event-webhook-signature"
SENDGRID_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
MAILGUN_AGE = timedelta(hours=12)
"""How old a Mailgun signature may be: a repeat after 8 hours still has its first timestamp."""


@dataclass(frozen=True, slots=True)
class MailgunSignature:
    """The three values that Mailgun signs with; the body is not signed, so that a token may serve for one body only."""

    timestamp: str
    token: str
    signature: str


def verify_sendgrid(raw: bytes, headers: Mapping[str, str], public_key: str) -> bool:
    """Whether SendGrid signed exactly these bytes: ECDSA P-256 with SHA-256 over timestamp and raw body.

    `public_key` is base64 of DER, as SendGrid shows it. Without a signature or a key the answer is no.
    """
    signature, timestamp = headers.get(SENDGRID_SIGNATURE), headers.get(SENDGRID_TIMESTAMP)
    if not signature or not timestamp or not public_key:
        return False
    try:
        key = load_der_public_key(base64.b64decode(public_key))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + raw, ec.ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def verify_mailgun(given: MailgunSignature, key: str, now: datetime) -> bool:
    """Whether Mailgun made this signature, and not longer ago than MAILGUN_AGE."""
    if not key or not given.token:
        return False
    signed = hmac.new(key.encode(), (given.timestamp + given.token).encode("utf-8", "replace"), hashlib.sha256)
    if not hmac.compare_digest(signed.hexdigest().encode(), given.signature.encode("utf-8", "replace")):
        return False
    try:
        at = datetime.fromtimestamp(float(given.timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return abs(now - at) <= MAILGUN_AGE


def verify_secret(given: str | None, secret: str) -> bool:
    """Whether the secret of the path, or the password of basic authentication, is ours."""
    return bool(given and secret) and hmac.compare_digest((given or "").encode("utf-8", "replace"), secret.encode())


def basic_password(authorization: str | None) -> str | None:
    """The password in an Authorization header of the scheme Basic."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (ValueError, binascii.Error):
        return None
