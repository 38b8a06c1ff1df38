"""Chat over a WebSocket of ours: the frames of both directions, why a socket is closed, and where signals go."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec

MAX_FRAME = 16 * 1024
"""Characters of a frame that a contact may send; a larger one is answered with an error and not stored."""
MAX_CONTENT = 4000
"""Characters of one message."""

Role = Literal["contact", "agent", "operator"]
ErrorCode = Literal["malformed", "too_large", "slow_down", "try_again"]

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[\w.:@/+=-]+$")]
ChoiceId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""What a button brought along: whatever the configuration has as its words, such as "Bank transfer" or "अगला हफ़्ता"."""
Position = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Content = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CONTENT)]

# Why we close, as the client reads it (4000 to 4999 are an application's own, RFC 6455 section 7.4.2).
RESTART = 1012
"""This server goes; connect again, and catch up."""
UNAUTHORIZED = 4401
"""The token is wrong or over: get a new one first."""
FORBIDDEN = 4403
"""This origin or contact may not chat here."""
NOT_FOUND = 4404
"""There is no chat here."""
TOO_SLOW = 4408
"""The client takes too long to read; connect again, and catch up."""
TOO_MANY = 4429
"""The contact has too many connections."""


class Malformed(Exception):
    """A frame that cannot be meant; `code` is what the client is told."""

    def __init__(self, code: ErrorCode, detail: str, id: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.id = id


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A JSON object with its `type`."""


# What a contact's client sends.


class Said(Frame, frozen=True, kw_only=True, tag="message"):
    """The contact writes. With an `id` of the client's own, the same message sent again is one.

    `choice` is the id of a button that was pressed, `reply_to` the id of the message that is answered.
    """

    content: Content
    id: Id | None = None
    choice: ChoiceId | None = None
    reply_to: Id | None = None


class Types(Frame, frozen=True, kw_only=True, tag="typing"):
    """The contact begins (or ends) to write."""

    on: bool = True


class Ack(Frame, frozen=True, kw_only=True, tag="ack"):
    """Every line up to `position` has arrived."""

    position: Position


class Reads(Frame, frozen=True, kw_only=True, tag="read"):
    """Every line up to `position` was looked at."""

    position: Position


class Ping(Frame, frozen=True, kw_only=True, tag="ping"):
    """Is anybody there? Answered by a pong."""


class Pong(Frame, frozen=True, kw_only=True, tag="pong"):
    """Yes."""


Incoming = Said | Types | Ack | Reads | Ping | Pong


# What a contact's client gets.


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that can be pressed."""

    id: str
    title: str
    description: str | None = None


class Line(Frame, frozen=True, kw_only=True, tag="message"):
    """One line of the chat. `position` counts from 1 without gaps, for each contact; `draft` is the draft that it commits."""

    id: str
    position: int
    role: Role
    content: str
    at: datetime
    choices: list[Choice] = []
    draft: str | None = None
    reply_to: str | None = None


class Typing(Frame, frozen=True, kw_only=True, tag="typing"):
    """Somebody on our side is writing; without news it is over after a few seconds."""

    who: Literal["agent", "operator"] = "agent"
    on: bool = True


class Drafted(Frame, frozen=True, kw_only=True, tag="draft"):
    """All of a reply that is written so far; a message with this draft's id, or `retract`, ends it."""

    id: str
    content: str


class Retracted(Frame, frozen=True, kw_only=True, tag="retract"):
    """The draft will not be said."""

    id: str


class Presence(Frame, frozen=True, kw_only=True, tag="presence"):
    """Whether somebody is there: an operator, as the contact is told; the contact, as operators are told.

    Of a contact each replica (`by`) tells for itself, again and again; unsaid for a minute means gone.
    """

    who: Literal["operator", "contact"]
    there: bool
    by: str | None = None


class Status(Frame, frozen=True, kw_only=True, tag="status"):
    """`stored`: the client's message `id` is kept for ever. `caught_up`: every line up to `position` was sent."""

    status: Literal["stored", "caught_up"]
    id: str | None = None
    position: int | None = None


class Error(Frame, frozen=True, kw_only=True, tag="error"):
    """A frame was not taken; `id` is that of the message, where it has one. `try_again`: the same, later."""

    code: ErrorCode
    detail: str
    id: str | None = None


Passing = Typing | Drafted | Retracted | Presence
"""What is told to whoever is there now, and is never state."""

_incoming: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)
_passing: msgspec.json.Decoder[Passing] = msgspec.json.Decoder(Passing)
_encoder = msgspec.json.Encoder()
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read(raw: str | bytes) -> Incoming:
    """A client's frame. Raises Malformed."""
    if len(raw) > MAX_FRAME:
        raise Malformed("too_large", f"a frame has at most {MAX_FRAME} characters, this one {len(raw)}")
    try:
        frame = _incoming.decode(raw)
    except RecursionError as error:
        raise Malformed("malformed", "nobody can mean so many levels of JSON") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed("malformed", str(error)) from error
    if isinstance(frame, Said):
        if not frame.content.strip():
            raise Malformed("malformed", "a message has words: `content` is blank", frame.id)
        if _CONTROL.search(frame.content):
            raise Malformed("malformed", "`content` has control characters; only tabs and new lines are text", frame.id)
    return frame


def write(frame: Frame) -> bytes:
    """A frame for a client, or a signal, as JSON."""
    return _encoder.encode(frame)


def passing(raw: bytes) -> Passing | None:
    """A signal that clients are told; None for what is none."""
    try:
        return _passing.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None


def room(contact: str) -> str:
    """The room of a contact: 32 hexadecimal digits that stand for the id where it may not be written (subjects, channels)."""
    return hashlib.sha256(contact.encode()).hexdigest()[:32]


def place(tenant: str, contact: str) -> str:
    """A tenant's room."""
    return f"{tenant}.{room(contact)}"


def to_contact(tenant: str, contact: str) -> str:
    """The subject of signals for a contact's clients (`Passing` frames)."""
    return f"sig.chat.out.{place(tenant, contact)}"


def from_contact(tenant: str, contact: str) -> str:
    """The subject on which operators hear what a contact is doing (`typing`, `presence`)."""
    return f"sig.chat.in.{place(tenant, contact)}"


TO_CONTACTS = "sig.chat.out.>"
"""The subjects of all signals for clients; what stands for `>` is the place."""
