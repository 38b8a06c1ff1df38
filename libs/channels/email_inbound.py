"""A mail that came in, whichever provider brought it: who wrote what, in answer to what, and whether a machine did."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.channels.email_address import Mailbox, bare_id, normal
from libs.channels.email_automatic import Automatic, answers, automatic
from libs.channels.email_mime import (
    MAX_MAILBOXES,
    Headers,
    Malformed,
    Parts,
    decoded,
    file_name,
    mailboxes,
    take_apart,
    text_of,
)
from libs.channels.email_outbound import File
from libs.channels.email_report import Report, report
from libs.channels.email_text import clean, said

MAX_FILES = 20
MAX_SUBJECT = 500
MAX_THREAD = 20
_DAEMON = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|mdaemon)@")


@dataclass(frozen=True, slots=True)
class Upload:
    """A part of a form that is a file."""

    name: str
    media_type: str
    content: bytes


Form = Mapping[str, bytes | Upload]
"""A provider's form: fields as bytes, because each may have a charset of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`id` is its Message-ID without brackets, or a digest of one that has none. Addresses are in their normal form.

    `recipients` are all addresses that it was sent to, those of the envelope first. `text` is what the sender wrote.
    `thread` are the Message-IDs before it, the newest first; the first of them is the one that it answers, if it answers.
    `left_out` counts the files beyond MAX_FILES.
    """

    id: str
    sender: Mailbox
    recipients: tuple[str, ...]
    subject: str
    text: str
    at: datetime | None
    answers: str | None = None
    thread: tuple[str, ...] = ()
    automatic: Automatic | None = None
    report: Report | None = None
    files: tuple[File, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the servers told each other: the sender ('' for none, None where it is not told) and the recipients."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()


def read_mime(raw: bytes, envelope: Envelope = Envelope(), *, ours: Collection[str] = ()) -> Mail:
    """A whole mail. `ours` are the addresses that we write from. Raises Malformed where nobody wrote it."""
    return _mail(take_apart(raw), envelope, ours)


def read_sendgrid(form: Form, *, ours: Collection[str] = ()) -> Mail:
    """SendGrid's Inbound Parse, raw (`email`) or parsed, each field in the charset that it names. Raises Malformed."""
    envelope = _sendgrid_envelope(_text(form, "envelope"))
    raw = form.get("email")
    if raw is not None:
        return read_mime(raw.content if isinstance(raw, Upload) else raw, envelope, ours=ours)
    if "headers" not in form:
        raise Malformed("headers", "an inbound mail has `headers`, or `email` in raw mode")
    charsets = _object(_text(form, "charsets"))

    def read(name: str) -> str | None:
        field = form.get(name)
        charset = charsets.get(name)
        return text_of(field, charset if isinstance(charset, str) else None) if isinstance(field, bytes) else None

    headers = Headers.read(_text(form, "headers") or "")
    infos = _object(_text(form, "attachment-info"))
    uploads = [(key, each) for key, each in form.items() if key.startswith("attachment") and isinstance(each, Upload)]
    parts = Parts(
        headers=_filled(
            headers, {"from": read("from"), "to": read("to"), "cc": read("cc"), "subject": read("subject")}
        ),
        text=read("text"),
        html=read("html"),
        files=tuple(_upload(each, number, infos.get(key)) for number, (key, each) in enumerate(uploads)),
        media_type=(headers.get("content-type") or "text/plain").partition(";")[0].strip().lower(),
    )
    return _mail(_with_reports(parts), envelope, ours)


def read_mailgun(form: Form, *, ours: Collection[str] = ()) -> Mail:
    """Mailgun's route, as a form or with the whole mail (`body-mime`). Raises Malformed."""
    recipients = tuple(box.address for box in mailboxes(_text(form, "recipient") or ""))
    sender = _text(form, "sender")
    envelope = Envelope(normal(sender) if sender is not None else None, recipients)
    raw = form.get("body-mime")
    if raw is not None:
        return read_mime(raw.content if isinstance(raw, Upload) else raw, envelope, ours=ours)
    pairs = _list(_text(form, "message-headers"))
    fields: dict[str, list[str]] = {}
    for pair in pairs:
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair):
            fields.setdefault(pair[0].lower(), []).append(decoded(pair[1]))
    named = ("from", "subject", "Message-Id", "In-Reply-To", "References", "To", "Date")
    headers = _filled(Headers(fields), {name.lower(): _text(form, name) for name in named})
    if not headers.fields:
        raise Malformed(
            "message-headers", "an inbound mail has `message-headers`, or `body-mime` from a route to …/mime"
        )
    uploads = [each for key, each in form.items() if key.startswith("attachment-") and isinstance(each, Upload)]
    parts = Parts(
        headers=headers,
        text=_text(form, "body-plain"),
        html=_text(form, "body-html"),
        files=tuple(_upload(each, number, None) for number, each in enumerate(uploads)),
        media_type=(headers.get("content-type") or "text/plain").partition(";")[0].strip().lower(),
    )
    return _mail(_with_reports(parts), envelope, ours)


def _mail(parts: Parts, envelope: Envelope, ours: Collection[str]) -> Mail:
    headers = parts.headers
    writer = next(iter(headers.mailboxes("from") or headers.mailboxes("sender")), None)
    if writer is None and envelope.sender:
        writer = next(iter(mailboxes(envelope.sender)), None)
    to = [
        *envelope.recipients,
        *(box.address for box in headers.mailboxes("delivered-to", "x-original-to", "to", "cc")),
    ]
    recipients = tuple(dict.fromkeys(normal(each) for each in to))[:MAX_MAILBOXES]
    if writer is None and not (recipients and parts.reports):
        raise Malformed("from", "a mail names who wrote it")
    sender = writer or Mailbox("")
    subject = (headers.get("subject") or "")[:MAX_SUBJECT]
    about = report(
        parts,
        clean(parts.text or ""),
        to_bounces=any(each.startswith("b+") for each in recipients),
        from_daemon=bool(_DAEMON.match(sender.address)) or (envelope.sender == "" and not answers(headers, subject)),
    )
    before = [*headers.ids("in-reply-to")[:1], *reversed(headers.ids("references"))]
    thread = tuple(dict.fromkeys(before))[:MAX_THREAD]
    return Mail(
        id=bare_id(headers.get("message-id")) or _digest(parts),
        sender=sender,
        recipients=recipients,
        subject=subject,
        text=said(parts.text, parts.html),
        at=headers.at,
        answers=thread[0] if thread else None,
        thread=thread,
        automatic=automatic(
            headers,
            sender=sender.address,
            subject=subject,
            media_type=parts.media_type,
            envelope_from=envelope.sender,
            ours=ours,
        ),
        report=about,
        files=parts.files[:MAX_FILES],
        left_out=max(0, len(parts.files) - MAX_FILES),
    )


def _with_reports(parts: Parts) -> Parts:
    """A provider's form has a report's machine-readable parts among its files."""
    if parts.media_type != "multipart/report":
        return parts
    boundary = "report-parts"
    enclosed = b"".join(
        b"--"
        + boundary.encode()
        + b"\r\nContent-Type: "
        + each.media_type.encode("ascii", "replace")
        + b"\r\n\r\n"
        + each.content
        + b"\r\n"
        for each in parts.files
        if each.media_type.startswith(("message/", "text/rfc822"))
    )
    head = f"Content-Type: multipart/report; boundary={boundary}\r\n\r\n".encode()
    inner = take_apart(head + enclosed + b"--" + boundary.encode() + b"--\r\n")
    return Parts(
        headers=parts.headers,
        text=parts.text,
        html=parts.html,
        files=parts.files,
        reports=inner.reports,
        original=inner.original,
        media_type=parts.media_type,
    )


def _filled(headers: Headers, more: Mapping[str, str | None]) -> Headers:
    """The headers, with what a provider has in fields of its own where they lack it."""
    absent = {name: [decoded(text)] for name, text in more.items() if text and name not in headers.fields}
    return Headers({**headers.fields, **absent})


def _sendgrid_envelope(text: str | None) -> Envelope:
    told = _object(text)
    sender, to = told.get("from"), told.get("to")
    return Envelope(
        normal(sender) if isinstance(sender, str) else None,
        tuple(box.address for each in to if isinstance(each, str) for box in mailboxes(each))
        if isinstance(to, list)
        else (),
    )


def _upload(upload: Upload, number: int, info: Any) -> File:
    told = info if isinstance(info, dict) else {}
    name = told.get("filename") or told.get("name") or upload.name
    kind = told.get("type") or upload.media_type
    return File(
        file_name(decoded(name) if isinstance(name, str) else "", number),
        kind.partition(";")[0].strip().lower() if isinstance(kind, str) else "application/octet-stream",
        upload.content,
    )


def _text(form: Form, name: str) -> str | None:
    field = form.get(name)
    return text_of(field, "utf-8") if isinstance(field, bytes) else None


def _object(text: str | None) -> Mapping[str, Any]:
    """A JSON object; empty for anything else, because it only adds to what the form says anyway."""
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _list(text: str | None) -> Sequence[Any]:
    found = _json(text)
    return found if isinstance(found, list) else []


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _digest(parts: Parts) -> str:
    """An id for a mail that has none, the same whenever it comes again."""
    said_so = [*sorted((name, *each) for name, each in parts.headers.fields.items() if name != "received")]
    content = json.dumps([said_so, parts.text, parts.html], ensure_ascii=False)
    return f"{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:40]}@no-message-id"
