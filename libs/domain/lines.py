"""The lines of a conversation: what each said and is about, whether it has been answered; our messages, and Claude's turns."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from events.conversation import AttachmentsRead, ContactSaid, MessageRequested, TurnRequested
from events.values import Attachment

Role = Literal["contact", "agent", "operator"]
Lines = tuple["Line", ...]
HISTORY = 40
"""How many lines of a conversation stay in mind and are shown to Claude."""


class Line(msgspec.Struct, frozen=True):
    """Something that was said, by whom and where. `version` is its place in the conversation's stream.

    `about` names its matter; where it is not `certain` that was a guess: the matter that was in focus. `ref` is the
    provider's id of it, `source` our message or the inbound stream, `sender` the address that the contact wrote from. A line
    is `pending` while its files are not read yet.
    """

    role: Role
    text: str
    channel: str
    version: int
    at: datetime | None = None
    about: str | None = None
    certain: bool = False
    source: str | None = None
    sender: str | None = None
    ref: str | None = None
    quotes: str | None = None
    kind: str = "text"
    subject: str | None = None
    files: tuple[Attachment, ...] = ()
    pending: bool = False
    answered: bool = False
    understood: bool = False

    @property
    def unread(self) -> bool:
        """Whether the contact said it and nobody has answered."""
        return self.role == "contact" and not self.answered

    @property
    def shown(self) -> str:
        """The line as it is read to Claude: what came without words stands in square brackets."""
        if not self.subject and not self.files and self.text.strip():
            return self.text
        parts = [f"[subject: {self.subject}]"] if self.subject and not self.quotes else []
        parts += [self.text] if self.text.strip() else []
        parts += [described(each) for each in self.files if not (each.voice and self.text.strip())]
        return "\n".join(parts) or ("" if self.kind == "text" else f"[{self.kind}]")


class Sent(msgspec.Struct, frozen=True):
    """A message that we asked for, when (business time), what for and to whom; `ref` is the provider's id of it."""

    channel: str
    purpose: str
    at: datetime
    matter: str | None = None
    step: str | None = None
    heard: str | None = None
    to: str = ""
    ref: str | None = None
    version: int = 0
    gates: tuple[str, ...] = ()
    identifies: bool = False
    merged: tuple[str, ...] = ()


class Turn(msgspec.Struct, frozen=True):
    """Claude is thinking: up to which version of the stream, for which step; about who writes, where it `identifies`."""

    id: str
    upto: int
    wants: str
    matter: str | None = None
    step: str | None = None
    identifies: bool = False
    said: frozenset[str] = frozenset()
    hides: frozenset[str] = frozenset()
    merged: tuple[str, ...] = ()


def described(file: Attachment) -> str:
    """A file without its content, such as "[document utr.pdf]"."""
    family = file.media_type.partition("/")[0]
    what = "voice note" if file.voice else family if family in ("image", "audio", "video") else "document"
    return f"[{what} {file.name}]" if file.name else f"[{what}]"


def heard(said: ContactSaid, version: int, about: str | None) -> Line:
    """What the contact said; `about` is the matter in focus, where the message itself does not tell."""
    return Line(
        "contact",
        said.text,
        said.channel,
        version,
        said.at,
        about=said.matter or about,
        certain=said.matter is not None,
        source=said.inbound,
        sender=said.sender,
        ref=said.provider_ref,
        quotes=said.reply_to,
        kind=said.kind,
        subject=said.subject,
        files=tuple(said.attachments),
        pending=any(each.object is None for each in said.attachments),
    )


def said(asked: MessageRequested, version: int) -> Line:
    """What we said."""
    role: Role = "operator" if asked.purpose == "operator" else "agent"
    return Line(
        role,
        asked.body.text,
        asked.channel,
        version,
        asked.allowed_by.at,
        about=asked.matter,
        certain=asked.matter is not None,
        source=asked.message,
        subject=asked.body.subject,
    )


def sent(asked: MessageRequested, version: int) -> Sent:
    """The same as a message whose outcome is to be heard."""
    return Sent(
        asked.channel,
        asked.purpose,
        asked.allowed_by.at,
        asked.matter,
        asked.step,
        to=asked.to,
        version=version,
        gates=tuple(asked.gates),
        identifies=asked.identifies,
        merged=tuple(asked.merged),
    )


def thinking(event: TurnRequested) -> Turn:
    """Claude thinks from now on."""
    return Turn(
        event.turn,
        event.upto,
        event.wants,
        event.matter,
        event.step,
        identifies=event.identifies,
        said=frozenset(event.said),
        hides=frozenset(event.hides),
        merged=tuple(event.merged),
    )


def and_line(lines: Lines, line: Line) -> Lines:
    """The newest lines with one more."""
    return (*lines[-(HISTORY - 1) :], line)


def changed(lines: Lines, which: Callable[[Line], bool], **changes: Any) -> Lines:
    """The lines, those meant changed."""
    return tuple(replace(line, **changes) if which(line) else line for line in lines)


def read(lines: Lines, files: AttachmentsRead) -> Lines:
    """The lines once files were read: what was said in a voice note is what the contact said, however late it comes."""
    spoken = (files.transcript or "").strip()

    def with_files(line: Line) -> Line:
        if line.source != files.inbound or line.role != "contact":
            return line
        known = tuple(files.attachments) or line.files
        if not spoken:
            return replace(line, files=known, pending=False)
        text = spoken if spoken in line.text or not line.text.strip() else f"{line.text}\n{spoken}"
        return replace(line, files=known, pending=False, text=text, answered=False, understood=False)

    return tuple(with_files(line) for line in lines)
