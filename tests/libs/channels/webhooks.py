"""Every webhook that Meta documents, as bodies to read."""

import json
from typing import Any

ACCOUNT = "106540352242922"
BUSINESS = "102290129340398"
PRIYA_WA_ID = "919876543210"
PRIYA_USER_ID = "IN.13491208655302741918"
SECONDS = "1764238453"
METADATA = {"display_phone_number": "918047491899", "phone_number_id": ACCOUNT}
PRIYA = {"profile": {"name": "Priya Sharma"}, "wa_id": PRIYA_WA_ID, "user_id": PRIYA_USER_ID}


def webhook(*changes: dict[str, Any]) -> bytes:
    """One signed body, as Meta writes it: ASCII, with everything else escaped."""
    entry = {"id": BUSINESS, "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def messages(*said: dict[str, Any], contacts: tuple[dict[str, Any], ...] = (PRIYA,)) -> dict[str, Any]:
    """A change that carries what contacts said."""
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "contacts": list(contacts), "messages": list(said)}
    return {"field": "messages", "value": value}


def statuses(*states: dict[str, Any]) -> dict[str, Any]:
    """A change that carries delivery states."""
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "statuses": list(states)}
    return {"field": "messages", "value": value}


def message(kind: str, **content: Any) -> dict[str, Any]:
    """One message of Priya's."""
    head = {"from": PRIYA_WA_ID, "from_user_id": PRIYA_USER_ID, "id": "wamid.said", "timestamp": SECONDS, "type": kind}
    return {**head, **content}


def status(state: str, **more: Any) -> dict[str, Any]:
    """One delivery state of our message msg_01."""
    about = {"id": "wamid.ours", "status": state, "timestamp": SECONDS, "recipient_id": PRIYA_WA_ID}
    return {**about, "biz_opaque_callback_data": "msg_01", **more}
