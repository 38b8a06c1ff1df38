"""The signed envelope in which AWS SNS posts notifications to a webhook: what it is, who signed it, and whom it may send us to.

Source: SNS developer guide, "Verifying the signatures of Amazon SNS messages". Version 1 is SHA-1, version 2 SHA-256, both RSA
PKCS #1 v1.5 over `key\\nvalue\\n` of the fields in order. Raw message delivery has no signature and must stay off.
"""

import base64
import binascii
import re
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from libs.channels.sms_items import Malformed

OLDEST = timedelta(hours=1, minutes=5)
"""SNS repeats a notification for an hour at most; one that is older is somebody's replay."""
EARLIEST = timedelta(minutes=5)
"""How far ahead its clock may be."""

_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One post of SNS, its fields named as there."""

    Type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    MessageId: str
    TopicArn: str
    Message: str
    Timestamp: str
    SignatureVersion: Literal["1", "2"]
    Signature: str
    SigningCertURL: str
    Subject: str | None = None
    Token: str | None = None
    SubscribeURL: str | None = None

    @property
    def at(self) -> datetime:
        """When SNS sent it. Raises Malformed."""
        try:
            at = datetime.fromisoformat(self.Timestamp)
        except ValueError as error:
            raise Malformed("Timestamp", "must be an ISO 8601 time") from error
        if at.tzinfo is None:
            raise Malformed("Timestamp", "must have a zone")
        return at

    @property
    def signed_text(self) -> str:
        """What the signature is over. Raises Malformed where a field of it is missing."""
        lines: list[str] = []
        for name in _SIGNED[self.Type]:
            value = getattr(self, name)
            if value is None and name == "Subject":
                continue
            if value is None:
                raise Malformed(name, "is missing")
            lines += [name, value]
        return "\n".join(lines) + "\n"


def read(raw: bytes) -> Envelope:
    """The envelope of a body. Raises Malformed."""
    try:
        return msgspec.json.decode(raw, type=Envelope)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise Malformed(path.rstrip("`") or "$", message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be JSON", syntax=True) from error


def is_fresh(envelope: Envelope, now: datetime) -> bool:
    """Whether it was sent so lately that SNS may still be repeating it. Raises Malformed."""
    return now - OLDEST <= envelope.at <= now + EARLIEST


def is_trusted_certificate(url: str, sandbox: str | None = None) -> bool:
    """Whether SNS keeps its certificates there; `sandbox` is the origin of an endpoint that stands for it."""
    parts = _trusted(url, sandbox)
    if parts is None or parts.query:
        return False
    name = parts.path if sandbox is None else parts.path[parts.path.rfind("/") :]
    return bool(_CERTIFICATE.fullmatch(name))


def is_trusted_confirmation(url: str | None, topic: str, sandbox: str | None = None) -> bool:
    """Whether getting `url` confirms a subscription to `topic`, and nothing else: at SNS, in the topic's own region."""
    parts = _trusted(url or "", sandbox)
    if parts is None:
        return False
    query = dict(parse_qsl(parts.query))
    if (query.get("Action"), query.get("TopicArn")) != ("ConfirmSubscription", topic):
        return False
    region = topic.split(":")[3] if topic.count(":") == 5 else ""
    return sandbox is not None or (parts.hostname or "").split(".")[1] == region


def verify(envelope: Envelope, certificate: bytes) -> bool:
    """Whether the holder of the certificate (PEM) signed the envelope. Raises Malformed where a signed field is missing."""
    text = envelope.signed_text.encode()
    algorithm = hashes.SHA1() if envelope.SignatureVersion == "1" else hashes.SHA256()  # noqa: S303 - SNS's version 1 is SHA-1
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        signature = base64.b64decode(envelope.Signature, validate=True)
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        key.verify(signature, text, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def _trusted(url: str, sandbox: str | None) -> SplitResult | None:
    """The parts of an address at SNS (or at what stands for it); None for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if sandbox is not None:
        return parts if f"{parts.scheme}://{parts.netloc}" == sandbox else None
    at_home = parts.scheme == "https" and port in (None, 443) and not parts.username and not parts.password
    return parts if at_home and _HOST.fullmatch(parts.hostname or "") else None
