"""The WhatsApp Cloud API (Meta Graph): who may call the webhook, and when free text is allowed; its codec's front page."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from libs.channels.outcome import Refused
from libs.channels.whatsapp_address import e164, is_user_id, wa_id
from libs.channels.whatsapp_inbound import Malformed, read
from libs.channels.whatsapp_items import AddressChange, Inbound, Other, Preference, Status, TemplateUpdate
from libs.channels.whatsapp_message import (
    ChoiceMessage,
    File,
    FileMessage,
    Message,
    Option,
    QuickReply,
    TemplateMessage,
    TextMessage,
    UrlSuffix,
)
from libs.channels.whatsapp_outbound import Request, mark_read, write
from libs.channels.whatsapp_outcome import USER_STOPPED, WINDOW_CLOSED, classify, error_of, meaning

__all__ = [
    "SERVICE_WINDOW",
    "USER_STOPPED",
    "WINDOW_CLOSED",
    "AddressChange",
    "ChoiceMessage",
    "File",
    "FileMessage",
    "Inbound",
    "Malformed",
    "Message",
    "Option",
    "Other",
    "Preference",
    "QuickReply",
    "Request",
    "Status",
    "TemplateMessage",
    "TemplateUpdate",
    "TextMessage",
    "UrlSuffix",
    "classify",
    "e164",
    "error_of",
    "handshake",
    "is_user_id",
    "mark_read",
    "meaning",
    "read",
    "verify",
    "wa_id",
    "window_open",
    "write",
]

SERVICE_WINDOW = timedelta(hours=24)
"""How long free text may be sent after the contact last wrote to this business number."""


def verify(raw: bytes, signature: str | None, secret: str) -> bool:
    """Whether Meta signed exactly these bytes: `X-Hub-Signature-256: sha256=<hex>`, compared in constant time.

    Without a signature or without a secret the answer is no. Meta escapes non-ASCII text, so a body that was parsed and
    written again no longer fits its signature.
    """
    if not signature or not secret:
        return False
    expected = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def handshake(query: Mapping[str, str], verify_token: str) -> str | Refused:
    """The challenge to answer verbatim as text/plain when Meta subscribes to the webhook, or why it gets a 403."""
    if query.get("hub.mode") != "subscribe":
        return Refused(403, "hub.mode must be 'subscribe'", "account")
    token = query.get("hub.verify_token", "")
    if not verify_token or not hmac.compare_digest(token.encode("utf-8", "replace"), verify_token.encode()):
        return Refused(403, "hub.verify_token is not the verify token of this channel's settings", "account")
    challenge = query.get("hub.challenge")
    if not challenge:
        return Refused(403, "hub.challenge is missing", "account")
    return challenge


def window_open(last_inbound: datetime | None, now: datetime) -> bool:
    """Whether free text may be sent: within 24 hours after the contact last wrote; else only a template may."""
    return last_inbound is not None and now < last_inbound + SERVICE_WINDOW
