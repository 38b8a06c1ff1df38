"""Amounts, quantities, references, telephone numbers and addresses in English, Hinglish and Hindi text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from services.sandbox.claude_text import END, NUMBER_WORDS, START, any_of, folded

ValueKind = Literal["amount", "number", "reference", "phone", "email"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ValueFound:
    """A value as a tool input wants it (digits only for amounts), the words that say so, and where they stand."""

    kind: ValueKind
    value: str
    words: str
    start: int
    end: int


_SCALES = {
    "crore|crores|cr|karod|karor|करोड़|करोड": 10_000_000,
    "lakh|lakhs|lac|lacs|lk|लाख": 100_000,
    "thousand|hazaar|hazar|hajaar|hajar|k|हज़ार|हजार": 1_000,
    "hundred|sau|सौ": 100,
    "million": 1_000_000,
}
_SCALE = any_of("|".join(_SCALES))
_FRACTIONS = {
    "dedh": "1.5",
    "डेढ़": "1.5",
    "dhai": "2.5",
    "adhai": "2.5",
    "ढाई": "2.5",
    "aadha": "0.5",
    "आधा": "0.5",
    "half a": "0.5",
    "sava": "1.25",
    "सवा": "1.25",
    "paune": "0.75",
    "पौने": "0.75",
}
_LEADS = {"sava": "0.25", "सवा": "0.25", "saade": "0.5", "sadhe": "0.5", "साढ़े": "0.5", "paune": "-0.25", "पौने": "-0.25"}
_DIGITS = r"\d{1,3}(?:,\d{2,3})+(?:\.\d{1,2})?|\d+(?:\.\d+)?"
_WORDS = any_of("|".join([*NUMBER_WORDS, *_FRACTIONS]))
_ONE = rf"(?:(?:{any_of('|'.join(_LEADS))})\s+)?(?:{_DIGITS}|{_WORDS})"
_SCALED = rf"{_ONE}\s*{_SCALE}{END}(?:\s+(?:{_ONE})\s*{_SCALE}{END})*"
_CURRENCY = r"(?:₹|rs\.?|inr|rupees?|rupay|रु\.?|रुपये|\$|usd)"
_CURRENCY_AFTER = any_of("rs|inr|rupees|rupee|rupaye|rupay|rupye|/-|bucks|रुपये|रुपए|रु|dollars|only")

_AMOUNTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\w){_CURRENCY}\s*(?P<amount>{_SCALED}|{_DIGITS})(?:\s*/-)?",
        rf"{START}(?P<amount>{_SCALED})(?:\s*{_CURRENCY_AFTER}{END})?",
        rf"{START}(?P<amount>{_DIGITS})\s*(?:/-|{_CURRENCY_AFTER}{END})",
        rf"{START}(?P<amount>\d{{1,3}}(?:,\d{{2,3}})+(?:\.\d{{1,2}})?|\d{{3,8}}(?:\.\d{{1,2}})?){END}(?!\s*[/-]\d)",
    )
)
_PART = re.compile(
    rf"(?:(?P<lead>{any_of('|'.join(_LEADS))})\s+)?(?P<one>{_DIGITS}|{_WORDS})\s*(?P<scale>{_SCALE}{END})?"
)
_LABEL = any_of(
    "utr|utr no|utr number|ref|ref no|reference|reference no|reference number|txn|txn id|transaction id|transaction no|"
    "transaction|cheque no|cheque number|check no|cheque|awb|awb no|awb number|tracking no|tracking number|tracking id|"
    "docket no|docket|order no|order id|po|po no|po number|neft|rtgs|imps|upi ref|upi|यूटीआर|रेफरेंस"
)
_LABELLED = re.compile(
    rf"{START}{_LABEL}{END}\s*(?:no\.?|number|id)?\s*(?:is|hai|:|#|-|है)?\s*"
    r"(?P<value>(?=[a-z0-9/-]*\d)[a-z0-9](?:[a-z0-9/-]{3,28}[a-z0-9]))"
)
_BARE_REFERENCE = re.compile(rf"{START}(?P<value>(?=(?:[a-z]*\d){{6}})(?=\d*[a-z])[a-z0-9]{{10,24}}|\d{{12,22}}){END}")
_PHONE = re.compile(r"(?<![\w+])(?P<value>(?:\+\d{1,3}[\s-]?)?(?:0)?[6-9]\d{4}[\s-]?\d{5})(?!\w)")
_EMAIL = re.compile(r"(?<![\w.+-])(?P<value>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
_QUANTITY = re.compile(
    rf"{START}(?P<value>\d{{1,6}}|{_WORDS})\s*(?:{any_of('pcs|pieces|piece|units|unit|boxes|box|bags|bag|cartons|carton|kg|kgs|tons|ton|litres|dozen|nos|items|item|peti|bori|nag|नग|पेटी|बोरी|किलो|पीस')}){END}"
)


def values_in(text: str, taken: Sequence[Span] = ()) -> list[ValueFound]:
    """Every value said, in order; spans in `taken` (dates) are left alone.

    A bare number counts as an amount from 100 on; a bare ten-digit number is a telephone number, twelve and more
    digits, or digits mixed with letters, a reference.
    """
    low = folded(text)
    found: list[ValueFound] = []

    def add(kind: ValueKind, start: int, end: int, value: str) -> None:
        spans: Iterable[Span] = [*taken, *((f.start, f.end) for f in found)]
        if not any(start < e and s < end for s, e in spans):
            found.append(ValueFound(kind, value, text[start:end].strip(), start, end))

    for m in _EMAIL.finditer(low):
        add("email", *m.span(), text[m.start("value") : m.end("value")].rstrip("."))
    for m in _LABELLED.finditer(low):
        add("reference", *m.span(), text[m.start("value") : m.end("value")])
    for m in _PHONE.finditer(low):
        add("phone", *m.span(), re.sub(r"[\s-]", "", m["value"]))
    for m in _BARE_REFERENCE.finditer(low):
        add("reference", *m.span(), text[m.start("value") : m.end("value")])
    for m in _QUANTITY.finditer(low):
        add("number", *m.span(), str(_one(m["value"])))
    for pattern in _AMOUNTS:
        for m in pattern.finditer(low):
            add("amount", *m.span(), _plain(_amount(m["amount"])))
    return sorted(found, key=lambda f: f.start)


def _amount(words: str) -> Decimal:
    total = Decimal(0)
    for part in _PART.finditer(words):
        value = _one(part["one"]) + Decimal(_LEADS.get(part["lead"] or "", "0"))
        scale = next((n for names, n in _SCALES.items() if part["scale"] in names.split("|")), 1)
        total += value * scale
    return total


def _one(word: str) -> Decimal:
    if word in NUMBER_WORDS:
        return Decimal(NUMBER_WORDS[word])
    return Decimal(_FRACTIONS.get(word) or word.replace(",", ""))


def _plain(value: Decimal) -> str:
    return format(value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize(), "f")
