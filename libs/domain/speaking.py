"""Speech while it is being written: tokens become speakable text as soon as they may, and what was heard is told in written words.

A number that is not whole yet ("52," + "400") is held, and what may belong to it ("20" + " February"); words are not.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from libs.domain.call_lines import DEFAULT, Language
from libs.domain.spoken import MONTHS, Piece, language_in, pieces

_TAKES_PART = (
    *MONTHS,
    "rs",
    "inr",
    "pvt",
    "ltd",
    "no",
    "m/s",
    "a/c",
    "e.g",
    "i.e",
    "etc",
    "approx",
    "w/o",
    "https",
    "www",
)
"""Words that may begin something that is spoken otherwise."""
_GOES_ON = (
    *MONTHS, "of", "crore", "crores", "cr", "lakh", "lakhs", "lac", "lacs", "thousand", "hazaar", "hazar", "million",
    "rupees", "rupee", "rupaye", "rupay", "inr", "rs", "am", "pm", "a.m", "p.m", "baje",
    "करोड़", "लाख", "हज़ार", "हजार", "रुपये", "रुपए", "बजे",
)  # fmt: skip
"""Words that may go on with a number."""
_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.?!।][\"'”’)]*\s*$")


@dataclass(slots=True)
class Writing:
    """An answer in the making. `most_words`: after so many, nothing more is said from the next sentence on."""

    language: Language = DEFAULT
    most_words: int | None = None
    _rest: str = ""
    _before: str = ""
    _words: int = 0
    _full: bool = False
    _begins: bool = True

    def add(self, token: str) -> list[Piece]:
        """What can be said now."""
        self._rest += token
        return self._release(_settled(self._rest))

    def end(self) -> list[Piece]:
        """What is left to say."""
        return self._release(len(self._rest))

    def _release(self, size: int) -> list[Piece]:
        text, self._rest = self._rest[:size], self._rest[size:]
        if not text:
            return []
        self._before = (self._before + text)[-400:]
        language = language_in(self._before) or self.language
        found = [self._limited(piece) for piece in pieces(text, language, begins=self._begins)]
        self._begins = text.endswith("\n")
        return found

    def _limited(self, piece: Piece) -> Piece:
        if self._full:
            return Piece("", "")
        self._words += len(piece.said.split())
        if self.most_words is not None and self._words >= self.most_words:
            self._full = bool(_SENTENCE_END.search(piece.said))
        return piece


def _settled(text: str) -> int:
    """How much of a text that is still being written can be spoken already."""
    held: int | None = None
    for found in _WORD.finditer(text):
        word, over = found[0], found.end() < len(text)
        if held is not None and not _goes_on(word, over=over):
            held = None
        if held is None and _takes_part(word, over=over):
            held = found.start()
        if held is not None and _ended(word, over=over):
            held = None
    return len(text) if held is None else held


def _takes_part(word: str, *, over: bool) -> bool:
    """Whether a word, whole when `over`, may be or begin something that is spoken otherwise."""
    bare = word.strip(".,;:!?।()\"'*").lower()
    if any(each.isdecimal() or each in "₹$€£%@/&+=" for each in word):
        return True
    if over:
        return bare in _TAKES_PART and word[0].isupper()
    if not bare:
        return not word.isspace() and not all(mark in ".,;:!?।" for mark in word)
    may_be_code = word.isascii() and word.isupper() and word != "I"
    return may_be_code or any(
        each.startswith(bare) for each in _TAKES_PART if word[0].isupper() or "." in each or "/" in each
    )


def _goes_on(word: str, *, over: bool) -> bool:
    """Whether a word, whole when `over`, may go on with the number before it."""
    bare = word.strip(".,;:!?।()").lower()
    if any(each.isdecimal() for each in word) or bare in ("-", "–", "/-", "%"):
        return True
    return bare in _GOES_ON if over else any(each.startswith(bare) for each in _GOES_ON)


def _ended(word: str, *, over: bool) -> bool:
    """Whether nothing goes on after a word by its own mark; a point may be a decimal one while it is the last."""
    return word[-1] in "?!।;" or (over and word[-1] == "." and not word[:-1].lower().endswith(_TAKES_PART))


@dataclass(slots=True)
class Utterance:
    """What one speech of ours says, in order, and how much of it has been heard."""

    pieces: list[Piece] = field(default_factory=list)
    _heard: int = 0

    def add(self, piece: Piece) -> None:
        """More of it is going to be said."""
        if piece.written or piece.said:
            self.pieces.append(piece)

    def hear(self, said: str) -> None:
        """More of it has been played, as it was spoken: counted by letters, however it is cut into words."""
        self._heard += letters(said)

    def hear_all(self) -> None:
        """It has been played to its end."""
        self._heard = sum(letters(piece.said) for piece in self.pieces)

    def cut(self) -> None:
        """Nothing more of it will be heard: of what was said half, the half stays."""
        left, kept = self._heard, list[Piece]()
        for piece in self.pieces:
            size = letters(piece.said)
            if size > left:
                part = _prefix(piece.said, left) if left else ""
                kept += [Piece(part, part)] if part else []
                break
            kept, left = [*kept, piece], left - size
        self.pieces = kept
        self.hear_all()

    @property
    def written(self) -> str:
        """All of it, as it was written."""
        return "".join(piece.written for piece in self.pieces).strip()

    @property
    def heard(self) -> str:
        """What was heard: as it was written, and of an amount that was cut off the words that were heard of it."""
        whole, rest, cut = self._cut()
        return (whole + _prefix(cut.said, rest)).strip() if cut is not None and rest else whole.strip()

    @property
    def understood(self) -> str:
        """The beginning of what was written that was heard; an amount counts when it was heard to its end."""
        whole, rest, cut = self._cut()
        if cut is not None and rest and cut.written == cut.said:
            whole += _prefix(cut.written, rest)
        return whole.strip()

    def _cut(self) -> tuple[str, int, Piece | None]:
        """What was heard whole, and how many letters of which piece beyond it."""
        whole, left = "", self._heard
        for piece in self.pieces:
            size = letters(piece.said)
            if size > left:
                return whole, left, piece
            whole, left = whole + piece.written, left - size
        return whole, 0, None


def letters(text: str) -> int:
    """How many letters and digits a text has; vowel signs count."""
    return sum(each.isalnum() or unicodedata.category(each)[0] == "M" for each in text)


def _prefix(text: str, size: int) -> str:
    """The beginning of a text with so many letters, to the end of its word's marks."""
    left = size
    for n, each in enumerate(text):
        if each.isalnum() or unicodedata.category(each)[0] == "M":
            if left == 0:
                return text[:n]
            left -= 1
        elif left == 0 and each.isspace():
            return text[:n]
    return text
