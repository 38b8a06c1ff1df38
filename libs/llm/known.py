"""What a reply may speak of: the words of the bundle, and values that are the whole of a field; never a text that others wrote."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from libs.llm.turn import TurnRequest, Understanding

THEIRS = ("extracted_info", "said", "slots")
"""The parts of a turn's context that the contact said."""
QUOTED = re.compile(r"«[^«»]*»")
"""What a prompt's template has quoted: a value that is a text of its own (libs.domain.sandbox)."""
ID = re.compile(r"(?<![\w@./-])(?P<prefix>[A-Za-z]{1,8})[-_/]?(?=[\w/-]*\d)[\w/-]*\d[\w-]*")

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_AMOUNT = re.compile(r"\s*(?:₹|rs\.?|inr|usd|\$)?\s*(\d[\d,]*(?:\.\d+)?)\s*(?:%|inr|usd|rupees|/-)?\s*", re.IGNORECASE)
_PAID = ("paid", "settled", "received", "confirmed", "closed", "completed", "refunded")
_MOST = 40


@dataclass(frozen=True, slots=True)
class Known:
    """What stands in the facts of a turn.

    `authored` is what the bundle, an operator or we ourselves wrote, `said` what the contact wrote, both folded. `fields`
    are values that are the whole of a field, folded, `names` the fields' names. `numbers` are the company's, `stated` the
    contact's.
    """

    authored: str
    said: str
    fields: frozenset[str]
    names: str
    numbers: frozenset[Decimal]
    stated: frozenset[Decimal]
    paid: bool

    @property
    def prefixes(self) -> frozenset[str]:
        """How the ids of the company begin: "inv" of INV-2026-0042."""
        return frozenset(m["prefix"] for field in self.fields if (m := ID.fullmatch(field)))

    @property
    def amounts(self) -> frozenset[Decimal]:
        """The company's numbers, and what is left of them after what the contact stated."""
        some = sorted(self.numbers, reverse=True)[:_MOST]
        less = sorted(self.numbers | self.stated, reverse=True)[:_MOST]
        return self.numbers | {one - other for one in some for other in less if one > other}

    def has(self, value: str) -> bool:
        """Whether a value stands in the bundle's words, or is a field of the facts."""
        return value in self.fields or value in self.authored


def known(request: TurnRequest, understanding: Understanding | None = None) -> Known:
    """Reads the facts of a turn; what was understood in it counts as said by the contact."""
    ours = {key: value for key, value in request.context.items() if key not in THEIRS}
    leaves = list(_leaves(ours))
    texts = sorted((value for _, value in leaves if isinstance(value, str) and len(value) > 3), key=len, reverse=True)
    step = QUOTED.sub(" ", request.instructions)
    for text in texts:
        step = step.replace(text, " ")
    lines = [line.text for line in request.history if line.role != "contact"]
    authored = folded("\n".join([step, request.persona, *lines, *(slot.ask or "" for slot in request.slots)]))
    said = folded("\n".join(line.text for line in (*request.history, *request.unread) if line.role == "contact"))
    theirs = [value for key in THEIRS for _, value in _leaves(request.context.get(key))]
    if understanding is not None:
        theirs += [*(fact.value for fact in understanding.facts), *(slot.value for slot in understanding.slots)]
    return Known(
        authored=authored,
        said=said,
        fields=frozenset(folded(str(value)) for _, value in leaves),
        names=folded(" ".join(name for name, _ in leaves)),
        numbers=frozenset(_numbers(value for _, value in leaves) | numbers_in(authored)),
        stated=frozenset(_numbers(theirs) | numbers_in(said)),
        paid=any(
            (name == "paid" and value is True)
            or (name in ("status", "state") and isinstance(value, str) and value in _PAID)
            for name, value in leaves
        ),
    )


def folded(text: str) -> str:
    """Small letters, ASCII digits, one kind of space."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().translate(_DIGITS)
    return " ".join(plain.split())


class _Digits(dict[int, str]):
    """The ASCII digit of each digit, found once; any other character as it is."""

    def __missing__(self, character: int) -> str:
        kept = chr(character)
        self[character] = kept = str(unicodedata.digit(kept)) if kept.isdigit() else kept
        return kept


_DIGITS = _Digits()


def numbers_in(text: str) -> set[Decimal]:
    """Every number of a folded text."""
    return {number for m in _NUMBER.finditer(text) if (number := _decimal(m[0])) is not None}


def _numbers(values: Any) -> set[Decimal]:
    """Values that are numbers or amounts as a whole."""
    found: set[Decimal] = set()
    for value in values:
        whole = _AMOUNT.fullmatch(folded(str(value))) if not isinstance(value, bool) else None
        if whole and (number := _decimal(whole[1])) is not None:
            found.add(number)
    return found


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, name)
    elif value is not None:
        yield name, value
