"""An emulator of AWS SNS as far as SMS goes: Publish to a phone number by the query protocol, and delivery logs."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from services.sandbox.sms_network import Fate, Message, Network, Saying, SmsFault
from services.sandbox.sns_topic import Topic

NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_STATUS = {"InternalError": 500, "InternalFailure": 500, "ServiceUnavailable": 503, "NotFound": 404}
_STATUS |= {
    "AuthorizationError": 403,
    "InvalidSecurity": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
}
_SCOPE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/[a-z0-9-]+/([a-z0-9-]+)/aws4_request, ?SignedHeaders=\S+, ?Signature=[0-9a-f]{64}\Z"
)
_PHONE = re.compile(r"\+[1-9]\d{6,14}\Z")
_RESPONSES: Mapping[Fate | None, str] = {
    None: "Message has been accepted by phone carrier",
    "dlt": "Phone carrier has blocked this message",
    "dnd": "Blocked as spam by phone carrier",
    "opted_out": "Phone number is opted out",
    "unreachable": "Phone is currently unreachable/unavailable",
    "over_budget": "No quota left for account",
}


_ATTRIBUTES = (
    f'<GetSMSAttributesResponse xmlns="{NAMESPACE}"><GetSMSAttributesResult><attributes><entry><key>DefaultSMSType</key>'
    "<value>Transactional</value></entry></attributes></GetSMSAttributesResult><ResponseMetadata><RequestId>sandbox"
    "</RequestId></ResponseMetadata></GetSMSAttributesResponse>"
)


class AwsError(Exception):
    """A refusal in AWS's shape; `code` is what a client branches on, `reason` what only some services add."""

    def __init__(self, code: str, message: str, *, reason: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.status = status or _STATUS.get(code, 400)


class Sns:
    """One account's SNS, without topics but that of the two-way messages."""

    def __init__(self, network: Network, topic: Topic) -> None:
        self._network = network
        self.topic = topic
        self.logs: list[dict[str, Any]] = []
        network.voices["sns"] = self

    def take(self, form: Mapping[str, str], authorization: str) -> tuple[str, SmsFault]:
        """The XML that answers a call, and how it is to reach the caller; raises `AwsError`."""
        network = self._network
        network.requests += 1
        signed_by(authorization, "sns", network.settings.access_key_id, "InvalidClientTokenId")
        if form.get("Action") == "GetSMSAttributes":
            return _ATTRIBUTES, SmsFault()
        if form.get("Action") != "Publish" or form.get("Version") != "2010-03-31":
            raise AwsError("InvalidAction", f"The action {form.get('Action')} is not valid for this web service")
        to, text = form.get("PhoneNumber", ""), form.get("Message", "")
        if not _PHONE.match(to):
            raise AwsError(
                "InvalidParameter", f"Invalid parameter: PhoneNumber Reason: {to} is not valid to publish to"
            )
        if not text or len(text.encode()) > 1600:
            raise AwsError("InvalidParameter", "Invalid parameter: Message")
        fault = network.fault("sns", to)
        if fault.refuse is not None:
            raise AwsError(fault.refuse, "said by the sandbox")
        id = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(6)}"
        if fault.answer != "whole" and not fault.commits:
            return "", fault
        attributes = _attributes(form)
        message = network.commit(
            "sns",
            id=id,
            to=to,
            sender=attributes.get("AWS.SNS.SMS.SenderID") or attributes.get("AWS.MM.SMS.OriginationNumber") or "NOTICE",
            text=text,
            reference=None,
            entity_id=attributes.get("AWS.MM.SMS.EntityId"),
            template_id=attributes.get("AWS.MM.SMS.TemplateId"),
            promotional=attributes.get("AWS.SNS.SMS.SMSType") == "Promotional",
        )
        network.background.start(network.carry(message, fault, ["logged"], self._log))
        return _published(id), fault

    async def hear(self, saying: Saying, id: str, quoted: Message | None, at: datetime) -> None:
        """Two-way messages come over the topic, whichever of the two services has sent."""
        await self._network.voices["pinpoint"].hear(saying, id, quoted, at)

    async def _log(self, message: Message, state: str, fault: SmsFault) -> None:
        """CloudWatch's line: nothing calls back."""
        failed = message.fate is not None or fault.ends is not None
        self.logs.append(
            {
                "notification": {
                    "messageId": message.id,
                    "timestamp": message.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
                },
                "delivery": {
                    "destination": message.to,
                    "smsType": "Promotional" if message.promotional else "Transactional",
                    "numberOfMessageParts": message.segments,
                    "providerResponse": fault.ends or _RESPONSES[message.fate],
                },
                "status": "FAILURE" if failed else "SUCCESS",
            }
        )


def signed_by(authorization: str, service: str, known: str | None, otherwise: str) -> None:
    """Look whether a call is signed for this service (SigV4), by the known key where there is one; raises `AwsError`."""
    scope = _SCOPE.match(authorization)
    if scope is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
    if scope[2] != service:
        message = f"Credential should be scoped to correct service: '{service}'"
        raise AwsError("SignatureDoesNotMatch", message, status=403)
    if known not in (None, scope[1]):
        raise AwsError(otherwise, "The security token included in the request is invalid", status=403)


def error_xml(error: AwsError) -> str:
    """SNS's error document."""
    kind = "Sender" if error.status < 500 else "Receiver"
    inner = f"<Type>{kind}</Type><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    return f'<ErrorResponse xmlns="{NAMESPACE}"><Error>{inner}</Error><RequestId>{secrets.token_hex(16)}</RequestId></ErrorResponse>'


def confirmed_xml(arn: str) -> str:
    """What the SubscribeURL answers."""
    result = (
        f"<ConfirmSubscriptionResult><SubscriptionArn>{escape(arn)}:1</SubscriptionArn></ConfirmSubscriptionResult>"
    )
    return f'<ConfirmSubscriptionResponse xmlns="{NAMESPACE}">{result}</ConfirmSubscriptionResponse>'


def _published(id: str) -> str:
    meta = f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata>"
    result = f"<PublishResult><MessageId>{id}</MessageId></PublishResult>"
    return f'<PublishResponse xmlns="{NAMESPACE}">{result}{meta}</PublishResponse>'


def _attributes(form: Mapping[str, str]) -> dict[str, str]:
    """`MessageAttributes.entry.N.{Name, Value.StringValue}` as a mapping."""
    read: dict[str, str] = {}
    for name, value in form.items():
        if place := re.fullmatch(r"MessageAttributes\.entry\.(\d+)\.Name", name):
            read[value] = form.get(f"MessageAttributes.entry.{place[1]}.Value.StringValue", "")
    return read
