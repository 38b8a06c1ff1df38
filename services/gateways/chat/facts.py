"""What a contact writes in the chat as a fact, and facts as lines of the chat: pure."""

from datetime import datetime
from typing import Any
from uuid import UUID

from events.base import Recorded
from events.conversation import MessageRequested
from events.inbound import Received, StatusReceived
from libs.channels import chat
from services.gateways.settings import CHAT

STATUS_OF: dict[str, tuple[str, ...]] = {
    "delivered": ("accepted", "sent"),
    "read": ("accepted", "sent", "delivered"),
}
"""What a client can tell of our messages, and in which states that is news."""


def received(said: chat.Said, id: str, contact: str, digest: str, at: datetime) -> Received:
    """A contact's message; `id` is the client's own, or ours where it gave none."""
    return Received(
        channel=CHAT,
        account=CHAT,
        digest=digest,
        sender=contact,
        text=said.content,
        provider_ref=id,
        kind="text" if said.choice is None else "choice",
        reply_to=said.reply_to,
        sent_at=at,
        choice=said.choice,
    )


def status(message: UUID, state: str, at: datetime) -> StatusReceived:
    """A client has got, or shown, a message of ours."""
    return StatusReceived(channel=CHAT, provider_ref=str(message), status=state, at=at, reference=str(message))


def line(fact: Recorded[Any], position: int) -> chat.Line:
    """The line that a fact is."""
    at = fact.envelope.occurred_at
    match fact.event:
        case Received() as heard:
            return chat.Line(
                id=heard.provider_ref,
                position=position,
                role="contact",
                content=heard.text,
                at=heard.sent_at or at,
                reply_to=heard.reply_to,
            )
        case MessageRequested() as asked:
            return chat.Line(
                id=str(fact.id),
                position=position,
                role="operator" if asked.purpose == "operator" else "agent",
                content=asked.body.text,
                at=at,
                choices=[
                    chat.Choice(id=each.id, title=each.title, description=each.description)
                    for each in asked.body.choices
                ],
                draft=asked.draft,
                reply_to=asked.reply_to,
            )
        case other:
            raise TypeError(f"{type(other).__name__} is no line of a chat")
