"""What mail servers and providers tell of our mails is read by its codes: a delay is no bounce, an open is nothing."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.channels import email_events
from libs.channels.email import (
    Envelope,
    Malformed,
    Upload,
    broken,
    classify,
    is_permanent,
    read_mailgun,
    read_mime,
    read_sendgrid,
)
from libs.channels.email_events import Ignored, NoMore, Progress
from libs.channels.email_outcome import Phase, enhanced
from libs.channels.email_report import Report
from libs.channels.email_verify import MailgunSignature, basic_password, verify_mailgun, verify_secret, verify_sendgrid
from libs.channels.outcome import Refused, Retry, Unknown, advance

MESSAGE = UUID("3f2b7c1e-5d64-5a0b-9c3e-1f0a2b3c4d5e")
OURS = f"{MESSAGE}@mail.acme.example"
AT = datetime(2026, 2, 16, 5, 0, tzinfo=UTC)


def status_report(action: str, status: str, *, original: str = f"Message-ID: <{OURS}>") -> bytes:
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nTo: b+x@bounce.acme.example\r\nSubject: Undelivered\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; ravi@example.com\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {status} <ravi@example.com> does not exist\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("failed", "bounced"),
        ("delayed", "delayed"),
        ("delivered", "delivered"),
        ("relayed", "relayed"),
        ("expanded", "relayed"),
    ],
)
def test_a_report_says_what_became_of_which_mail(action: str, told: str):
    report = read_mime(status_report(action, "5.1.1")).report
    assert report is not None
    assert (report.told, report.status, report.original) == (told, "5.1.1", OURS)
    assert report.reason == "550 5.1.1 <(address)> does not exist"


def test_an_action_that_nobody_knows_is_no_bounce():
    assert read_mime(status_report("exploded", "5.1.1")).report is None


def test_a_report_that_a_provider_took_apart_is_the_same_report():
    whole = read_mime(status_report("failed", "5.1.1")).report
    raw = status_report("failed", "5.1.1").decode()
    parts = raw.split("--b\r\n")
    status, original = (
        part.partition("\r\n\r\n")[2].rpartition("\r\n--b--")[0] or part.partition("\r\n\r\n")[2] for part in parts[2:]
    )
    fields: dict[str, bytes | Upload] = {
        "headers": parts[0].encode(),
        "text": b"sorry",
        "attachment1": Upload("", "message/delivery-status", status.encode()),
        "attachment2": Upload("", "text/rfc822-headers", original.encode()),
    }
    assert read_sendgrid(fields).report == whole
    headers = [line.split(": ", 1) for line in parts[0].strip().split("\r\n")]
    mailgun: dict[str, bytes | Upload] = {
        "message-headers": json.dumps(headers).encode(),
        "attachment-1": Upload("", "message/delivery-status", status.encode()),
        "attachment-2": Upload("", "text/rfc822-headers", original.encode()),
    }
    assert read_mailgun(mailgun).report == whole


def test_a_bounce_without_a_form_is_known_by_where_it_came_and_its_code():
    raw = b"From: MAILER-DAEMON@x.example\r\nTo: b+x@bounce.acme.example\r\nSubject: failure notice\r\n\r\n<ravi@example.com>:\r\n550 5.1.1 no such user\r\n"
    assert read_mime(raw).report == Report("bounced", "5.1.1", "550 5.1.1 no such user")
    slow = raw.replace(b"550 5.1.1", b"451 4.4.1")
    assert read_mime(slow).report == Report("delayed", "4.4.1", "451 4.4.1 no such user")


@pytest.mark.parametrize(
    "raw",
    [
        b"From: MAILER-DAEMON@x.example\r\nTo: asha@acme.example\r\n\r\n550 5.1.1 no such user",
        b"From: ravi@example.com\r\nTo: b+x@bounce.acme.example\r\n\r\nInvoice 550 5.1.1",
        b"From: MAILER-DAEMON@x.example\r\nTo: b+x@bounce.acme.example\r\n\r\nall is well",
    ],
)
def test_what_merely_looks_like_a_bounce_is_none(raw: bytes):
    assert read_mime(raw).report is None


@pytest.mark.parametrize("envelope", ["ravi@example.com", ""])
@pytest.mark.parametrize(
    ("head", "automatic"),
    [
        ("Auto-Submitted: auto-replied\r\nSubject: Out of office", "out_of_office"),
        ("Auto-Submitted: auto-replied (vacation)\r\nSubject: Re: Invoice", "auto_reply"),
        ("X-Autoreply: yes\r\nSubject: Re: Invoice", "auto_reply"),
        ("Subject: Automatic reply: Invoice", "out_of_office"),
    ],
)
@pytest.mark.parametrize("words", ["back on 5.3.26", "back on 5.12.26", "call 022 555 1234"])
def test_an_answer_of_a_machine_to_the_envelope_sender_is_no_bounce(
    envelope: str, head: str, automatic: str, words: str
):
    raw = f"From: ravi@example.com\r\nTo: b+x@bounce.acme.example\r\n{head}\r\n\r\n{words}"
    read = read_mime(raw.encode(), Envelope(envelope))
    assert (read.report, read.automatic) == (None, automatic)


def test_a_bounce_that_names_no_form_and_no_daemon_is_known_by_its_empty_envelope():
    raw = b"From: Mail Service <service@x.example>\r\nTo: b+x@bounce.acme.example\r\nSubject: Undeliverable\r\n\r\n#5.1.1 since 5.12.26"
    assert read_mime(raw, Envelope("")).report == Report("bounced", "5.1.1", "#5.1.1 since 5.12.26")
    delivered = raw.replace(b"#5.1.1", b"2.1.5 delivered")
    assert read_mime(delivered, Envelope("")).report is None


def test_a_complaint_says_who_wants_no_more():
    raw = (
        "From: fbl@x.example\r\nTo: b+x@b.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\n\r\nabuse\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nOriginal-Rcpt-To: <Ravi@example.com>\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{OURS}>\r\n\r\nhi\r\n--b--\r\n"
    ).encode()
    assert read_mime(raw).report == Report("complaint", None, "complaint: abuse", OURS)
    assert read_mime(raw.replace(b"Type: abuse", b"Type: not-spam")).report is None


def sendgrid(**event: Any) -> list[Any]:
    usual = {"email": "Ravi@example.com", "timestamp": int(AT.timestamp()), "sg_event_id": "e1", "smtp-id": f"<{OURS}>"}
    return email_events.read_sendgrid(json.dumps([usual | event]).encode())


@pytest.mark.parametrize(
    ("event", "state", "code"),
    [
        ({"event": "processed"}, "accepted", None),
        ({"event": "delivered"}, "delivered", None),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, "bounced", "5.1.1"),
        ({"event": "bounce", "type": "blocked", "status": "5.7.1"}, "failed", "5.7.1"),
        ({"event": "dropped", "reason": "Bounced Address"}, "bounced", "dropped"),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, "failed", "dropped"),
    ],
)
def test_events_of_sendgrid_say_how_far_a_mail_got(event: dict[str, Any], state: str, code: str | None):
    [told] = sendgrid(**event)
    assert isinstance(told, Progress)
    assert (told.id, told.state, told.code, told.mail, told.reference, told.at) == (
        "e1",
        state,
        code,
        OURS,
        MESSAGE,
        AT,
    )


@pytest.mark.parametrize("name", ["open", "click", "deferred", "group_resubscribe", "something_new"])
def test_opens_and_the_like_change_nothing(name: str):
    assert sendgrid(event=name) == [Ignored(name)]


def test_who_complains_or_unsubscribes_at_sendgrid_wants_no_more():
    complaint, failed = sendgrid(event="spamreport")
    assert complaint == NoMore("e1", "ravi@example.com", "complaint", MESSAGE)
    assert (failed.state, failed.code) == ("failed", "complaint")
    assert [sendgrid(event=name)[0].how for name in ("unsubscribe", "group_unsubscribe")] == ["link", "preference"]


def mailgun(**event: Any) -> list[Any]:
    usual = {
        "id": "e1",
        "timestamp": AT.timestamp(),
        "recipient": "Ravi@example.com",
        "message": {"headers": {"message-id": OURS}},
    }
    body = {"signature": {"timestamp": "1", "token": "t", "signature": "s"}, "event-data": usual | event}
    return email_events.read_mailgun(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ({"event": "accepted"}, "accepted"),
        ({"event": "delivered"}, "delivered"),
        (
            {
                "event": "failed",
                "severity": "permanent",
                "reason": "bounce",
                "delivery-status": {"code": 550, "bounce-code": "5.1.1"},
            },
            "bounced",
        ),
        (
            {"event": "failed", "severity": "permanent", "reason": "suppress-bounce", "delivery-status": {"code": 605}},
            "bounced",
        ),
        (
            {
                "event": "failed",
                "severity": "permanent",
                "reason": "generic",
                "delivery-status": {"code": 550, "bounce-code": "5.7.1"},
            },
            "failed",
        ),
        ({"event": "rejected"}, "failed"),
    ],
)
def test_events_of_mailgun_say_how_far_a_mail_got(event: dict[str, Any], state: str):
    [told] = mailgun(**event)
    assert (told.state, told.mail, told.reference) == (state, OURS, MESSAGE)


def test_other_events_of_mailgun():
    assert mailgun(event="failed", severity="temporary") == [Ignored("failed")]
    assert mailgun(event="opened") == [Ignored("opened")]
    assert mailgun(event="unsubscribed") == [NoMore("e1", "ravi@example.com", "link", MESSAGE)]
    assert mailgun(event="complained")[0] == NoMore("e1", "ravi@example.com", "complaint", MESSAGE)


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"{}", b'"x"', b"{", b"\xff", b"[" * 5_000, b"[7]", b'[{"event": "open"}]']
)
def test_events_of_another_shape_are_malformed(raw: bytes):
    with pytest.raises(Malformed):
        email_events.read_sendgrid(raw)
    with pytest.raises(Malformed):
        email_events.read_mailgun(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "event",
                        "timestamp",
                        "sg_event_id",
                        "email",
                        "smtp-id",
                        "event-data",
                        "signature",
                        "id",
                        "message",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_no_json_makes_the_reader_of_events_stumble(body: Any):
    raw = json.dumps(body).encode()
    for read in (email_events.read_sendgrid, email_events.read_mailgun):
        with suppress(Malformed):
            assert read(raw) is not None


@pytest.mark.parametrize(
    ("code", "text", "phase", "scope"),
    [
        (550, "5.1.1 <ravi@example.com>: no such user", "recipient", "contact"),
        (550, "no such user", "recipient", "contact"),
        (553, "5.1.3 bad address", "recipient", "contact"),
        (550, "5.2.1 mailbox disabled", "recipient", "contact"),
        (554, "5.6.0 content", "content", "message"),
        (550, "5.7.1 blocked by policy", "content", "message"),
        (552, "5.3.4 too big", "content", "message"),
        (550, "5.7.26 DMARC", "content", "account"),
        (535, "5.7.8 wrong password", "login", "account"),
        (550, "5.1.8 sender refused", "sender", "account"),
        (530, "5.7.0 Must issue a STARTTLS command first", "sender", "account"),
        (554, "5.3.2 no service here", "connection", "account"),
    ],
)
def test_a_refusal_says_whom_it_is_about(code: int, text: str, phase: Phase, scope: str):
    refused = classify(code, text, phase)
    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (scope, code)
    assert "@" not in refused.reason


@pytest.mark.parametrize(
    ("code", "text", "phase", "pauses"),
    [
        (451, "4.7.1 greylisted", "recipient", [300, 900, 3600, 14400, 43200, 43200]),
        (450, "4.2.0 busy", "content", [300, 900, 3600, 14400, 43200, 43200]),
        (421, "4.3.2 shutting down", "connection", [10, 60, 300, 900, 3600, 14400]),
        (552, "5.2.2 mailbox full", "recipient", [3600, 14400, 43200, 43200, 43200, 43200]),
    ],
)
def test_who_is_asked_to_come_again_waits_longer_each_time(code: int, text: str, phase: Phase, pauses: list[int]):
    outcomes = [classify(code, text, phase, attempt=attempt) for attempt in range(len(pauses))]
    assert all(isinstance(outcome, Retry) for outcome in outcomes)
    assert [outcome.after_seconds for outcome in outcomes if isinstance(outcome, Retry)] == pauses


def test_a_connection_that_broke_is_tried_again_unless_the_mail_was_on_its_way():
    assert broken("not_connected", "no route") == Retry("no route", 10)
    assert broken("no_answer", "lost") == Unknown("lost")


@pytest.mark.parametrize(
    ("code", "permanent"), [("5.1.1", True), ("550", True), (None, True), ("5.2.2", False), ("4.4.1", False)]
)
def test_only_some_bounces_are_for_ever(code: str | None, permanent: bool):
    assert is_permanent(code) is permanent


def test_an_enhanced_code_stands_first():
    assert (enhanced("5.1.1 x"), enhanced("invoice 5.1.1"), enhanced("6.1.1 x")) == ("5.1.1", None, None)


def test_a_bounce_after_a_delivery_counts_and_a_failure_does_not():
    assert advance("delivered", "bounced") == "bounced"
    assert advance("bounced", "delivered") == "bounced"
    assert advance("delivered", "failed") == "delivered"


KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXMzYK6XaAGug4+Vr9wvd+smNMfNFcj38MYxN/hH6WH3n0IVqguGspAv/ALHLW759Glt/AebfEBjDSvO3zsyLpA=="


@pytest.mark.parametrize("key", ["", "nonsense", "AAAA", KEY])
@pytest.mark.parametrize("signature", ["", "AAAA", "\xff", "é", "MEUCIQ=="])
def test_no_odd_signature_or_key_is_trusted(key: str, signature: str):
    headers = {"x-twilio-email-event-webhook-signature": signature, "x-twilio-email-event-webhook-timestamp": "1"}
    assert not verify_sendgrid(b"x", headers, key)


@pytest.mark.parametrize(
    "given_", [MailgunSignature("1", "t", ""), MailgunSignature("", "", ""), MailgunSignature("x", "t", "\ud800")]
)
def test_no_odd_signature_of_mailgun_is_trusted(given_: MailgunSignature):
    assert not verify_mailgun(given_, "key", AT)
    assert not verify_mailgun(given_, "", AT)


def test_a_secret_that_is_not_set_opens_nothing():
    assert not verify_secret("", "")
    assert not verify_secret(None, "x")
    assert not verify_secret("é", "x")
    assert verify_secret("x", "x")


@pytest.mark.parametrize(
    ("header", "password"),
    [("Basic dTpwYTpz", "pa:s"), ("basic dTpw", "p"), ("Bearer dTpw", None), ("Basic ###", None), (None, None)],
)
def test_a_password_is_read_from_the_header(header: str | None, password: str | None):
    assert basic_password(header) == password
