"""A mail is read as it was meant, whoever brought it, and no bytes whatever make its reader stumble."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.channels.email import Envelope, Mail, Malformed, Upload, read_mailgun, read_mime, read_sendgrid
from libs.channels.email_form import MAX_FIELDS, read_form
from libs.channels.email_inbound import MAX_FILES
from libs.channels.email_mime import MAX_HEADER, decoded, file_name, take_apart, text_of

OURS = ("asha@mail.acme.example",)
HEAD = (
    b"From: Priya <Priya@Acme.example>\r\nTo: r@reply.acme.example\r\nSubject: hi\r\nMessage-ID: <m1@acme.example>\r\n"
)


def mail(head: bytes = b"", body: bytes = b"kal") -> Mail:
    return read_mime(HEAD + head + b"\r\n" + body, ours=OURS)


def test_who_wrote_what_and_when():
    read = mail(b"Date: Mon, 16 Feb 2026 10:30:00 +0530\r\nCc: b@x.example, C <c@x.example>\r\n")
    assert (read.sender.address, read.sender.name, read.subject, read.text) == (
        "priya@acme.example",
        "Priya",
        "hi",
        "kal",
    )
    assert read.at == datetime(2026, 2, 16, 5, 0, tzinfo=UTC)
    assert read.recipients == ("r@reply.acme.example", "b@x.example", "c@x.example")
    assert (read.id, read.answers, read.thread, read.automatic, read.report) == (
        "m1@acme.example",
        None,
        (),
        None,
        None,
    )


def test_the_mails_before_it_are_named_newest_first():
    read = mail(b"In-Reply-To: <c@x>\r\nReferences: <a@x>\r\n <b@x> <c@x>\r\n")
    assert (read.answers, read.thread) == ("c@x", ("c@x", "b@x", "a@x"))


def test_references_serve_where_nothing_else_names_the_parent():
    assert mail(b"References: <a@x> <b@x>\r\n").answers == "b@x"


def test_a_mail_without_an_id_has_the_same_digest_whenever_it_comes():
    raw = b"From: a@b.example\r\nSubject: x\r\n\r\nkal"
    assert read_mime(raw).id == read_mime(raw).id
    assert read_mime(raw).id != read_mime(raw + b"!").id


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"Auto-Submitted: auto-replied\r\n", "auto_reply"),
        (b"Auto-Submitted: no\r\n", None),
        (b"Precedence: bulk\r\n", "list"),
        (b"Precedence: auto_reply\r\n", "auto_reply"),
        (b"List-Id: <x.example>\r\n", "list"),
        (b"X-Autoreply: yes\r\n", "auto_reply"),
        (b"X-Auto-Response-Suppress: All\r\n", None),
        (b"Subject: x\r\n", None),
    ],
)
def test_a_machine_is_known_by_its_headers(head: bytes, kind: str | None):
    assert mail(head).automatic == kind


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Automatic reply: Invoice", "out_of_office"),
        ("Out of Office: Re: Invoice", "out_of_office"),
        ("स्वतः उत्तर: Invoice", "out_of_office"),
        ("Re: Out of office hours", None),
        ("Auto parts invoice", None),
        ("Automation of payments", None),
    ],
)
def test_who_is_away_says_so_in_the_subject(subject: str, kind: str | None):
    raw = f"From: a@b.example\r\nSubject: {subject}\r\n\r\nx".encode()
    assert read_mime(raw).automatic == kind


@pytest.mark.parametrize(
    ("sender", "envelope", "kind"),
    [
        ("mailer-daemon@x.example", None, "report"),
        ("Postmaster@x.example", None, "report"),
        ("no-reply@x.example", None, "auto_reply"),
        ("noreply@x.example", None, "auto_reply"),
        ("asha@mail.acme.example", None, "auto_reply"),
        ("priya@acme.example", "", "auto_reply"),
        ("priya@acme.example", "priya@acme.example", None),
        ("norep@acme.example", None, None),
    ],
)
def test_a_machine_is_known_by_its_sender(sender: str, envelope: str | None, kind: str | None):
    raw = f"From: {sender}\r\nSubject: x\r\n\r\nx".encode()
    assert read_mime(raw, Envelope(envelope), ours=OURS).automatic == kind


def test_no_more_files_than_a_mail_may_have_are_taken():
    parts = b"".join(
        b"--b\r\nContent-Disposition: attachment; filename=f%d\r\n\r\nx\r\n" % n for n in range(MAX_FILES + 3)
    )
    read = mail(b"Content-Type: multipart/mixed; boundary=b\r\n", parts + b"--b--")
    assert (len(read.files), read.left_out) == (MAX_FILES, 3)


def test_a_file_has_no_folder_in_its_name():
    assert [file_name(name, 0) for name in ("../../etc/passwd", "C:\\x\\रसीद.pdf", "\x00\n", ".ssh", "a" * 300)] == [
        "passwd",
        "रसीद.pdf",
        "file-1",
        "ssh",
        "a" * 200,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("=?utf-8?b?4KSG4KS24KS+?= x", "आशा x"),
        ("=?iso-8859-1?q?caf=E9?=", "café"),
        ("=?nonsense?b?####?=", "=?nonsense?b?####?="),
        ("=?x-unknown?q?a?=", "a"),
        ("a\r\n b", "a b"),
    ],
)
def test_encoded_words_are_read(text: str, words: str):
    assert decoded(text) == words


def test_a_text_is_read_in_what_it_turns_out_to_be():
    assert text_of("नमस्ते".encode(), "iso-2022-nothing") == "नमस्ते"
    assert text_of(b"caf\xe9", "utf-8") == "café"
    assert text_of(b"caf\xe9", None) == "café"


def sendgrid_form(**changes: Any) -> dict[str, bytes | Upload]:
    usual: dict[str, bytes | Upload | None] = {
        "headers": b"Message-ID: <CAFx@mail.gmail.com>\nIn-Reply-To: <3f2b@mail.acme.example>\nTo: x@y.example\n",
        "from": b"Ravi <ravi@example.com>",
        "subject": "Re: चालान".encode(),
        "text": "café\n".encode("iso-8859-1"),
        "html": b"",
        "charsets": json.dumps({"text": "iso-8859-1", "subject": "UTF-8"}).encode(),
        "envelope": json.dumps({"to": ["r+x@reply.acme.example"], "from": "ravi@example.com"}).encode(),
    }
    return {name: field for name, field in (usual | changes).items() if field is not None}


def test_each_field_of_sendgrid_is_read_in_its_own_charset():
    read = read_sendgrid(sendgrid_form())
    assert (read.text, read.subject, read.sender.name) == ("café", "Re: चालान", "Ravi")
    assert (read.id, read.answers) == ("CAFx@mail.gmail.com", "3f2b@mail.acme.example")
    assert read.recipients[0] == "r+x@reply.acme.example"


@pytest.mark.parametrize(
    "broken", [b"", b"null", b"[]", b"{", b"7", b"[" * 100_000, b'{"text": 7}', b'{"to": 7, "from": []}']
)
def test_what_only_adds_to_a_mail_may_be_broken(broken: bytes):
    form = sendgrid_form(charsets=broken, envelope=broken, **{"attachment-info": broken})
    assert read_sendgrid(form).sender.address == "ravi@example.com"


def test_files_of_sendgrid_have_the_names_that_it_tells():
    info = json.dumps(
        {"attachment1": {"filename": "=?utf-8?b?4KSw4KS44KWA4KSmLnBkZg==?=", "type": "application/pdf"}}
    ).encode()
    upload = Upload("other.bin", "application/octet-stream", b"%PDF")
    read = read_sendgrid(sendgrid_form(**{"attachment-info": info, "attachment1": upload}))
    assert [(file.name, file.media_type, file.content) for file in read.files] == [
        ("रसीद.pdf", "application/pdf", b"%PDF")
    ]


def test_mailgun_is_read_by_its_headers():
    headers = [
        ["Message-Id", "<m@x.example>"],
        ["From", "Ravi <ravi@example.com>"],
        ["In-Reply-To", "<p@x>"],
        ["bad"],
        7,
    ]
    form: dict[str, bytes | Upload] = {
        "message-headers": json.dumps(headers).encode(),
        "recipient": b"r+x@reply.acme.example",
        "sender": b"ravi@example.com",
        "subject": "चालान".encode(),
        "body-plain": "कल".encode(),
        "attachment-1": Upload("a.txt", "text/plain", b"a"),
    }
    read = read_mailgun(form)
    assert (read.id, read.sender.name, read.answers, read.subject, read.text) == (
        "m@x.example",
        "Ravi",
        "p@x",
        "चालान",
        "कल",
    )
    assert [file.name for file in read.files] == ["a.txt"]


@pytest.mark.parametrize("form", [{}, {"text": b"x"}, {"email": b""}, {"headers": b"Subject: x\n"}])
def test_a_form_that_is_no_mail_is_malformed(form: dict[str, bytes]):
    with pytest.raises(Malformed):
        read_sendgrid(form)
    with pytest.raises(Malformed):
        read_mailgun(form)


def test_a_form_is_read_as_bytes():
    raw = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\x00\r\n\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="\xe0\xa4\x95.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n'
    assert read_form("multipart/form-data; boundary=b", raw) == {
        "a": b"\xff\x00\r\n",
        "f": Upload("क.pdf", "application/pdf", b"%PDF"),
    }
    assert read_form("application/x-www-form-urlencoded; charset=x", b"a=%FF+b&c&=d&a=2") == {"a": b"\xff b", "c": b""}


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("", b""),
        ("text/plain", b"a=1"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"--b\r\nno end"),
        ("multipart/form-data; boundary=b", b""),
        ("application/x-www-form-urlencoded", b"a=1&" * (MAX_FIELDS + 1)),
    ],
)
def test_what_is_no_form_is_malformed(kind: str, raw: bytes):
    with pytest.raises(Malformed):
        read_form(kind, raw)


LINES = st.sampled_from(
    [
        b"From: a@b.example\r\n",
        b"From: =?utf-8?q?\xff?= <a@b>\r\n",
        b"To: <<>>, @, ,\r\n",
        b"Date: Mon, 99 Feb 99999 99:99:99 +9999\r\n",
        b"References: <a> <b@> <\xff@x>\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: message/feedback-report\r\n",
        b"Content-Type: text/plain; charset=nonsense\r\n",
        b"Content-Type: text/html; charset*=utf-7''%FF\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Transfer-Encoding: uuencode\r\n",
        b"Content-Disposition: attachment; filename*0=a; filename*1*=%FF\r\n",
        b"Subject: =?x?q??= =?utf-8?b?/?=\r\n",
        b"\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"begin 666 x\r\nend\r\n",
        b"Action: failed\r\nStatus: 5.1.1\r\n",
        b"Feedback-Type: abuse\r\n",
    ]
)


@given(st.lists(st.one_of(LINES, st.binary(max_size=30)), max_size=25))
@settings(max_examples=500, deadline=None)
def test_no_bytes_make_the_reader_of_mails_stumble(lines: list[bytes]):
    raw = b"".join(lines)
    assert take_apart(raw).files is not None
    for read in (
        lambda: read_mime(raw),
        lambda: read_sendgrid({"email": raw}),
        lambda: read_mailgun({"body-mime": raw}),
    ):
        with suppress(Malformed):
            assert read().id


FIELDS = st.sampled_from(
    [
        "headers",
        "from",
        "to",
        "subject",
        "text",
        "html",
        "charsets",
        "envelope",
        "attachment-info",
        "attachment1",
        "recipient",
        "sender",
        "message-headers",
        "body-plain",
        "body-html",
        "Message-Id",
        "References",
        "attachment-1",
        "Date",
        "email",
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=40), st.builds(Upload, st.text(max_size=9), st.text(max_size=9), st.binary(max_size=9))
)


@given(st.dictionaries(FIELDS, CONTENTS, max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_form_makes_the_reader_stumble(form: dict[str, bytes | Upload]):
    for read in (read_sendgrid, read_mailgun):
        with suppress(Malformed):
            assert read(form).id


@given(
    st.binary(max_size=200), st.sampled_from(["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_the_reader_of_forms_stumble(raw: bytes, kind: str):
    with suppress(Malformed):
        assert read_form(kind, raw) is not None


def test_deeply_nested_mails_are_read():
    raw = b"From: a@b.example\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 3_000
    assert read_mime(raw).sender.address == "a@b.example"


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("utf-7", b"+2AA- kal"),
        ("unicode_escape", rb"\ud800 kal"),
        ("raw_unicode_escape", rb"\ud800 kal"),
        ("punycode", b"kal"),
        ("zlib", b"kal"),
        ("no-such-charset", b"kal"),
    ],
)
def test_whatever_charset_a_mail_claims_its_text_can_be_kept(charset: str, written: bytes):
    head = f"From: a@b.example\r\nSubject: =?{charset}?q?x=D8?=\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    read = read_mime(head.encode() + written)
    assert "kal" in read.text or charset == "punycode"
    assert msgspec.json.decode(msgspec.json.encode([read.text, read.subject])) == [read.text, read.subject]


def test_a_header_beyond_all_measure_is_cut_before_it_is_read():
    read = read_mime(b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?a?= " * 40_000 + b"\r\n\r\nkal")
    assert read.text == "kal"
    assert len(read.subject or "") <= MAX_HEADER


TO_BOUNCES = b"From: mailer-daemon@mx.example\r\nTo: b+x@bounce.acme.example\r\n"


@pytest.mark.parametrize(
    "hostile",
    [
        HEAD + b'Content-Type: text/plain; x="' + b";" * 200_000 + b"\r\n\r\nkal",
        HEAD + b'Content-Type: multipart/mixed; x="' + b";" * 200_000 + b"\r\n\r\nkal",
        b"From: a@b.in\r\n" + (b"To: " + b"a" * 32_000 + b"\r\n") * 10 + b"\r\nkal",
        HEAD + (b"Cc: " + b"a@b.in, " * 4_000 + b"\r\n") * 900 + b"\r\nkal",
        HEAD
        + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200))
        + b"\n" * 700_000,
        HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 1_200_000,
        TO_BOUNCES + b"\r\n550 5.1.1 " + b"a" * 50_000,
        TO_BOUNCES
        + b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        + b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\nDiagnostic-Code: smtp; "
        + b"a" * 60_000
        + b"\r\n\r\n--b--\r\n",
    ],
    ids=range(8),
)
def test_a_mail_that_is_made_to_keep_its_reader_busy_is_read_in_a_moment(hostile: bytes):
    began = time.process_time()
    assert read_mime(hostile).sender.address
    assert time.process_time() - began < 8  # tenths of a second on a quiet machine


def test_a_header_with_more_parameters_than_anybody_means_keeps_the_first_of_them():
    head = b'Content-Type: text/plain; charset="utf-8"' + b"; x=y" * 500 + b"\r\n"
    assert mail(head, "कल".encode()).text == "कल"
