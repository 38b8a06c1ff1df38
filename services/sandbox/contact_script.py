"""What people in the sandbox are like: where they can be reached, and what they do when they hear something."""

import re
from collections.abc import Mapping

import msgspec

ANYONE = "*"
"""The address of everybody who is not described."""
PHONE_CHANNELS = ("whatsapp", "sms", "voice")


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that somebody sends. `data` is base64 in JSON; of a voice note `spoken` is what is said in it."""

    media_type: str
    name: str | None = None
    data: bytes = b""
    spoken: str | None = None

    @property
    def voice(self) -> bool:
        """Whether it is a voice note."""
        return self.spoken is not None

    @property
    def content(self) -> bytes:
        """The bytes that are sent. A recording without data of its own is no sound: only the emulated Deepgram reads it."""
        return self.data or (b"OggS" + (self.spoken or "").encode())


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody does after a message whose text, subject or template's name matches `when` (None: any).

    A line fits on `channel` only, where one is named; `on` is the channel on which it is done, else the one where it was
    heard. `press` is the id or title of a button or list row: the line fits only where that was offered. Then come the
    texts of `say` and the `files`, each after `after_seconds` (machine time). `automatic`: a machine says it (out of
    office). `unsubscribe`: the channel's own way to say stop without words. A line that does nothing is silence.
    """

    say: tuple[str, ...] = ()
    when: str | None = None
    channel: str | None = None
    on: str | None = None
    press: str | None = None
    files: tuple[File, ...] = ()
    after_seconds: float = 0.5
    once: bool = False
    automatic: bool = False
    unsubscribe: bool = False
    subject: str | None = None
    """Of a new mail; without one an answer has that of the mail that it answers."""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody with an address by channel, who does the first line that fits, and where none fits stays silent."""

    name: str = ""
    addresses: Mapping[str, str] = {}
    lines: tuple[Line, ...] = ()

    def at(self, channel: str) -> str | None:
        """The address on a channel; a phone serves for WhatsApp, SMS and calls."""
        if channel in self.addresses:
            return self.addresses[channel]
        if channel not in PHONE_CHANNELS:
            return None
        return next((self.addresses[each] for each in PHONE_CHANNELS if each in self.addresses), None)


class Choice(msgspec.Struct, frozen=True):
    """A button or list row that was offered."""

    id: str
    title: str


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody was told on a channel, at one of their addresses.

    `id` is the emulator's own for the message (what an answer quotes), `account` our number or address it came from.
    """

    channel: str
    address: str
    text: str
    template: str | None = None
    subject: str | None = None
    id: str | None = None
    account: str | None = None
    choices: tuple[Choice, ...] = ()

    def offered(self, wanted: str) -> Choice | None:
        """The choice of that id or title."""
        return next((each for each in self.choices if wanted in (each.id, each.title)), None)


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that `person` does at the own `address` of a channel: exactly one of text, press, file, unsubscribe.

    `answers` is the message that it answers, else the last one that was heard on this channel; None where there is none.
    """

    person: Person
    address: str
    answers: Heard | None = None
    text: str | None = None
    press: Choice | None = None
    file: File | None = None
    unsubscribe: bool = False
    automatic: bool = False
    subject: str | None = None


def checked(person: Person) -> Person:
    """The same person. Raises ValueError for an expression that cannot be compiled, or a line that offers nothing to press."""
    for line in person.lines:
        try:
            re.compile(line.when or "")
        except re.error as error:
            raise ValueError(f"{line.when!r} is not a regular expression: {error}") from error
    return person


def address_key(address: str) -> str:
    """An address in whatever notation it came: a phone as digits, the rest in small letters; `*` stays."""
    return re.sub(r"\D", "", address) if re.fullmatch(r"\+?[\d\s()-]+", address) else address.lower()
