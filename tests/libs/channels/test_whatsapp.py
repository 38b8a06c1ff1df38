"""The webhook's door, the service window, addresses, and what is said to Meta."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.channels.outcome import Refused
from libs.channels.whatsapp import (
    File,
    QuickReply,
    Request,
    TemplateMessage,
    TextMessage,
    UrlSuffix,
    e164,
    handshake,
    mark_read,
    verify,
    wa_id,
    window_open,
    write,
)

SECRET = "app-secret"
BODY = b'{"text": "\\u0939\\u093e\\u0901"}'
NOON = datetime(2026, 2, 16, 12, 0, tzinfo=UTC)
ASKED = {"hub.mode": "subscribe", "hub.verify_token": "T", "hub.challenge": "1158201444"}
HEAD = {"messaging_product": "whatsapp", "recipient_type": "individual"}


def signed(body: bytes, secret: str = SECRET) -> str:
    """The header that Meta would send."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def body_of(request: Request | Refused) -> dict[str, Any]:
    """The JSON of a call that was written."""
    assert isinstance(request, Request)
    return dict(request.body)


def test_a_signature_over_the_same_bytes_is_accepted():
    assert verify(BODY, signed(BODY), SECRET)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        signed(BODY, "other"),
        signed(b"other"),
        signed(BODY)[7:],
        "sha1=aa",
        "sha256=ü",
        signed(BODY) + "0",
    ],
)
def test_any_other_signature_is_refused(signature: str | None):
    assert not verify(BODY, signature, SECRET)


def test_nothing_is_accepted_without_a_secret():
    assert not verify(BODY, signed(BODY, ""), "")


def test_the_challenge_is_answered_verbatim():
    assert handshake(ASKED, "T") == "1158201444"


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({"hub.verify_token": "wrong"}, "T"),
        ({"hub.verify_token": ""}, ""),
        ({"hub.mode": "unsubscribe"}, "T"),
        ({"hub.challenge": ""}, "T"),
        ({"hub.verify_token": "täuschung"}, "T"),
    ],
)
def test_a_stranger_gets_no_challenge(changed: dict[str, str], token: str):
    refused = handshake({**ASKED, **changed}, token)
    assert isinstance(refused, Refused)
    assert refused.code == 403


def test_the_window_is_open_for_a_day_after_the_contact_wrote():
    assert window_open(NOON, NOON)
    assert window_open(NOON, NOON + timedelta(hours=24) - timedelta(microseconds=1))
    assert not window_open(NOON, NOON + timedelta(hours=24))
    assert not window_open(None, NOON)


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("+919876543210", "+919876543210"),
        ("919876543210", "+919876543210"),
        ("9876543210", "+919876543210"),
        ("09876543210", "+919876543210"),
        ("+91 98765 43210", "+919876543210"),
        ("+91-98765-43210", "+919876543210"),
        ("+447911123456", "+447911123456"),
        ("447911123456", "+447911123456"),
        ("+6591234567", "+6591234567"),
        ("+910000000001", "+910000000001"),
        ("+91 55555-00001", "+915555500001"),
        ("910000000001", None),
        ("priya", None),
        ("", None),
        ("+9112", None),
        ("12345", None),
    ],
)
def test_phones_in_any_usual_notation_become_e164(address: str, number: str | None):
    assert e164(address) == number
    assert wa_id(address) == (number[1:] if number else None)


def test_a_text_is_written_with_its_reference_and_what_it_answers():
    request = write(
        TextMessage("Namaste Priya ji ₹52,400"),
        to="+919876543210",
        account="1065",
        reference="msg_01",
        reply_to="wamid.said",
    )
    assert request == Request(
        "/v26.0/1065/messages",
        {
            **HEAD,
            "to": "919876543210",
            "type": "text",
            "text": {"preview_url": False, "body": "Namaste Priya ji ₹52,400"},
            "context": {"message_id": "wamid.said"},
            "biz_opaque_callback_data": "msg_01",
        },
    )


def test_a_person_without_a_phone_is_addressed_by_the_user_id():
    body = body_of(write(TextMessage("Hello"), to="IN.13491208655302741918", account="1065"))
    assert body["recipient"] == "IN.13491208655302741918"
    assert "to" not in body


def test_a_template_with_named_parameters_is_written():
    template = TemplateMessage("payment_reminder_v3", "en", {"name": "Priya", "amount": "₹52,400"})
    assert body_of(write(template, to="919876543210", account="1065", version="v25.0")) == {
        **HEAD,
        "to": "919876543210",
        "type": "template",
        "template": {
            "name": "payment_reminder_v3",
            "language": {"code": "en"},
            "components": [
                {
                    "type": "body",
                    "parameters": [
                        {"type": "text", "parameter_name": "name", "text": "Priya"},
                        {"type": "text", "parameter_name": "amount", "text": "₹52,400"},
                    ],
                }
            ],
        },
    }


def test_a_template_with_positions_header_and_buttons_is_written():
    template = TemplateMessage(
        "invoice",
        "hi",
        ("Priya",),
        header=File("document", id="1003", filename="INV.pdf"),
        buttons=(QuickReply(0, "PAY_LATER:INV-1042"), UrlSuffix(1, "INV-1042")),
    )
    assert body_of(write(template, to="919876543210", account="1065"))["template"]["components"] == [
        {"type": "header", "parameters": [{"type": "document", "document": {"id": "1003", "filename": "INV.pdf"}}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Priya"}]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "PAY_LATER:INV-1042"}],
        },
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "INV-1042"}]},
    ]


def test_a_template_without_parameters_has_no_components():
    template = body_of(write(TemplateMessage("hello", "en"), to="919876543210", account="1065"))["template"]
    assert template == {"name": "hello", "language": {"code": "en"}}


def test_a_parameter_is_kept_on_one_line_as_meta_demands():
    template = TemplateMessage("hello", "en", ("Priya\n\tSharma     ji",), header="Dear\ncustomer")
    header, body = body_of(write(template, to="919876543210", account="1065"))["template"]["components"]
    assert header["parameters"] == [{"type": "text", "text": "Dear customer"}]
    assert body["parameters"] == [{"type": "text", "text": "Priya Sharma ji"}]


@pytest.mark.parametrize(
    ("message", "to", "reference", "scope"),
    [
        (TextMessage(" \n"), "+919876543210", "m", "message"),
        (TextMessage("x" * 4097), "+919876543210", "m", "message"),
        (TextMessage("hello"), "nobody", "m", "contact"),
        (TextMessage("hello"), "+919876543210", "m" * 513, "message"),
        (TextMessage("hello"), "+919876543210", "", "message"),
        (TemplateMessage("hello", "en", {"name": " "}), "+919876543210", "m", "message"),
    ],
)
def test_what_meta_would_refuse_for_certain_is_not_sent(
    message: TextMessage | TemplateMessage, to: str, reference: str, scope: str
):
    refused = write(message, to=to, account="1065", reference=reference)
    assert isinstance(refused, Refused)
    assert refused.scope == scope


def test_the_longest_text_is_sent():
    assert isinstance(write(TextMessage("x" * 4096), to="+919876543210", account="1065"), Request)


def test_a_message_is_marked_as_read_and_answered_with_typing():
    assert mark_read("wamid.said", account="1065") == Request(
        "/v26.0/1065/messages", {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.said"}
    )
    assert mark_read("wamid.said", account="1065", typing=True).body["typing_indicator"] == {"type": "text"}
