"""What came in and how far a message got in a channel's plainest form, where no provider's webhook tells it: in scenarios."""

from datetime import datetime

from events.inbound import Received, StatusReceived

READ = ("whatsapp", "chat")
"""The channels whose providers tell that a message was read."""


def said(channel: str, text: str, *, sender: str, digest: str, reference: str, at: datetime) -> Received:
    """A contact's words; `reference` stands for the provider's id of the message."""
    return Received(
        channel=channel,
        account="scenario",
        digest=digest,
        sender=sender,
        text=text,
        provider_ref=reference,
        sent_at=at,
    )


def arrived(channel: str, reference: str, at: datetime) -> list[StatusReceived]:
    """A message was delivered, and read where its channel tells that."""
    seen = ("delivered", "read") if channel in READ else ("delivered",)
    return [StatusReceived(channel=channel, provider_ref=reference, status=each, at=at) for each in seen]
