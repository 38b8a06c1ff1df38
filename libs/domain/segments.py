"""How an SMS is counted: its encoding, and the segments that every one of them is paid for.

Source: 3GPP TS 23.038 (the GSM 7-bit alphabet with its extension table, UCS-2) and TS 23.040 (the header of a part of a
longer message takes seven septets, or three UTF-16 units). No national language shift tables: carriers seldom take them.
"""

from typing import Literal

import msgspec

Encoding = Literal["gsm7", "ucs2"]

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The 7-bit alphabet without its escape character."""

EXTENDED = frozenset("\f^{}\\[~]|€")
"""What is written as an escape and a second septet."""

GSM7_SINGLE, GSM7_PART = 160, 153
"""Septets of a message that fits one segment, and of each part of a longer one."""

UCS2_SINGLE, UCS2_PART = 70, 67
"""The same in UTF-16 units."""


class Segments(msgspec.Struct, frozen=True):
    """What a text takes: `units` are septets (gsm7) or UTF-16 units (ucs2), `count` the segments that are paid for."""

    encoding: Encoding
    units: int
    count: int


def segments(text: str) -> Segments:
    """Count a text as carriers do. One character outside GSM-7 makes the whole of it UCS-2.

    No part ends within an escape sequence or a surrogate pair, so that a text may take one part more than division
    says. An empty text is one segment. A provider that breaks at words (AWS) may count more.
    """
    if is_gsm7(text):
        return _counted("gsm7", [2 if character in EXTENDED else 1 for character in text], GSM7_SINGLE, GSM7_PART)
    return _counted("ucs2", [2 if ord(character) > 0xFFFF else 1 for character in text], UCS2_SINGLE, UCS2_PART)


def is_gsm7(text: str) -> bool:
    """Whether the 7-bit alphabet can say it."""
    return BASIC.union(EXTENDED).issuperset(text)


def beyond_gsm7(text: str) -> str:
    """The characters, each once and in order, that make a text UCS-2."""
    return "".join(dict.fromkeys(character for character in text if not is_gsm7(character)))


def _counted(encoding: Encoding, widths: list[int], single: int, part: int) -> Segments:
    total = sum(widths)
    if total <= single:
        return Segments(encoding, total, 1)
    count, room = 1, part
    for width in widths:
        if width > room:
            count, room = count + 1, part
        room -= width
    return Segments(encoding, total, count)
