"""What SMS providers tell, as facts. Pure."""

from events.inbound import Received, StatusReceived
from libs.channels.sms_items import Inbound, Status
from services.gateways.settings import SMS


def received(item: Inbound, digest: str) -> Received:
    """A contact's message."""
    return Received(
        channel=SMS,
        account=item.account,
        digest=digest,
        sender=item.sender,
        text=item.text,
        provider_ref=item.id,
        reply_to=item.reply_to,
        sent_at=item.at,
    )


def status_received(item: Status) -> StatusReceived:
    """How far a message got, and what the provider says that it takes."""
    refused = item.refused
    return StatusReceived(
        channel=SMS,
        provider_ref=item.id,
        status=item.state,
        at=item.at,
        reference=item.reference,
        code=str(refused.code) if refused else None,
        reason=refused.reason if refused else None,
        cost=item.cost,
    )
