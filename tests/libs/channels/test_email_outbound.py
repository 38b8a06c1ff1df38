"""A mail goes out in its thread, in text and HTML, with the headers that keep it from being a nuisance."""

import email
from datetime import UTC, datetime
from email.policy import default
from uuid import UUID

import pytest

from libs.channels.email import File, Letter, Mailbox, Unsubscribe, check, compose, message_id, read_mime, subject
from libs.channels.email_address import is_signed, message_of, read_token, token, wire
from libs.channels.email_html import MARKER, page
from libs.channels.outcome import Refused

MESSAGE = UUID("3f2b7c1e-5d64-5a0b-9c3e-1f0a2b3c4d5e")
MAC = bytes(range(32))
AT = datetime(2026, 2, 16, 10, 30, tzinfo=UTC)
WORDS = 'Namaste Priya ji, ₹52,400 "INV-2026-0042" — हाँ जी 👍\n<b>&amp;</b>'


def letter(**changes: object) -> Letter:
    usual = {
        "message_id": message_id(MESSAGE, "mail.acme.example"),
        "sender": Mailbox("asha@mail.acme.example", "आशा at Acme"),
        "to": "priya@acme.example",
        "subject": "Invoice INV-2026-0042",
        "text": WORDS,
        "at": AT,
    }
    return Letter(**(usual | changes))  # type: ignore[arg-type]


def sent(raw: bytes) -> "email.message.EmailMessage":
    return email.message_from_bytes(raw, policy=default)


def test_words_are_unharmed_in_text_and_safe_in_html():
    mail = sent(compose(letter()))
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == f"{MARKER}\n\n{WORDS}\n"
    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in html.get_content()
    assert "<b>" not in html.get_content()
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_links_can_be_followed_and_nothing_else_is_markup():
    html = page('Pay: https://pay.example/x?a=1&b="><script>.\n\nOr (https://b.example).', language="en")
    assert '<a href="https://pay.example/x?a=1&amp;b=">' in html
    assert '<a href="https://b.example">https://b.example</a>).' in html
    assert "<script>" not in html


def test_the_same_letter_is_the_same_bytes():
    files = [File("utr.pdf", "application/pdf", b"%PDF")]
    assert compose(letter(), files=files) == compose(letter(), files=files)


def test_a_mail_stands_in_its_thread():
    thread = tuple(f"{number}@mail.example" for number in range(30, 0, -1))
    mail = sent(compose(letter(thread=thread)))
    assert mail["In-Reply-To"] == "<30@mail.example>"
    named = mail["References"].split()
    assert (len(named), named[0], named[1], named[-1]) == (
        20,
        "<1@mail.example>",
        "<12@mail.example>",
        "<30@mail.example>",
    )
    assert mail["Message-ID"] == f"<{MESSAGE}@mail.acme.example>"


def test_what_is_no_message_id_is_left_out_of_the_thread():
    mail = sent(compose(letter(thread=("a@b\r\nBcc: all@example.com", "<ok@b>", "नहीं@b", ""))))
    assert (mail["References"], mail["Bcc"]) == ("<ok@b>", None)


@pytest.mark.parametrize(
    ("wanted", "in_thread", "line"),
    [
        ("Invoice", False, "Invoice"),
        ("Invoice", True, "Re: Invoice"),
        ("RE: Re: Fwd: Invoice", False, "Re: Invoice"),
        ("AW: Invoice\r\nBcc: x@example.com", True, "Re: Invoice Bcc: x@example.com"),
        (None, False, "Message from Acme"),
        ("Re:", True, "Re: Message from Acme"),
    ],
)
def test_a_thread_keeps_its_subject(wanted: str | None, in_thread: bool, line: str):
    assert subject(wanted, "Message from Acme", in_thread=in_thread) == line


def test_long_headers_are_left_whole():
    link = "https://hooks.acme.example/unsubscribe/" + "default." + "a" * 120
    raw = compose(letter(), unsubscribe=Unsubscribe(link, "u+x@reply.acme.example"), reply_to="r+x@reply.acme.example")
    lines = raw.decode().split("\r\n")
    assert f"List-Unsubscribe: <{link}>, <mailto:u+x@reply.acme.example?subject=unsubscribe>" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_one_click_is_promised_only_with_a_link():
    mail = sent(compose(letter(), unsubscribe=Unsubscribe(None, "u+x@reply.acme.example")))
    assert mail["List-Unsubscribe"] == "<mailto:u+x@reply.acme.example?subject=unsubscribe>"
    assert mail["List-Unsubscribe-Post"] is None


def test_machines_are_told_that_a_machine_wrote_and_people_that_a_person_did():
    assert sent(compose(letter()))["Auto-Submitted"] == "auto-generated"
    assert sent(compose(letter(written="replied")))["Auto-Submitted"] == "auto-replied"
    assert sent(compose(letter(written="by_person")))["Auto-Submitted"] is None


def test_our_own_mail_is_recognised_as_automatic_when_it_comes_back():
    assert read_mime(compose(letter())).automatic == "auto_reply"


def test_files_keep_names_and_content():
    files = [
        File("रसीद.pdf", "application/pdf", b"%PDF"),
        File("a\r\nb.txt", "text/plain", "नमस्ते".encode()),
        File("mail", "message/rfc822", b"x"),
        File("odd", "nonsense", b"y"),
    ]
    back = read_mime(compose(letter(), files=files)).files
    assert [(file.name, file.media_type, file.content) for file in back] == [
        ("रसीद.pdf", "application/pdf", b"%PDF"),
        ("a b.txt", "text/plain", "नमस्ते".encode()),
        ("mail", "application/octet-stream", b"x"),
        ("odd", "application/octet-stream", b"y"),
    ]


@pytest.mark.parametrize(
    ("changes", "sizes", "scope"),
    [
        ({"to": "nobody"}, (), "contact"),
        ({"to": "a@b.example, c@d.example"}, (), "contact"),
        ({"to": "प्रिया@acme.example"}, (), "contact"),
        ({"text": "  "}, (), "message"),
        ({}, (10 * 2**20, 10 * 2**20), "message"),
    ],
)
def test_what_can_never_go_out_is_refused(changes: dict[str, object], sizes: tuple[int, ...], scope: str):
    refused = check(letter(**changes), sizes)
    assert isinstance(refused, Refused)
    assert refused.scope == scope


def test_a_domain_in_hindi_is_written_as_servers_know_it():
    assert wire("priya@उदाहरण.example") == "priya@xn--p1b6ci4b4b3a.example"
    assert check(letter(to="priya@उदाहरण.example")) is None


def test_a_token_leads_back_to_its_message_in_any_case_of_letters():
    local = token("r", MESSAGE, MAC)
    assert len(local) <= 64
    for address in (f"{local}@reply.acme.example", f"{local.upper()}@REPLY.acme.example", local):
        read = read_token(address)
        assert read is not None
        assert (read.purpose, read.message) == ("r", MESSAGE)
        assert is_signed(read, MAC)
        assert not is_signed(read, MAC[::-1])


@pytest.mark.parametrize(
    "address", ["r+x@y", "asha@mail.acme.example", "", "x+" + "a" * 26 + "." + "b" * 16 + "@y", "r+é"]
)
def test_other_addresses_have_no_token(address: str):
    assert read_token(address) is None


def test_only_our_message_ids_name_our_messages():
    assert message_of(f"<{MESSAGE}@mail.acme.example>") == MESSAGE
    assert message_of("CAFx@mail.gmail.com") is None
    assert message_of(None) is None
