"""A mail as it goes out: text and HTML, its place in the thread, and the headers that receivers of automated mail expect."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from libs.channels.email_address import Mailbox, bare_id, wire
from libs.channels.email_html import MARKER, page
from libs.channels.email_outcome import MAX_SIZE
from libs.channels.outcome import Refused

Written = Literal["generated", "replied", "by_person"]
MAX_REFERENCES = 20
_BUILT = SMTP.clone(cte_type="7bit")
_WRITTEN = _BUILT.clone(max_line_length=990)  # a folded link would be RFC 2047 words, which no receiver reads as one
_REPLY = re.compile(r"^\s*(re|aw|sv|antw|vs|fw|fwd|उत्तर)\s*(\[\d+\])?\s*:\s*", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"^[\w.+-]+/[\w.+-]+$", re.ASCII)


@dataclass(frozen=True, slots=True)
class File:
    """A file that is attached."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """How the receiver says stop by one click (RFC 8058) or by mail; `link` must be HTTPS to count."""

    link: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be said, to whom and in which thread. `message_id` and `thread` (the newest first) are without brackets.

    `written` says who wrote: a machine of its own accord, a machine that answers, or a person.
    """

    message_id: str
    sender: Mailbox
    to: str
    subject: str
    text: str
    at: datetime
    thread: tuple[str, ...] = ()
    language: str = "en"
    written: Written = "generated"
    feedback: str = ""
    footer: bool = False
    """Whether the link to unsubscribe stands in the text too."""


def subject(wanted: str | None, usual: str, *, in_thread: bool) -> str:
    """One subject for a whole thread, with `Re:` from its second mail on: Gmail threads by it beside the references."""
    bare = " ".join((wanted or usual).split())
    while found := _REPLY.match(bare):
        in_thread, bare = True, bare[found.end() :]
    return f"Re: {bare or usual}" if in_thread else bare or usual


def check(letter: Letter, sizes: Sequence[int | None] = ()) -> Refused | None:
    """Why it can never go out; `sizes` are those of its files, in bytes."""
    if wire(letter.to) is None:
        return Refused(553, "the recipient is no address that SMTP takes", "contact")
    if not letter.text.strip():
        return Refused(554, "the text is empty", "message")
    return too_large(sizes)


def too_large(sizes: Sequence[int | None]) -> Refused | None:
    """Why files of so many bytes cannot be attached."""
    if sum(size or 0 for size in sizes) > MAX_SIZE:
        return Refused(552, f"the files are larger than {MAX_SIZE // 2**20} MB together", "message")
    return None


def compose(
    letter: Letter,
    *,
    reply_to: str | None = None,
    unsubscribe: Unsubscribe | None = None,
    files: Sequence[File] = (),
) -> bytes:
    """The mail as it is sent (RFC 5322, lines ended by CRLF); the same letter gives the same bytes.

    Raises ValueError for an address that is none: `check` first.
    """
    to = wire(letter.to)
    if to is None:
        raise ValueError("the recipient is no address")
    mail = EmailMessage(policy=_BUILT)
    mail["From"] = str(letter.sender)
    mail["To"] = to
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(letter.at)
    mail["Message-ID"] = f"<{letter.message_id}>"
    if reply_to is not None:
        mail["Reply-To"] = str(Mailbox(reply_to, letter.sender.name))
    for name, text in (*_threading(letter.thread), *_manners(letter, unsubscribe or Unsubscribe())):
        mail[name] = text
    link = unsubscribe.link if unsubscribe and letter.footer else None
    footer = f"\n\n-- \nUnsubscribe: {link}" if link else ""
    mail.set_content(f"{MARKER}\n\n{letter.text}{footer}\n")
    mail.add_alternative(page(letter.text, language=letter.language, unsubscribe=link), subtype="html")
    mail.set_boundary(f"alternative-{_boundary(letter)}")
    for file in files:
        main, _, sub = (
            file.media_type if _MEDIA_TYPE.match(file.media_type) else "application/octet-stream"
        ).partition("/")
        if main in ("message", "multipart"):
            main, sub = "application", "octet-stream"
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=" ".join(file.name.split()) or "file")
    if files:
        mail.set_boundary(f"mixed-{_boundary(letter)}")
    return mail.as_bytes(policy=_WRITTEN)


def _threading(thread: tuple[str, ...]) -> list[tuple[str, str]]:
    """In-Reply-To names the parent, References its ancestors, oldest first; of many the first and the last stay."""
    known = [f"<{id}>" for each in reversed(thread) if (id := bare_id(each))]
    if not known:
        return []
    if len(known) > MAX_REFERENCES:
        known = [known[0], *known[-(MAX_REFERENCES - 1) :]]
    return [("In-Reply-To", known[-1]), ("References", " ".join(known))]


def _manners(letter: Letter, unsubscribe: Unsubscribe) -> list[tuple[str, str]]:
    """What tells machines that a machine wrote (RFC 3834), and receivers how to be left alone (RFC 2369, RFC 8058)."""
    headers: list[tuple[str, str]] = []
    ways = [f"<{unsubscribe.link}>"] if unsubscribe.link else []
    ways += [f"<mailto:{unsubscribe.address}?subject=unsubscribe>"] if unsubscribe.address else []
    if ways:
        headers.append(("List-Unsubscribe", ", ".join(ways)))
    if unsubscribe.link:
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    if letter.written != "by_person":
        headers += [("Auto-Submitted", f"auto-{letter.written}"), ("X-Auto-Response-Suppress", "OOF, AutoReply")]
    if letter.feedback:
        headers.append(("Feedback-ID", letter.feedback))
    return headers


def _boundary(letter: Letter) -> str:
    """The library would draw lots; the message's own id is in no other mail."""
    return re.sub(r"[^0-9A-Za-z]", "", letter.message_id)[:40]
