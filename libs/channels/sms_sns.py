"""AWS SNS, Publish to a phone number: no idempotency, no status by webhook, and a MessageId even when nothing will be sent.

Source: botocore's model of SNS 2010-03-31 and the developer guide. Delivery logs go to CloudWatch only, up to 72 hours late,
and over the monthly spend limit Publish still answers with a MessageId: whoever needs to know uses sms_pinpoint instead.
"""

from typing import Any

from libs.channels.outcome import Outcome, Refused
from libs.channels.sms import Message
from libs.channels.sms_aws import Failure, common, refused

LONGEST_BODY = 1600
"""Bytes of UTF-8."""


def write(message: Message, *, sender: str | None, max_price: str | None) -> dict[str, Any] | Refused:
    """The arguments of `publish`. Nothing of it carries our id back, so `reference` stays here."""
    size = len(message.text.encode())
    if size > LONGEST_BODY:
        return Refused("too_long", f"SNS takes {LONGEST_BODY} bytes, it has {size}", "message")
    registered = message.registered
    attributes = {
        "AWS.SNS.SMS.SMSType": _text("Promotional" if registered and registered.promotional else "Transactional")
    }
    if sender is not None:
        number = sender.startswith("+")
        attributes["AWS.MM.SMS.OriginationNumber" if number else "AWS.SNS.SMS.SenderID"] = _text(sender)
    if max_price is not None:
        attributes["AWS.SNS.SMS.MaxPrice"] = {"DataType": "Number", "StringValue": max_price}
    if registered is not None:
        attributes["AWS.MM.SMS.EntityId"] = _text(registered.entity_id)
        attributes["AWS.MM.SMS.TemplateId"] = _text(registered.template_id)
    return {"PhoneNumber": message.to, "Message": message.text, "MessageAttributes": attributes}


def classify(failure: Failure) -> Outcome:
    """What an error of Publish means."""
    if (known := common(failure)) is not None:
        return known
    match failure.code:
        case "NotFound" | "EndpointDisabled" | "KMSDisabled" | "KMSAccessDenied":
            return refused(failure, "SNS is not set up for this", "account")
        case "OptedOut":
            return refused(failure, "the contact has opted out: suppress the number", "contact", opted_out=True)
        case _ if "PhoneNumber" in failure.message:
            return refused(failure, "the number is not valid", "contact")
        case _:
            return refused(failure, "SNS refuses the message", "message")


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
