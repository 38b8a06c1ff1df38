"""What SendGrid posts: Inbound Parse, raw and parsed, and signed batches of events."""

import base64
import email
import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from services.sandbox.mail_webhook import Post

_KEY = ec.derive_private_key(
    int.from_bytes(hashlib.sha256(b"converse sandbox sendgrid").digest(), "big"), ec.SECP256R1()
)
"""The emulator's own: known to everybody, and always the same, so that a gateway elsewhere knows its public half."""


def raw(mail: bytes, *, sender: str, to: Sequence[str], secret: str | None, signed_at: datetime | None = None) -> Post:
    """Inbound Parse in raw mode: the whole mail in the field `email`. Signed as its security policies do, where asked."""
    return _inbound({**_common(email.message_from_bytes(mail), sender, to), "email": mail}, {}, secret, signed_at)


def parsed(
    mail: bytes, *, sender: str, to: Sequence[str], secret: str | None, signed_at: datetime | None = None
) -> Post:
    """Inbound Parse in its usual mode: each text in the charset that it was written in."""
    message = email.message_from_bytes(mail)
    fields: dict[str, bytes] = _common(message, sender, to)
    fields["headers"] = mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
    charsets = {"to": "UTF-8", "subject": "UTF-8", "from": "UTF-8"}
    files: dict[str, tuple[str, bytes, str]] = {}
    infos: dict[str, Any] = {}
    for part in message.walk():
        kind, name = part.get_content_type(), part.get_filename()
        content = _content(part)
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            continue
        field = {"text/plain": "text", "text/html": "html"}.get(kind)
        if field and name is None and field not in fields:
            fields[field] = content
            charsets[field] = part.get_content_charset() or "UTF-8"
        elif name is not None or part.get_content_maintype() not in ("text", "multipart"):
            key = f"attachment{len(files) + 1}"
            files[key] = (name or "", content, kind)
            infos[key] = {"filename": name or "", "name": name or "", "type": kind, "content-id": ""}
    fields["attachments"] = str(len(files)).encode()
    fields["attachment-info"] = json.dumps(infos).encode()
    fields["charsets"] = json.dumps(charsets).encode()
    return _inbound(fields, files, secret, signed_at)


def events(items: Sequence[dict[str, Any]], at: datetime) -> Post:
    """A batch of events, signed over timestamp and body."""
    body = json.dumps(items, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", **signature(body, at)}
    return Post(path="/bounce", headers=headers, content=body, repeat="unless_2xx")


def signature(body: bytes, at: datetime) -> dict[str, str]:
    """The headers that sign exactly these bytes."""
    timestamp = str(int(at.timestamp()))
    signed = _KEY.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signed).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }


def event(name: str, *, to: str, message_id: str, at: datetime, **more: Any) -> dict[str, Any]:
    """One event about a mail."""
    return {
        "email": to,
        "timestamp": int(at.timestamp()),
        "smtp-id": f"<{message_id}>",
        "event": name,
        "sg_event_id": secrets.token_urlsafe(16),
        "sg_message_id": f"{hashlib.sha256(message_id.encode()).hexdigest()[:22]}.filter0001.16648.5515E0B88.0",
        **more,
    }


def _common(message: "Message[str, str]", sender: str, to: Sequence[str]) -> dict[str, bytes]:
    envelope = json.dumps({"to": list(to), "from": sender})
    return {
        "from": _header(message, "from"),
        "to": _header(message, "to"),
        "subject": _header(message, "subject"),
        "sender_ip": b"192.0.2.1",
        "envelope": envelope.encode(),
        "SPF": b"pass",
        "dkim": b"{@example.com : pass}",
        "spam_score": b"0.1",
    }


def _header(message: "Message[str, str]", name: str) -> bytes:
    return str(email.header.make_header(email.header.decode_header(message.get(name) or ""))).encode()


def _content(part: "Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    enclosed = part.get_payload()
    return (
        b"\n".join(each.as_bytes() for each in enclosed if isinstance(each, Message))
        if isinstance(enclosed, list)
        else b""
    )


def _inbound(
    fields: dict[str, bytes], files: dict[str, tuple[str, bytes, str]], secret: str | None, signed_at: datetime | None
) -> Post:
    sign = (lambda body: signature(body, signed_at)) if signed_at else None
    return Post(path=f"/{secret}" if secret else "", fields=fields, files=files, repeat="on_5xx", sign=sign)
