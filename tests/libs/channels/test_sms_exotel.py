"""What Exotel's answers and callbacks mean, in whatever form they come."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.channels import sms_exotel as exotel
from libs.channels.outcome import Accepted, Refused, Retry, Scope, Unknown
from libs.channels.sms import Message, Registered
from libs.channels.sms_items import Malformed

NOON = datetime(2026, 2, 16, 6, 30, tzinfo=UTC)
TEXT = "Dear Priya, invoice INV-2026-0042 is due. Acme"
REGISTERED = Registered(entity_id="1101456324585245458", template_id="1107165432198765432", filled=TEXT, variables={})
MESSAGE = Message(to="+919876512345", text=TEXT, reference="m-1", registered=REGISTERED)
CALLBACK = "https://hooks.example.com/webhooks/sms/s3cret/status"


def taken(**changes: Any) -> bytes:
    """Exotel's answer to a send that it accepts."""
    sms = {"Sid": "79dee9d0", "AccountSid": "acme1", "From": "ACMECO", "To": "09876512345", "Status": "queued",
           "DetailedStatus": "PENDING_TO_OPERATOR", "DetailedStatusCode": 21010, "Price": None}  # fmt: skip
    return json.dumps({"SMSMessage": sms | changes}).encode()


def failure(status: int, code: Any = None) -> bytes:
    return json.dumps({"RestException": {"Status": status, "Message": "no", "Code": code}}).encode()


def status(**changes: Any) -> dict[str, str]:
    given = {"SmsSid": "79dee9d0", "To": "09876512345", "Status": "sent", "SmsUnits": "1", "DetailedStatus": "DELIVERED_TO_HANDSET",
             "DetailedStatusCode": "20005", "DateSent": "2026-02-16 12:00:00", "CustomField": "m-1"}  # fmt: skip
    return {name: value for name, value in (given | changes).items() if value is not None}


def test_a_send_carries_the_dlt_ids_and_our_own():
    call = exotel.write(MESSAGE, account_sid="acme1", sender="ACMECO", callback=CALLBACK)
    assert isinstance(call, exotel.Request)
    assert call.path == "/v1/Accounts/acme1/Sms/send.json"
    assert call.form == {
        "From": "ACMECO",
        "To": "+919876512345",
        "Body": TEXT,
        "DltEntityId": "1101456324585245458",
        "DltTemplateId": "1107165432198765432",
        "SmsType": "transactional",
        "EncodingType": "plain",
        "CustomField": "m-1",
        "StatusCallback": CALLBACK,
    }


def test_a_hindi_text_is_sent_as_unicode_and_marketing_as_promotional():
    known = Registered(entity_id="1", template_id="2", filled="नमस्ते", variables={}, promotional=True)
    message = Message(to="+919876512345", text="नमस्ते", reference="m-1", registered=known)
    call = exotel.write(message, account_sid="acme1", sender="ACMECO", callback=None)
    assert isinstance(call, exotel.Request)
    assert (call.form["EncodingType"], call.form["SmsType"]) == ("unicode", "promotional")
    assert "StatusCallback" not in call.form


def test_free_text_and_what_is_too_long_is_never_sent():
    free = Message(to="+447700900123", text="hello", reference="m-1")
    assert isinstance(exotel.write(free, account_sid="a", sender="A", callback=None), Refused)
    long = Message(to="+919876512345", text="x" * 2001, reference="m-1", registered=REGISTERED)
    assert isinstance(exotel.write(long, account_sid="a", sender="A", callback=None), Refused)


def test_a_success_names_the_message():
    assert exotel.classify(200, taken()) == Accepted("79dee9d0", "09876512345", "PENDING_TO_OPERATOR")
    assert exotel.classify(200, taken(Sid=79)) == Accepted("79", "09876512345", "PENDING_TO_OPERATOR")


def test_a_failure_may_come_in_a_success():
    outcome = exotel.classify(200, taken(Status="failed", DetailedStatusCode="23080", DetailedStatus="FAILED_DLT"))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.scope) == (23080, "account")


@pytest.mark.parametrize("body", [b"", b"<TwilioResponse/>", b"{}", b'{"SMSMessage": {}}', b"[" * 9999, b"\xff"])
def test_a_success_that_names_no_message_is_unknown(body: bytes):
    assert isinstance(exotel.classify(200, body), Unknown)


@pytest.mark.parametrize(("answer", "body"), [(429, failure(429, 40402)), (429, b""), (503, failure(503, "40405"))])
def test_throttling_is_retried(answer: int, body: bytes):
    assert exotel.classify(answer, body, retry_after=7.0) == Retry(
        f"{40402 if body == failure(429, 40402) else 40405 if answer == 503 else 429} too many requests", 7.0
    )


@pytest.mark.parametrize(
    ("answer", "code", "scope"),
    [(401, 34010, "account"), (403, 40001, "account"), (403, "40002", "account"), (402, None, "account"), (404, None, "account"),
     (302, None, "account"), (400, 40206, "message")],
)  # fmt: skip
def test_refusals_say_whom_they_are_about(answer: int, code: Any, scope: Scope):
    outcome = exotel.classify(answer, failure(answer, code))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.scope) == (int(code) if code else answer, scope)


def test_what_broke_before_the_first_byte_is_retried_and_after_it_unknown():
    assert isinstance(exotel.classify("not_connected"), Retry)
    assert isinstance(exotel.classify("no_answer"), Unknown)
    assert isinstance(exotel.classify(502, b"<html>"), Unknown)
    assert isinstance(exotel.classify(500, failure(500)), Unknown)


@pytest.mark.parametrize(
    ("said", "code", "state"),
    [("queued", "21010", "accepted"), ("sending", "21015", "accepted"), ("submitted", "21020", "sent"), ("sent", "20005", "delivered"),
     ("sent", "20006", "sent"), ("sent", None, "sent"), ("SENT", "20005", "delivered"), ("failed", "23035", "failed"),
     ("failed-dnd", "23005", "failed"), ("failed_dnd", None, "failed")],
)  # fmt: skip
def test_a_status_of_exotels_is_a_state_of_the_message(said: str, code: str | None, state: str):
    read = exotel.read_status(status(Status=said, DetailedStatusCode=code), NOON)
    assert read is not None
    assert (read.id, read.state, read.reference, read.recipient) == ("79dee9d0", state, "m-1", "+919876512345")
    assert read.at == NOON
    assert (read.refused is not None) == (state == "failed")


@pytest.mark.parametrize(
    ("code", "scope", "opted_out"),
    [(23020, "contact", True), (23005, "contact", False), (23010, "contact", False), (23040, "contact", False), (23035, "message", False),
     (23050, "message", False), (99999, "message", False), (23070, "account", False), (23080, "account", False), (23084, "account", False),
     (23181, "account", False), (23186, "account", False), (23281, "account", False)],
)  # fmt: skip
def test_the_detailed_code_says_what_a_failure_asks_of_us(code: int, scope: Scope, opted_out: bool):
    read = exotel.read_status(status(Status="failed", DetailedStatusCode=str(code)), NOON)
    assert read is not None
    assert read.refused is not None
    assert (read.refused.code, read.refused.scope, read.refused.opted_out) == (code, scope, opted_out)


def test_a_status_without_a_time_has_the_time_of_its_arrival():
    for sent in (None, "", "1970-01-01 05:30:00", "soon"):
        read = exotel.read_status(status(DateSent=sent), NOON)
        assert read is not None
        assert read.at == NOON


def test_a_status_that_nobody_knows_tells_nothing():
    assert exotel.read_status(status(Status="teleported"), NOON) is None


def test_what_a_contact_says_is_read():
    heard = exotel.read_inbound(
        {"SmsSid": "in-1", "From": "09876512345", "To": "08047491899", "Date": "2026-02-16 12:00:00", "Body": "Haan ji"}
    )
    assert heard is not None
    assert (heard.id, heard.account, heard.sender, heard.text) == ("in-1", "08047491899", "+919876512345", "Haan ji")
    assert heard.at == NOON
    assert exotel.read_inbound({"SmsSid": "in-1", "From": "VM-HDFCBK", "To": "1", "Body": "offer"}) is None


@pytest.mark.parametrize("missing", ["SmsSid", "From", "To", "Body"])
def test_a_message_without_its_fields_is_malformed(missing: str):
    whole = {"SmsSid": "in-1", "From": "09876512345", "To": "08047491899", "Body": "Haan ji"}
    with pytest.raises(Malformed):
        exotel.read_inbound({name: value for name, value in whole.items() if name != missing})


def test_form_and_json_are_the_same_fields():
    given = {"SmsSid": "1", "Status": "sent", "CustomField": "m-1", "DetailedStatus": ""}
    assert exotel.fields(urlencode(given).encode(), exotel.FORM) == given
    assert exotel.fields(json.dumps(given | {"Price": None, "SmsUnits": 1}).encode(), exotel.JSON) == given | {
        "SmsUnits": "1"
    }


@given(st.binary(max_size=200), st.sampled_from([exotel.FORM, exotel.JSON]))
def test_any_bytes_are_fields_or_malformed(raw: bytes, media_type: str):
    with suppress(Malformed):
        assert all(isinstance(value, str) for value in exotel.fields(raw, media_type).values())


@given(
    st.dictionaries(
        st.sampled_from(["SmsSid", "Status", "DetailedStatusCode", "DateSent", "To", "CustomField"]),
        st.text(max_size=30),
    )
)
def test_any_fields_are_a_status_or_malformed(given: dict[str, str]):
    try:
        read = exotel.read_status(given, NOON)
    except Malformed:
        assert not given.get("SmsSid", "").strip() or not given.get("Status", "").strip()
    else:
        assert read is None or read.at.tzinfo is not None


@given(st.integers(100, 599), st.binary(max_size=100))
def test_any_answer_means_something(answer: int, body: bytes):
    outcome = exotel.classify(answer, body)
    assert not isinstance(outcome, Accepted) or 200 <= answer < 300
    assert not isinstance(outcome, Retry) or answer == 429
