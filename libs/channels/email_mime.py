"""A mail as bytes, taken apart: headers, texts, files and the parts of a report. Whatever the bytes, it says what is there.

The library's old policy is used: its new one raises on headers that real mail has.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser, HeaderParser
from email.policy import Compat32
from email.utils import collapse_rfc2231_value, getaddresses, parsedate_to_datetime

from libs.channels.email_address import ANY, MAX_ADDRESS, Mailbox, bare_id, normal
from libs.channels.email_outbound import File

MAX_PARTS = 500
MAX_HEADER = 32_000  # characters; the library's time for encoded words grows with their square
MAX_PARAMETERS = 100  # of a header; the library's time for them grows with their square
MAX_COMPARED = 30_000_000  # lines by multiparts: each line is compared with the boundary of every part that it lies in
MAX_NAME = 200
MAX_MAILBOXES = 100
_MULTIPART = re.compile(rb"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_TEXT_FIRST = ("utf-8", "cp1252")  # what undeclared text turns out to be


class Malformed(Exception):
    """What was posted is no mail or event of the provider's; the message names the place and what would be right there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"at {path}: {problem}")
        self.path = path
        self.problem = problem


class _Bounded(Compat32):
    """The old policy, with headers that are cut before the library reads them: a mail may be made to keep it busy for hours."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, text = super().header_source_parse(sourcelines)
        if name.lower().startswith("content-"):
            text = ";".join(text.split(";", MAX_PARAMETERS)[:MAX_PARAMETERS])
        return name, text[:MAX_HEADER]


_POLICY = _Bounded()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a mail consists of. `reports` are the fields of machine-readable parts: delivery status and feedback."""

    headers: "Headers"
    text: str | None = None
    html: str | None = None
    files: tuple[File, ...] = ()
    reports: tuple[Mapping[str, str], ...] = ()
    original: "Headers | None" = None
    """The headers of the mail that a report is about."""
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers by name in small letters, decoded; of each name all that there are."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, message: "Message[str, str]") -> "Headers":
        fields: dict[str, list[str]] = {}
        for name, raw in message.raw_items():
            fields.setdefault(name.lower(), []).append(decoded(str(raw)))
        return cls(fields)

    @classmethod
    def read(cls, block: str) -> "Headers":
        """A block of raw headers, as providers pass it on."""
        return cls.of(HeaderParser(policy=_POLICY).parsestr(block.lstrip("\r\n")))

    def get(self, name: str) -> str | None:
        """The first header of this name."""
        return next(iter(self.fields.get(name.lower(), ())), None)

    def mailboxes(self, *names: str) -> list[Mailbox]:
        """Every address in headers of these names."""
        texts = [text for name in names for text in self.fields.get(name, ())]
        return mailboxes(*texts)

    def ids(self, name: str) -> list[str]:
        """The Message-IDs in a header, in order, without brackets."""
        text = self.get(name) or ""
        found = re.findall(r"<([^<>\s]{1,250})>", text) or text.split()
        return [id for each in found if (id := bare_id(each))]

    @property
    def at(self) -> datetime | None:
        """When it was written, as the sender's clock had it."""
        try:
            date = parsedate_to_datetime(self.get("date") or "")
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None


def mailboxes(*texts: str) -> list[Mailbox]:
    """The addresses in address headers, in their normal form, with the names shown."""
    every = ", ".join(texts)[:MAX_HEADER]
    try:
        pairs = [pair for pair in getaddresses([every]) if ANY.fullmatch(pair[1])]
    except (ValueError, TypeError, IndexError, RecursionError):
        pairs = []
    pairs = pairs or [("", found) for found in ANY.findall(every)]
    return [
        Mailbox(normal(address), " ".join(name.split())[:MAX_NAME] or None)
        for name, address in pairs[:MAX_MAILBOXES]
        if len(address) <= MAX_ADDRESS
    ]


def take_apart(raw: bytes) -> Parts:
    """The parts of a mail; the first text of each kind is what it says, what is attached is a file."""
    compared = raw.count(b"\n") * sum(1 for _ in _MULTIPART.finditer(raw))
    reader = BytesHeaderParser if compared > MAX_COMPARED else BytesParser
    try:
        message = reader(policy=_POLICY).parsebytes(raw)
    except (RecursionError, ValueError, LookupError):  # nested deeper than anybody can mean
        message = BytesHeaderParser(policy=_POLICY).parsebytes(raw)
    texts: dict[str, str] = {}
    files: list[File] = []
    reports: list[Mapping[str, str]] = []
    original: Headers | None = None
    for part in _leaves(message):
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/feedback-report"):
            reports += _report_fields(part)
        elif kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers") and original is None:
            original = _original(part)
            if kind == "message/rfc822":
                files += _forwarded(part)
        elif kind in ("text/plain", "text/html") and kind not in texts and not _is_file(part):
            texts[kind] = text_of(_content(part), _charset(part))
        elif not part.is_multipart():
            files.append(File(_name(part, len(files)), kind, _content(part)))
    return Parts(
        headers=Headers.of(message),
        text=texts.get("text/plain"),
        html=texts.get("text/html"),
        files=tuple(files),
        reports=tuple(reports),
        original=original,
        media_type=message.get_content_type(),
    )


def text_of(content: bytes, charset: str | None) -> str:
    """Bytes as text in the charset that they claim, else in what they turn out to be."""
    for each in (charset, *_TEXT_FIRST):
        try:
            if each and codecs.lookup(each).name != "punycode":  # whose time grows with the square of the text
                # utf-7 and unicode_escape, which a mail may claim, make halves of characters: no JSON holds them.
                return content.decode(each).encode("utf-8", "replace").decode()
        except (LookupError, UnicodeError, ValueError):
            continue
    return content.decode("latin-1")


def decoded(text: str) -> str:
    """A header's text with its encoded words (RFC 2047) read, on one line; unreadable ones stay as they are."""
    flat = " ".join(text.split())
    if "=?" not in flat:
        return _whole(flat)
    try:
        pieces = [
            text_of(piece, charset) if isinstance(piece, bytes) else piece for piece, charset in decode_header(flat)
        ]
    except (HeaderParseError, ValueError, TypeError):
        return _whole(flat)
    return _whole(" ".join("".join(pieces).split())) or flat


def _whole(text: str) -> str:
    """Bytes outside ASCII that the parser kept as surrogates, as the text that they are."""
    return text_of(text.encode("utf-8", "surrogateescape"), None) if not text.isascii() else text


def _leaves(message: "Message[str, str]") -> Iterator["Message[str, str]"]:
    """Every part that is no container, and every enclosed mail or report whole; at most MAX_PARTS."""
    waiting = [message]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part = waiting.pop(0)
        seen += 1
        payload = _payload(part)
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting[:0] = [each for each in payload if isinstance(each, Message)]
        else:
            yield part


def _payload(part: "Message[str, str]") -> object:
    """What a part holds; None where its headers keep the library from telling."""
    try:
        return part.get_payload()
    except (TypeError, ValueError, LookupError):
        return None


def _charset(part: "Message[str, str]") -> str | None:
    try:
        return part.get_content_charset()
    except (TypeError, ValueError, LookupError):
        return None


def _is_file(part: "Message[str, str]") -> bool:
    return part.get_content_disposition() == "attachment" or (
        part.get_content_disposition() == "inline" and part.get_filename() is not None
    )


def _content(part: "Message[str, str]") -> bytes:
    """The bytes of a part that is no container."""
    try:
        content = part.get_payload(decode=True)
    except (ValueError, TypeError, LookupError, AssertionError):
        content = None
    if isinstance(content, bytes):
        return content
    payload = _payload(part)
    return payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else b""


def _name(part: "Message[str, str]", number: int) -> str:
    try:
        name = decoded(collapse_rfc2231_value(part.get_filename() or ""))
    except (ValueError, TypeError, LookupError, UnicodeError):
        name = ""
    return file_name(name, number)


def file_name(name: str, number: int) -> str:
    """A file's name without folders and control characters; `file-<number>` for one without."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(letter for letter in last if letter.isprintable()).strip().lstrip(".")
    return kept[-MAX_NAME:] or f"file-{number + 1}"


def _report_fields(part: "Message[str, str]") -> list[Mapping[str, str]]:
    """The groups of fields of a machine-readable part (RFC 3464, RFC 5965), names in small letters."""
    payload = _payload(part)
    if isinstance(payload, list):
        groups = [each for each in payload if isinstance(each, Message)]
    else:
        blocks = re.split(r"\r?\n[ \t]*\r?\n", _content(part).decode("utf-8", "replace").strip())
        groups = [HeaderParser(policy=_POLICY).parsestr(block) for block in blocks]
    if part.get_content_type() == "message/feedback-report":
        groups = [
            HeaderParser(policy=_POLICY).parsestr(str(_payload(each))) if not each.items() else each for each in groups
        ]
    read = [{name.lower(): decoded(str(raw)) for name, raw in group.items()} for group in groups]
    return [fields for fields in read if fields]


def _original(part: "Message[str, str]") -> Headers:
    payload = _payload(part)
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return Headers.of(payload[0])
    return Headers.read(_content(part).decode("utf-8", "replace"))


def _forwarded(part: "Message[str, str]") -> list[File]:
    payload = _payload(part)
    if not (isinstance(payload, list) and payload and isinstance(payload[0], Message)):
        return []
    try:
        return [File("message.eml", "message/rfc822", payload[0].as_bytes())]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return []
