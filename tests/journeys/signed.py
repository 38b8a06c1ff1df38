"""Meta's webhooks, written and signed by the test itself."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.journeys.people import Person
from tests.journeys.town import Town

SECRET = "sandbox-app-secret"
WEBHOOK = "/webhooks/whatsapp"


async def signed(town: Town, body: Any, *, secret: str = SECRET, path: str = WEBHOOK) -> httpx.Response:
    """Post a body (JSON, or bytes as they are) with the signature that `secret` gives."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await town.client.post(path, content=raw, headers=headers(raw, secret))


def headers(raw: bytes, secret: str = SECRET) -> dict[str, str]:
    """Content type and signature of exactly these bytes."""
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-hub-signature-256": f"sha256={signature}"}


def status(wamid: str, state: str, reference: str | None) -> dict[str, Any]:
    """One delivery state."""
    part = {"id": wamid, "status": state, "timestamp": "1771218000", "recipient_id": "919880000000"}
    return part if reference is None else part | {"biz_opaque_callback_data": reference}


def statuses(person: Person, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A webhook with delivery states."""
    return envelope({"contacts": [{"wa_id": person.phone[1:]}], "statuses": list(parts)})


def said(person: Person, text: str, wamid: str) -> dict[str, Any]:
    """A webhook in which a contact says something."""
    message = {
        "from": person.phone[1:],
        "id": wamid,
        "timestamp": "1771218000",
        "type": "text",
        "text": {"body": text},
    }
    profile = {"profile": {"name": person.name}, "wa_id": person.phone[1:]}
    return envelope({"contacts": [profile], "messages": [message]})


def envelope(value: dict[str, Any]) -> dict[str, Any]:
    """What Meta puts around messages and statuses."""
    metadata = {"display_phone_number": "918047491899", "phone_number_id": "106540352242922"}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
