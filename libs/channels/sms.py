"""What may be said by SMS: in India only registered texts (DLT), elsewhere what the configuration allows.

Source: TCCCPR 2018 and the operators' DLT portals. A body must be the registered text byte for byte but for its variables;
a variable takes 30 characters at most (support.kaleyra.com 3000105308, docs.localmail.io DLT FAQ), and links only to
registered addresses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from libs.channels.outcome import Refused
from libs.channels.whatsapp_address import e164
from libs.domain.segments import segments

INDIA = "+91"
LONGEST_VARIABLE = 30
"""Characters that a variable of a registered text may have, in any script."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINK = re.compile(r"(?:https?://|www\.)\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE)
_SCHEME = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A text as it is registered: under which DLT ids, and how it reads with these variables in their places."""

    entity_id: str
    template_id: str
    filled: str
    variables: Mapping[str, str]
    promotional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration allows: at most so many segments, links that begin so, free text to numbers that begin so."""

    max_segments: int
    links: tuple[str, ...] = ()
    free_text_to: tuple[str, ...] = ()

    def take_free_text(self, to: str) -> bool:
        """Whether `to` (E.164) may be written to in free words; never in India."""
        return not to.startswith(INDIA) and to.startswith(self.free_text_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An SMS that may be sent, to a number in E.164; `reference` is our own id for it."""

    to: str
    text: str
    reference: str
    registered: Registered | None = None

    @property
    def unicode(self) -> bool:
        """Whether it is sent as UCS-2."""
        return segments(self.text).encoding == "ucs2"


def admit(text: str, *, to: str, reference: str, registered: Registered | None, rules: Rules) -> Message | Refused:
    """The message, or why it may not be sent: what operators would drop for certain is refused before it costs anything."""
    number = e164(to)
    if number is None:
        return Refused("no_phone", "the recipient is no phone in E.164", "contact")
    if not text.strip():
        return Refused("empty", "the text is empty", "message")
    if registered is None and not rules.take_free_text(number):
        where = "in India" if number.startswith(INDIA) else "to this country"
        return Refused("free_text", f"only a registered text may be sent by SMS {where}: name a template", "message")
    if registered is not None and (problem := _unregistered(text, registered, rules.links)) is not None:
        return problem
    count = segments(text).count
    if count > rules.max_segments:
        reason = f"it takes {count} segments, {rules.max_segments} are allowed (max_segments)"
        return Refused("too_long", reason, "message")
    return Message(to=number, text=text, reference=reference, registered=registered)


def _unregistered(text: str, registered: Registered, links: tuple[str, ...]) -> Refused | None:
    if text != registered.filled:
        reason = "the text is not the registered one with its variables filled: the template was changed meanwhile"
        return Refused("not_as_registered", reason, "message")
    for name, value in registered.variables.items():
        if (problem := _unfit(value, links)) is not None:
            return Refused("variable", f"the variable {name!r} {problem}", "message")
    return None


def _unfit(value: str, links: tuple[str, ...]) -> str | None:
    """What the operators would not take in a variable; None where it fits."""
    if not value.strip():
        return "is empty"
    if len(value) > LONGEST_VARIABLE:
        return f"has {len(value)} characters; DLT takes {LONGEST_VARIABLE}"
    if _CONTROL.search(value):
        return "has a line break or another control character"
    if any(not _allowed(link, links) for link in _LINK.findall(value)):
        return "has a link that is not registered (links)"
    return None


def _allowed(link: str, links: tuple[str, ...]) -> bool:
    """Whether a link begins with an allowed one, up to the end of a part of it."""
    bare = _SCHEME.sub("", link)
    for each in links:
        start = _SCHEME.sub("", each)
        rest = bare[len(start) :]
        if bare.lower().startswith(start.lower()) and (not rest or start.endswith("/") or rest[0] in "/?#"):
            return True
    return False
