"""An SNS topic with one HTTPS subscription: signs its envelopes like AWS, with a certificate of its own."""

import base64
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from services.sandbox.sms_webhook import Call

Kind = Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
Version = Literal["1", "2"]

CERTIFICATE = "SimpleNotificationService-00000000000000000000000000000000.pem"
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


class Topic:
    """Posts go to `url`. A subscription that was asked for over the API is confirmed by whoever gets its SubscribeURL."""

    def __init__(self, arn: str, base_url: Callable[[], str]) -> None:
        self.arn = arn
        self.version: Version = "2"
        self.raw_delivery = False
        self.confirmed = 0
        self._base_url = base_url
        self._tokens: set[str] = set()

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @cached_property
    def certificate(self) -> bytes:
        """The certificate (PEM) that envelopes name."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        since = datetime(2020, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), 1, since, since + timedelta(days=36500))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def notification(self, url: str, message: dict[str, Any], at: datetime) -> Call:
        """The post of a message; without an envelope where raw delivery is on."""
        text = msgspec.json.encode(message).decode()
        if self.raw_delivery:
            headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-rawdelivery": "true"}
            return Call(provider="pinpoint", method="POST", url=url, body=text, headers=headers)
        return self.envelope(url, "Notification", text, at)

    def confirmation(self, url: str, at: datetime) -> Call:
        """The post that asks `url` whether it wants the topic."""
        token = secrets.token_hex(32)
        self._tokens.add(token)
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": self.arn, "Token": token})
        words = f"You have chosen to subscribe to the topic {self.arn}. Visit the SubscribeURL to confirm it."
        further = {"Token": token, "SubscribeURL": f"{self._base_url()}/?{query}"}
        return self.envelope(url, "SubscriptionConfirmation", words, at, **further)

    def confirm(self, token: str) -> bool:
        """Somebody has got the SubscribeURL; a token is good for once."""
        known = token in self._tokens
        self._tokens.discard(token)
        self.confirmed += known
        return known

    def envelope(self, url: str, kind: Kind, message: str, at: datetime, **further: str) -> Call:
        """A signed post to `url`."""
        fields = {
            "Type": kind,
            "MessageId": secrets.token_hex(16),
            "TopicArn": self.arn,
            "Message": message,
            "Timestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
            "SignatureVersion": self.version,
            "SigningCertURL": f"{self._base_url()}/{CERTIFICATE}",
            **further,
        }
        fields["Signature"] = self._sign(fields)
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": fields["MessageId"],
            "x-amz-sns-topic-arn": self.arn,
        }
        return Call(
            provider="pinpoint", method="POST", url=url, body=msgspec.json.encode(fields).decode(), headers=headers
        )

    def _sign(self, fields: dict[str, str]) -> str:
        text = "".join(f"{name}\n{fields[name]}\n" for name in _SIGNED[fields["Type"]] if name in fields)
        algorithm = hashes.SHA1() if self.version == "1" else hashes.SHA256()  # noqa: S303 - AWS's version 1 is SHA-1
        return base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()
