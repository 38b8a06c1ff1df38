"""What Mailgun posts: routes as forms or with the whole mail, and webhooks, each with its signature."""

import email
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.sandbox.mail_webhook import Post


def route(mail: bytes, *, sender: str, to: Sequence[str], key: str, at: datetime) -> Post:
    """A route to a plain URL: the mail taken apart."""
    message: Any = email.message_from_bytes(mail)
    fields = _fields(message, sender, to, key, at)
    fields["message-headers"] = json.dumps([[name, str(value)] for name, value in message.items()]).encode()
    for name in ("From", "Subject", "Message-Id", "In-Reply-To", "References", "Date", "To"):
        if message.get(name):
            fields[name] = str(message.get(name)).encode()
    files: dict[str, tuple[str, bytes, str]] = {}
    for part in message.walk():
        payload, kind, name = part.get_payload(decode=True), part.get_content_type(), part.get_filename()
        if not isinstance(payload, bytes):
            continue
        field = {"text/plain": "body-plain", "text/html": "body-html"}.get(kind)
        if field and name is None and field not in fields:
            fields[field] = payload.decode(part.get_content_charset() or "utf-8", "replace").encode()
        else:
            files[f"attachment-{len(files) + 1}"] = (name or "", payload, kind)
    fields["attachment-count"] = str(len(files)).encode()
    return Post(path="", fields=fields, files=files, repeat="unless_2xx_or_406", urlencoded=not files)


def route_mime(mail: bytes, *, sender: str, to: Sequence[str], key: str, at: datetime) -> Post:
    """A route to a URL that ends in `mime`: the whole mail."""
    fields = _fields(email.message_from_bytes(mail), sender, to, key, at)
    return Post(path="", fields={**fields, "body-mime": mail}, repeat="unless_2xx_or_406", urlencoded=True)


def webhook(name: str, *, to: str, message_id: str, key: str, at: datetime, **more: Any) -> Post:
    """One event about a mail."""
    data = {
        "id": secrets.token_urlsafe(16),
        "event": name,
        "timestamp": at.timestamp(),
        "recipient": to,
        "message": {"headers": {"message-id": message_id}},
        "user-variables": {},
        **more,
    }
    body = json.dumps({"signature": signature(key, at), "event-data": data}).encode()
    headers = {"content-type": "application/json"}
    return Post(path="/bounce", headers=headers, content=body, repeat="unless_2xx_or_406")


def signature(key: str, at: datetime) -> dict[str, str]:
    """The three values by which a request is known as Mailgun's."""
    timestamp, token = str(int(at.timestamp())), secrets.token_hex(25)
    signed = hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": signed}


def _fields(message: Any, sender: str, to: Sequence[str], key: str, at: datetime) -> dict[str, bytes]:
    subject = str(email.header.make_header(email.header.decode_header(message.get("subject") or "")))
    texts = {"recipient": ",".join(to), "sender": sender, "from": str(message.get("from") or ""), "subject": subject}
    return {name: text.encode() for name, text in {**texts, **signature(key, at)}.items()}
