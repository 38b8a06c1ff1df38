"""What Meta tells the business: statuses and inbound messages, signed, repeated until they are taken."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec

from services.sandbox.meta_send import TITLES
from services.sandbox.settings import MetaSettings
from services.sandbox.state import Background

BUSINESS = "102290129340398"
_LONGEST_BACKOFF = 5.0
_KEPT = 20_000


class Delivery(msgspec.Struct, kw_only=True):
    """One webhook and how its delivery went. `status` is the last answer's, 0 without an answer."""

    at: datetime
    body: dict[str, Any]
    attempts: int = 0
    status: int = 0


class Saying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Something that a contact says: `text`, or a whole `message` as Meta would write it (`type` and its content)."""

    sender: str
    text: str | None = None
    message: dict[str, Any] | None = None
    name: str | None = None
    phone_id: str | None = None
    quoted: str | None = None
    id: str | None = None
    copies: int = 1
    hide_phone: bool = False
    numeric_ids: bool = False


class Webhooks:
    """Posts signed bodies to the callback URL. A body that gets no 200 is posted again, with backoff, a bounded number of times."""

    def __init__(self, settings: MetaSettings, client: httpx.AsyncClient, background: Background) -> None:
        self.url = settings.callback_url
        self.secret = settings.app_secret
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT)
        self._settings = settings
        self._client = client
        self._background = background

    async def post(self, body: dict[str, Any], at: datetime, *, copies: int = 1) -> None:
        """Return after the first attempt; further ones go on in the background."""
        for _ in range(copies):
            delivery = Delivery(at=at, body=body)
            self.deliveries.append(delivery)
            if not await self._attempt(delivery):
                self._background.start(self._again(delivery))

    async def subscribe(self, url: str, verify_token: str) -> bool:
        """Meta's handshake; where it succeeds, `url` gets the webhooks from now on."""
        challenge = hashlib.sha256(url.encode()).hexdigest()[:12]
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        try:
            answer = await self._client.get(url, params=query, timeout=self._settings.webhook_timeout)
        except httpx.HTTPError:
            return False
        if answer.status_code != 200 or answer.text != challenge:
            return False
        self.url = url
        return True

    async def _again(self, delivery: Delivery) -> None:
        wait = self._settings.webhook_backoff
        while delivery.attempts < self._settings.webhook_attempts:
            await asyncio.sleep(wait)
            if await self._attempt(delivery):
                return
            wait = min(wait * 2, _LONGEST_BACKOFF)

    async def _attempt(self, delivery: Delivery) -> bool:
        if self.url is None:
            return True
        raw = json.dumps(delivery.body, separators=(",", ":")).encode()  # ASCII: Meta escapes the rest as \uXXXX too
        signature = hmac.new(self.secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={signature}"}
        delivery.attempts += 1
        try:
            answer = await self._client.post(
                self.url, content=raw, headers=headers, timeout=self._settings.webhook_timeout
            )
        except httpx.HTTPError:
            delivery.status = 0
            return False
        delivery.status = answer.status_code
        return answer.status_code == 200


def user_id(wa_id: str) -> str:
    """The BSUID of a phone: always the same one."""
    return f"IN.{int(hashlib.sha256(wa_id.encode()).hexdigest()[:15], 16)}"


def change(field: str, value: dict[str, Any], display_number: str, phone_id: str) -> dict[str, Any]:
    """A whole webhook of another field than messages, such as `user_preferences`."""
    metadata = {"display_phone_number": display_number, "phone_number_id": phone_id}
    told = {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": BUSINESS, "changes": [told]}]}


def envelope(phone_id: str, display_number: str, value: dict[str, Any]) -> dict[str, Any]:
    """A whole webhook around the messages or statuses in `value`."""
    metadata = {"display_phone_number": display_number, "phone_number_id": phone_id}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": BUSINESS, "changes": [change]}]}


def statuses(to: str, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The value of a webhook that carries delivery states of messages to one contact."""
    person = {"wa_id": to, "user_id": user_id(to)} if to.isdigit() else {"user_id": to}
    return {"contacts": [person], "statuses": list(parts)}


def status(
    wamid: str,
    to: str,
    state: str,
    at: datetime,
    *,
    reference: str | None,
    category: str,
    billable: bool = True,
    error: int | None = None,
) -> dict[str, Any]:
    """One delivery state."""
    part: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(int(at.timestamp()))}
    if to.isdigit():
        part["recipient_id"] = to
    part["recipient_user_id"] = user_id(to) if to.isdigit() else to
    if reference is not None:
        part["biz_opaque_callback_data"] = reference
    if error is not None:
        title = TITLES.get(error, "Message failed")
        details = {"details": f"{title}: said by the sandbox"}
        part["errors"] = [{"code": error, "title": title, "message": title, "error_data": details}]
    elif state in ("sent", "delivered"):
        kind = "regular" if billable else "free_customer_service"
        part["pricing"] = {"billable": billable, "pricing_model": "PMP", "type": kind, "category": category}
    return part


def inbound(
    wamid: str, sender: str, name: str, at: datetime, content: dict[str, Any], *, quoted: str | None, hidden: bool
) -> dict[str, Any]:
    """The value of a webhook in which a contact says something; a `hidden` one shows no phone, only the user id."""
    known = user_id(sender)
    contact: dict[str, Any] = {"profile": {"name": name}, "user_id": known}
    message: dict[str, Any] = {"from_user_id": known, "id": wamid, "timestamp": str(int(at.timestamp())), **content}
    if not hidden:
        contact["wa_id"] = sender
        message["from"] = sender
    if quoted is not None:
        message["context"] = {"id": quoted}
    return {"contacts": [contact], "messages": [message]}


def numeric(node: Any) -> Any:
    """The same body with every id of digits as a number, as Meta sometimes writes them."""
    if isinstance(node, dict):
        return {
            key: int(item)
            if key in {"id", "from", "wa_id", "recipient_id", "timestamp", "phone_number_id"}
            and isinstance(item, str)
            and item.isdigit()
            else numeric(item)
            for key, item in node.items()
        }
    return [numeric(item) for item in node] if isinstance(node, list) else node
