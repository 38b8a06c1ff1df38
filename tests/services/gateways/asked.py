"""A message that a conversation asks for, without a log."""

from typing import Any
from uuid import UUID

from events.base import Envelope, Recorded
from events.conversation import MessageRequested
from events.values import PolicyDecision
from libs.testkit.nouns import NOON, PRIYA_PHONE, TENANT
from tests.services.gateways.conftest import REMINDER

ID = UUID(int=7)


def asked(**changes: Any) -> Recorded[MessageRequested]:
    decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
    fields: dict[str, Any] = {
        "message": str(ID),
        "channel": "whatsapp",
        "to": PRIYA_PHONE,
        "body": REMINDER,
        "allowed_by": decision,
    }
    envelope = Envelope(
        id=ID,
        type="conversation.message_requested.v1",
        source="orchestrator",
        stream="conversation-1",
        version=4,
        pos=10,
        tenant=TENANT,
        correlation_id=ID,
        occurred_at=NOON,
        recorded_at=NOON,
    )
    return Recorded(MessageRequested(**(fields | changes)), envelope)
