"""What a mail or a provider's event is as a fact: pure."""

from datetime import datetime
from uuid import UUID

from msgspec import structs

from events.inbound import Fetched, Received, StatusReceived, Unsubscribed
from events.values import Attachment
from libs.channels.email import Mail, NoMore, Progress, Report, message_id
from libs.channels.email_address import without_addresses
from services.gateways.settings import EMAIL

STATES = {
    "bounced": "bounced",
    "delayed": "accepted",
    "delivered": "delivered",
    "relayed": "accepted",
    "complaint": "failed",
}
"""What a report says of its mail: one that is delayed was taken by somebody, and is no bounce."""


def received(mail: Mail, *, account: str, digest: str, reference: UUID | None, files: list[Attachment]) -> Received:
    """A contact's mail."""
    return Received(
        channel=EMAIL,
        account=account,
        digest=digest,
        sender=mail.sender.address,
        text=mail.text,
        provider_ref=mail.id,
        kind="email",
        sender_name=mail.sender.name,
        reply_to=mail.answers,
        sent_at=mail.at,
        thread=list(mail.thread),
        reference=str(reference) if reference else None,
        subject=mail.subject,
        attachments=files,
        automatic=mail.automatic,
    )


def kept(announced: Attachment, name: str) -> Attachment:
    """A file that lies in the object store under `name` now."""
    return structs.replace(announced, object=name)


def fetched(files: list[Attachment]) -> Fetched:
    """All files of a mail are there."""
    return Fetched(attachments=files)


def reported(report: Report, *, domain: str, reference: UUID | None, at: datetime) -> StatusReceived | None:
    """What a report says of a mail of ours; None where it does not say of which."""
    ref = report.original or (message_id(reference, domain) if reference else None)
    if ref is None:
        return None
    return StatusReceived(
        channel=EMAIL,
        provider_ref=ref,
        status=STATES[report.told],
        at=at,
        reference=str(reference) if reference else None,
        code="complaint" if report.told == "complaint" else report.status,
        reason=report.reason or None,
    )


def answered(reference: UUID, *, domain: str, at: datetime) -> StatusReceived:
    """An answer proves that the mail which it answers has arrived."""
    return StatusReceived(
        channel=EMAIL,
        provider_ref=message_id(reference, domain),
        status="delivered",
        at=at,
        reference=str(reference),
    )


def progressed(told: Progress, *, domain: str) -> StatusReceived | None:
    """A provider's event about a mail of ours; None where it does not say of which."""
    ref = told.mail or (message_id(told.reference, domain) if told.reference else None)
    if ref is None:
        return None
    return StatusReceived(
        channel=EMAIL,
        provider_ref=ref,
        status=told.state,
        at=told.at,
        reference=str(told.reference) if told.reference else None,
        code=told.code,
        reason=without_addresses(told.reason) if told.reason else None,
    )


def no_more(told: NoMore, *, digest: str) -> Unsubscribed:
    """Somebody wants no more mail."""
    return Unsubscribed(
        channel=EMAIL,
        digest=digest,
        how=told.how,
        sender=told.address,
        reference=str(told.reference) if told.reference else None,
    )
