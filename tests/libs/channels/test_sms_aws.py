"""What AWS takes and answers, and what its events tell: SNS and End User Messaging."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.values import Cost
from libs.channels import sms_aws, sms_pinpoint, sms_sns
from libs.channels.outcome import Refused, Retry, Scope, Unknown
from libs.channels.sms import Message, Registered
from libs.channels.sms_aws import Failure
from libs.channels.sms_items import Inbound, Malformed, Status

NOON = datetime(2026, 2, 16, 6, 30, tzinfo=UTC)
REGISTERED = Registered(entity_id="1101456324585245458", template_id="1107165432198765432", filled="Dear", variables={})
MESSAGE = Message(to="+919876512345", text="Dear", reference="m-1", registered=REGISTERED)
FREE = Message(to="+447700900123", text="hello", reference="m-1")
EVENT = {
    "eventType": "TEXT_DELIVERED", "eventVersion": "1.0", "eventTimestamp": 1771223400000, "isFinal": True, "originationPhoneNumber": "ACMECO",
    "destinationPhoneNumber": "+919876512345", "isoCountryCode": "IN", "messageId": "862a8790", "messageStatus": "DELIVERED",
    "messageStatusDescription": "Message has been accepted by phone", "context": {"tenant": "t1", "msg": "m-1"},
    "totalMessageParts": 1, "totalMessagePrice": 0.00278, "totalCarrierFee": 0.0,
}  # fmt: skip


def sns(code: str, status: int = 400, message: str = "no") -> Any:
    return sms_sns.classify(Failure(status=status, code=code, message=message))


def pinpoint(code: str, reason: str | None = None, status: int = 400, fields: tuple[str, ...] = ()) -> Any:
    return sms_pinpoint.classify(Failure(status=status, code=code, reason=reason, fields=fields, message="no"))


def send(message: Message, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "sender": "ACMECO",
        "tenant": "t1",
        "configuration_set": "followup",
        "max_price": "0.02",
        "ttl_seconds": 3600,
    }
    return sms_pinpoint.write(message, **(given | changes))


def test_sns_is_given_the_dlt_ids_as_attributes():
    arguments = sms_sns.write(MESSAGE, sender="ACMECO", max_price="0.02")
    assert not isinstance(arguments, Refused)
    attributes = {name: value["StringValue"] for name, value in arguments.pop("MessageAttributes").items()}
    assert arguments == {"PhoneNumber": "+919876512345", "Message": "Dear"}
    assert attributes == {
        "AWS.SNS.SMS.SenderID": "ACMECO",
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.MaxPrice": "0.02",
        "AWS.MM.SMS.EntityId": "1101456324585245458",
        "AWS.MM.SMS.TemplateId": "1107165432198765432",
    }


def test_a_number_of_ours_is_an_origination_number():
    arguments = sms_sns.write(FREE, sender="+14255550101", max_price=None)
    assert not isinstance(arguments, Refused)
    assert set(arguments["MessageAttributes"]) == {"AWS.SNS.SMS.SMSType", "AWS.MM.SMS.OriginationNumber"}


def test_end_user_messaging_carries_our_id_and_the_dlt_ids():
    assert send(MESSAGE) == {
        "DestinationPhoneNumber": "+919876512345",
        "OriginationIdentity": "ACMECO",
        "MessageBody": "Dear",
        "MessageType": "TRANSACTIONAL",
        "ConfigurationSetName": "followup",
        "TimeToLive": 3600,
        "MaxPrice": "0.02",
        "Context": {"tenant": "t1", "msg": "m-1"},
        "DestinationCountryParameters": {
            "IN_ENTITY_ID": "1101456324585245458",
            "IN_TEMPLATE_ID": "1107165432198765432",
        },
    }
    bare = send(FREE, sender=None, configuration_set=None, max_price=None, ttl_seconds=None)
    assert set(bare) == {"DestinationPhoneNumber", "MessageBody", "MessageType", "Context"}


def test_what_is_too_long_is_never_sent():
    long = Message(to="+447700900123", text="ह" * 1601, reference="m-1")
    assert isinstance(send(long), Refused)
    assert isinstance(
        sms_sns.write(Message(to="+44", text="ह" * 534, reference="m"), sender=None, max_price=None), Refused
    )


@pytest.mark.parametrize("classify", [sns, pinpoint])
def test_throttling_and_aws_own_faults_are_retried(classify: Any):
    for code, status in [("Throttling", 400), ("ThrottlingException", 400), ("Whatever", 429), ("InternalError", 500),
                         ("InternalServerException", 500), ("ServiceUnavailable", 503)]:  # fmt: skip
        assert isinstance(classify(code, status=status), Retry), code


@pytest.mark.parametrize("classify", [sns, pinpoint])
def test_what_no_error_document_of_aws_says_is_unknown(classify: Any):
    for status in (500, 502, 504):
        assert isinstance(classify(str(status), status=status), Unknown)


@pytest.mark.parametrize(
    ("code", "message", "scope"),
    [("InvalidParameter", "Invalid parameter: PhoneNumber", "contact"), ("InvalidParameter", "Invalid parameter: Message", "message"),
     ("ParameterValueInvalid", "no", "message"), ("AuthorizationError", "no", "account"), ("InvalidSecurity", "no", "account"),
     ("InvalidClientTokenId", "no", "account"), ("NotFound", "no", "account"), ("OptedOut", "no", "contact")],
)  # fmt: skip
def test_sns_refusals_say_whom_they_are_about(code: str, message: str, scope: Scope):
    outcome = sns(code, message=message)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.scope, outcome.opted_out) == (code, scope, code == "OptedOut")


@pytest.mark.parametrize(
    ("code", "reason", "scope"),
    [("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", "contact"), ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", "account"),
     ("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "contact"),
     ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", "account"), ("AccessDeniedException", "ACCOUNT_DISABLED", "account"),
     ("ResourceNotFoundException", None, "account"), ("ValidationException", "FIELD_VALIDATION_FAILED", "message"),
     ("ValidationException", "SENDER_ID_NOT_REGISTERED", "account"), ("ValidationException", "COUNTRY_NOT_ENABLED", "contact")],
)  # fmt: skip
def test_end_user_messaging_refusals_say_whom_they_are_about(code: str, reason: str | None, scope: Scope):
    outcome = pinpoint(code, reason)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.scope) == (reason or code, scope)
    assert outcome.opted_out == (reason == "DESTINATION_PHONE_NUMBER_OPTED_OUT")


def test_a_number_that_is_none_is_the_contacts():
    outcome = pinpoint("ValidationException", "FIELD_VALIDATION_FAILED", fields=("DestinationPhoneNumber",))
    assert isinstance(outcome, Refused)
    assert outcome.scope == "contact"


def test_a_refusal_tells_no_phone_number():
    outcome = sns("InvalidParameter", message="Invalid parameter: PhoneNumber Reason: +919876512345 is not valid")
    assert isinstance(outcome, Refused)
    assert "9876" not in outcome.reason


def test_what_broke_after_the_first_byte_is_unknown():
    assert isinstance(sms_aws.broken("not_connected"), Retry)
    assert isinstance(sms_aws.broken("no_answer"), Unknown)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("TEXT_QUEUED", "accepted"), ("TEXT_PENDING", "accepted"), ("TEXT_SENT", "sent"), ("TEXT_SUCCESSFUL", "sent"), ("TEXT_DELIVERED", "delivered"),
     ("TEXT_INVALID", "failed"), ("TEXT_INVALID_MESSAGE", "failed"), ("TEXT_UNREACHABLE", "failed"), ("TEXT_CARRIER_UNREACHABLE", "failed"),
     ("TEXT_BLOCKED", "failed"), ("TEXT_CARRIER_BLOCKED", "failed"), ("TEXT_SPAM", "failed"), ("TEXT_TTL_EXPIRED", "failed"),
     ("TEXT_PROTECT_BLOCKED", "failed"), ("TEXT_UNKNOWN", "accepted")],
)  # fmt: skip
def test_an_event_of_the_provider_is_a_state_of_the_message(kind: str, state: str):
    read = sms_pinpoint.read(json.dumps(EVENT | {"eventType": kind}), NOON)
    assert isinstance(read, Status)
    assert (read.id, read.state, read.reference, read.at) == ("862a8790", state, "m-1", NOON)
    assert (read.refused is not None) == (state == "failed")


def test_an_event_tells_what_it_cost():
    read = sms_pinpoint.read(json.dumps(EVENT | {"totalCarrierFee": 0.0005}), NOON)
    assert isinstance(read, Status)
    assert read.cost == Cost(currency="USD", micros=3280)
    free = sms_pinpoint.read(json.dumps(EVENT | {"totalMessagePrice": 0}), NOON)
    assert isinstance(free, Status)
    assert free.cost is None


def test_an_event_of_somebody_who_opted_out_says_so():
    event = EVENT | {"eventType": "TEXT_BLOCKED", "messageStatusDescription": "Phone number is opted out"}
    read = sms_pinpoint.read(json.dumps(event), NOON)
    assert isinstance(read, Status)
    assert read.refused is not None
    assert (read.refused.scope, read.refused.opted_out) == ("contact", True)


def test_a_contacts_words_name_what_they_answer():
    said = {"originationNumber": "+919876512345", "destinationNumber": "+14255550101", "messageKeyword": "KEYWORD_1", "messageBody": "STOP",
            "inboundMessageId": "cae173d2", "previousPublishedMessageId": "862a8790"}  # fmt: skip
    assert sms_pinpoint.read(json.dumps(said), NOON) == Inbound(
        "cae173d2", "+14255550101", "+919876512345", "STOP", NOON, "862a8790"
    )


def test_what_concerns_no_text_message_tells_nothing():
    assert sms_pinpoint.read(json.dumps(EVENT | {"eventType": "VOICE_COMPLETED"}), NOON) is None


@pytest.mark.parametrize(
    "message", ["", "null", "[]", "{}", "{", '"x"', "[" * 5000, '{"eventType": 7}', json.dumps(EVENT | {"eventTimestamp": 10**30}),
                json.dumps(EVENT | {"eventTimestamp": 10**17}), '{"inboundMessageId": "1"}']
)  # fmt: skip
def test_another_shape_is_malformed(message: str):
    with pytest.raises(Malformed):
        sms_pinpoint.read(message, NOON)


@given(
    st.text(max_size=100)
    | st.dictionaries(
        st.sampled_from([*EVENT, "inboundMessageId"]), st.none() | st.integers() | st.text(max_size=9)
    ).map(json.dumps)
)
def test_any_text_is_read_or_malformed(message: str):
    with suppress(Malformed):
        assert isinstance(sms_pinpoint.read(message, NOON), Inbound | Status | None)
