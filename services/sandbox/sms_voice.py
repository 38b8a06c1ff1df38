"""An emulator of AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): JSON 1.0 in, events and two-way messages over SNS out."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from services.sandbox.sms_network import INDIA, Fate, Message, Network, Saying, SmsFault
from services.sandbox.sns import AwsError, signed_by
from services.sandbox.sns_topic import Topic

DESCRIBE = "PinpointSMSVoiceV2.DescribeAccountAttributes"
TARGET = "PinpointSMSVoiceV2.SendTextMessage"
FATES: Mapping[Fate, str] = {
    "dlt": "TEXT_CARRIER_BLOCKED",
    "dnd": "TEXT_BLOCKED",
    "opted_out": "TEXT_BLOCKED",
    "unreachable": "TEXT_UNREACHABLE",
    "over_budget": "TEXT_CARRIER_BLOCKED",
}
_FINAL = frozenset({"TEXT_QUEUED", "TEXT_PENDING", "TEXT_SENT"})
_FIELD = re.compile(r"\$\.(\w+)")


class _Send(msgspec.Struct):
    DestinationPhoneNumber: Annotated[str, msgspec.Meta(pattern=r"^\+?[1-9][0-9]{1,18}$")]
    MessageBody: Annotated[str, msgspec.Meta(min_length=1, max_length=1600)]
    OriginationIdentity: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_:/+-]+$")] | None = None
    MessageType: Literal["TRANSACTIONAL", "PROMOTIONAL"] = "TRANSACTIONAL"
    ConfigurationSetName: str | None = None
    MaxPrice: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,2}\.[0-9]{1,5}$")] | None = None
    TimeToLive: Annotated[int, msgspec.Meta(ge=5, le=259200)] | None = None
    Context: Annotated[dict[str, str], msgspec.Meta(max_length=5)] = {}
    DestinationCountryParameters: Annotated[dict[str, str], msgspec.Meta(max_length=10)] = {}


class SmsVoice:
    """One account. Events come for messages that name a configuration set, over the topic."""

    def __init__(self, network: Network, topic: Topic) -> None:
        self._network = network
        self._topic = topic
        self._contexts: dict[str, _Send] = {}
        network.voices["pinpoint"] = self

    async def take(self, target: str, authorization: str, raw: bytes) -> tuple[dict[str, Any], SmsFault]:
        """The answer to a call, and how it is to reach the caller; raises `AwsError`."""
        network = self._network
        network.requests += 1
        signed_by(authorization, "sms-voice", network.settings.access_key_id, "UnrecognizedClientException")
        if target == DESCRIBE:
            return {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": "PRODUCTION"}]}, SmsFault()
        if target != TARGET:
            raise AwsError("UnknownOperationException", f"no such operation here: {target}")
        wanted = _wanted(raw)
        to = "+" + wanted.DestinationPhoneNumber.removeprefix("+")
        fault = network.fault("pinpoint", to)
        if fault.refuse is not None:
            code, _, reason = fault.refuse.partition(":")
            raise AwsError(code, "said by the sandbox", reason=reason or None, status=_status(code))
        self._allow(to, wanted)
        if fault.answer != "whole" and not fault.commits:
            return {}, fault
        message = network.commit(
            "pinpoint",
            id=f"{secrets.token_hex(4)}-60c0-4430-9b2b-{secrets.token_hex(6)}",
            to=to,
            sender=wanted.OriginationIdentity or network.settings.number,
            text=wanted.MessageBody,
            reference=wanted.Context.get("msg"),
            entity_id=wanted.DestinationCountryParameters.get("IN_ENTITY_ID"),
            template_id=wanted.DestinationCountryParameters.get("IN_TEMPLATE_ID"),
            promotional=wanted.MessageType == "PROMOTIONAL",
        )
        self._contexts[message.id] = wanted
        end = fault.ends or (FATES[message.fate] if message.fate else "TEXT_DELIVERED")
        way = ["TEXT_SENT", end]
        if fault.before_answer:
            message.states.append(way[0])
            await self._tell(message, way[0], fault)
        network.background.start(network.carry(message, fault, way, self._tell))
        return {"MessageId": message.id}, fault

    async def hear(self, saying: Saying, id: str, quoted: Message | None, at: datetime) -> None:
        """A contact's words, as the topic tells them."""
        said = {
            "originationNumber": saying.sender,
            "destinationNumber": saying.to or self._network.settings.number,
            "messageKeyword": "KEYWORD_1",
            "messageBody": saying.text,
            "inboundMessageId": id,
        }
        if quoted is not None:
            said["previousPublishedMessageId"] = quoted.id
        await self._post(said, at, saying.copies)

    async def _tell(self, message: Message, event: str, fault: SmsFault) -> None:
        wanted = self._contexts[message.id]
        if wanted.ConfigurationSetName is None:
            return
        at = self._network.now()
        opted_out = message.fate == "opted_out"
        told = {
            "eventType": event,
            "eventVersion": "1.0",
            "eventTimestamp": int(at.timestamp() * 1000),
            "isFinal": event not in _FINAL,
            "originationPhoneNumber": message.sender,
            "destinationPhoneNumber": message.to,
            "isoCountryCode": "IN" if message.to.startswith(INDIA) else "XX",
            "messageId": message.id,
            "messageRequestTimestamp": int(message.at.timestamp() * 1000),
            "messageEncoding": "GSM" if message.encoding == "gsm7" else "Unicode",
            "messageType": wanted.MessageType,
            "messageStatus": event.removeprefix("TEXT_"),
            "messageStatusDescription": "Phone number is opted out" if opted_out else "said by the sandbox",
            "context": wanted.Context,
            "totalMessageParts": message.segments,
            "totalMessagePrice": round(0.00278 * message.segments, 5),
            "totalCarrierFee": 0.0,
        }
        await self._post(told, at, fault.copies)

    async def _post(self, message: dict[str, Any], at: datetime, copies: int) -> None:
        url = self._network.callback_url
        if url is not None:
            await self._network.webhooks.make(self._topic.notification(url, message, at), at, copies=copies)

    def _allow(self, to: str, wanted: _Send) -> None:
        network = self._network
        if to in network.opted_out:
            reason = "DESTINATION_PHONE_NUMBER_OPTED_OUT"
            raise AwsError("ConflictException", "The destination phone number is opted out", reason=reason)
        if to.startswith(INDIA) and wanted.OriginationIdentity is None:
            reason = "NO_ORIGINATION_IDENTITIES_FOUND"
            raise AwsError("ConflictException", "No origination identities for the country", reason=reason)
        if network.over_budget:
            reason = "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"
            raise AwsError("ServiceQuotaExceededException", "The monthly spend limit is reached", reason=reason)


def error_json(error: AwsError) -> dict[str, Any]:
    """The service's error document."""
    body: dict[str, Any] = {"__type": error.code, "Message": error.message}
    if error.reason is not None:
        body["Reason"] = error.reason
    if error.code == "ValidationException" and (field := _FIELD.search(error.message)):
        body["Fields"] = [{"Name": field[1], "Message": error.message}]
    return body


def _wanted(raw: bytes) -> _Send:
    try:
        return msgspec.json.decode(raw, type=_Send)
    except msgspec.ValidationError as error:
        raise AwsError("ValidationException", str(error), reason="FIELD_VALIDATION_FAILED") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AwsError("SerializationException", "the body is not JSON") from error


def _status(code: str) -> int | None:
    return {"InternalServerException": 500}.get(code)
