"""Only AWS's own signature opens an envelope, and only to what we subscribed to."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from libs.channels import sms_envelope
from libs.channels.sms_items import Malformed

NOON = datetime(2026, 2, 16, 6, 30, tzinfo=UTC)
TOPIC = "arn:aws:sns:ap-south-1:123456789012:sms"
HOME = "https://sns.ap-south-1.amazonaws.com"
CERTIFICATE = f"{HOME}/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
CONFIRM = f"{HOME}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336"
KEY = rsa.generate_private_key(65537, 2048)


def certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, NOON + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PEM = certificate(KEY)


def notification(**changes: Any) -> dict[str, Any]:
    fields = {"Type": "Notification", "MessageId": "22b80b92", "TopicArn": TOPIC, "Message": '{"a": "ह"}', "Timestamp": "2026-02-16T06:30:00.000Z",
              "SignatureVersion": "2", "SigningCertURL": CERTIFICATE, "UnsubscribeURL": f"{HOME}/?Action=Unsubscribe"}  # fmt: skip
    return fields | changes


def confirmation(**changes: Any) -> dict[str, Any]:
    return notification(Type="SubscriptionConfirmation", Token="2336", SubscribeURL=CONFIRM) | changes


def signed(fields: dict[str, Any], text: str | None = None) -> bytes:
    """The envelope, signed over what AWS documents (spelled out here, not asked of the code under test)."""
    kind = fields["Type"]
    keys = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if kind != "Notification":
        keys = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    over = "".join(f"{key}\n{fields[key]}\n" for key in keys if key in fields) if text is None else text
    algorithm = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303 - AWS's version 1
    signature = KEY.sign(over.encode(), padding.PKCS1v15(), algorithm)
    return json.dumps(fields | {"Signature": base64.b64encode(signature).decode()}).encode()


def opens(raw: bytes, pem: bytes = PEM) -> bool:
    return sms_envelope.verify(sms_envelope.read(raw), pem)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [notification(), notification(Subject="hello"), confirmation(), confirmation(Type="UnsubscribeConfirmation")],
)
def test_both_versions_of_every_kind_are_verified(fields: dict[str, Any], version: str):
    assert opens(signed(fields | {"SignatureVersion": version}))


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "TopicArn", "SubscribeURL", "Token"])
def test_a_change_of_any_signed_field_is_seen(field: str):
    whole = json.loads(signed(confirmation()))
    assert not opens(json.dumps(whole | {field: whole[field] + "x"}).encode())


def test_a_subject_that_was_added_or_taken_away_is_seen():
    plain, subject = json.loads(signed(notification())), json.loads(signed(notification(Subject="a")))
    assert not opens(json.dumps(plain | {"Subject": "a"}).encode())
    del subject["Subject"]
    assert not opens(json.dumps(subject).encode())


def test_a_notification_cannot_pass_as_a_confirmation():
    whole = json.loads(signed(notification(Token="2336", SubscribeURL=CONFIRM)))
    assert opens(json.dumps(whole).encode())
    assert not opens(json.dumps(whole | {"Type": "SubscriptionConfirmation"}).encode())


def test_the_version_says_which_digest_it_is():
    whole = json.loads(signed(notification()))
    assert not opens(json.dumps(whole | {"SignatureVersion": "1"}).encode())


def test_another_key_no_key_and_no_signature_open_nothing():
    raw = signed(notification())
    assert not opens(raw, certificate(rsa.generate_private_key(65537, 2048)))
    assert not opens(raw, certificate(ec.generate_private_key(ec.SECP256R1())))
    assert not opens(raw, b"no certificate")
    assert not opens(json.dumps(notification(Signature="")).encode())
    assert not opens(json.dumps(notification(Signature="%%%")).encode())


def test_a_confirmation_without_its_token_is_malformed():
    fields = confirmation(Signature="")
    del fields["Token"]
    with pytest.raises(Malformed):
        sms_envelope.verify(sms_envelope.read(json.dumps(fields).encode()), PEM)


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", b"[]", b'"hello"', b"{", b"\xff\xfe", b"[" * 5000,
                                 json.dumps(notification(Signature="", SignatureVersion="3")).encode(),
                                 json.dumps(notification(Signature="", Type="Other")).encode()])  # fmt: skip
def test_another_shape_is_malformed(raw: bytes):
    with pytest.raises(Malformed):
        sms_envelope.read(raw)


@pytest.mark.parametrize("url", [CERTIFICATE, CERTIFICATE.replace("ap-south-1", "us-gov-west-1"),
                                 CERTIFICATE.replace("ap-south-1.amazonaws.com", "cn-north-1.amazonaws.com.cn")])  # fmt: skip
def test_certificates_of_sns_are_trusted(url: str):
    assert sms_envelope.is_trusted_certificate(url)


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("sns.", "evil.example/sns."),
        CERTIFICATE.replace("https://sns", "https://evil.example\\@sns"),
        CERTIFICATE.replace("https://sns", "https://sns.ap-south-1.amazonaws.com@evil.example/sns"),
        CERTIFICATE.replace("sns.ap-south-1", "evil-bucket.s3"),
        CERTIFICATE.replace(".com/", ".com:8443/"),
        CERTIFICATE.replace(".pem", ".txt"),
        CERTIFICATE + "?x=1",
        CERTIFICATE.replace(".com/", ".com/?Action=Publish&x="),
        CERTIFICATE.replace(".com/", ".com/other/"),
        "https://sns.ap-south-1.amazonaws.com:port/x.pem",
        "http://[::1",
        "",
    ],
)
def test_no_other_certificate_is(url: str):
    assert not sms_envelope.is_trusted_certificate(url)


def test_the_sandbox_stands_for_sns_where_it_is_named_and_only_there():
    sandbox = "http://127.0.0.1:8000"
    local = CERTIFICATE.replace(HOME, f"{sandbox}/sandbox/sms/sns")
    assert sms_envelope.is_trusted_certificate(local, sandbox)
    assert not sms_envelope.is_trusted_certificate(local)
    assert not sms_envelope.is_trusted_certificate(local.replace("8000", "8001"), sandbox)
    assert not sms_envelope.is_trusted_certificate(CERTIFICATE, sandbox)
    assert sms_envelope.is_trusted_confirmation(CONFIRM.replace(HOME, sandbox), TOPIC, sandbox)


def test_a_subscription_is_confirmed_at_sns_in_the_topics_region_only():
    assert sms_envelope.is_trusted_confirmation(CONFIRM, TOPIC)
    for wrong in (
        None,
        CONFIRM.replace("https", "http"),
        CONFIRM.replace("ap-south-1.amazonaws", "eu-west-1.amazonaws"),
        CONFIRM.replace("sns.", "evil."),
        CONFIRM.replace("ConfirmSubscription", "DeleteTopic"),
        CONFIRM.replace("123456789012", "999999999999"),
        "http://169.254.169.254/latest/meta-data/?Action=ConfirmSubscription",
    ):
        assert not sms_envelope.is_trusted_confirmation(wrong, TOPIC), wrong


@pytest.mark.parametrize(
    ("sent", "fresh"),
    [("06:30:00", True), ("05:31:00", True), ("05:20:00", False), ("06:34:00", True), ("06:36:00", False)],
)
def test_an_old_envelope_is_a_replay(sent: str, fresh: bool):
    envelope = sms_envelope.read(json.dumps(notification(Signature="", Timestamp=f"2026-02-16T{sent}.000Z")).encode())
    assert sms_envelope.is_fresh(envelope, NOON) == fresh


@pytest.mark.parametrize("sent", ["", "yesterday", "2026-02-16", "2026-02-16T06:30:00"])
def test_a_time_that_is_none_is_malformed(sent: str):
    envelope = sms_envelope.read(json.dumps(notification(Signature="", Timestamp=sent)).encode())
    with pytest.raises(Malformed):
        sms_envelope.is_fresh(envelope, NOON)


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_not(url: str):
    assert not sms_envelope.is_trusted_certificate(url)
    assert not sms_envelope.is_trusted_confirmation(url, TOPIC)
