"""Written text as it is spoken on the phone in India: amounts, dates, numbers and symbols in words, no markup.

A text becomes `Piece`s: what was written, and what is said for it, so that what was heard can be told in the written words.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from libs.domain import numerals
from libs.domain.call_lines import Language
from libs.domain.spoken_constructs import CONSTRUCT, DIGIT, NUM, SCALE


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and what is said for it, which may be nothing."""

    written: str
    said: str


def speakable(text: str, language: Language) -> str:
    """A whole text as it is spoken; `language` is for what its own words do not tell."""
    return "".join(piece.said for piece in pieces(text, language_in(text) or language))


def pieces(text: str, language: Language, *, begins: bool = True) -> Iterator[Piece]:
    """A text in parts; `begins`: it is the beginning of a line."""
    at = 0
    if begins and (counted := _COUNTED.match(text)):
        yield Piece(counted[0], "")
        at = counted.end()
    for found in CONSTRUCT.finditer(text, at):
        if found.start() > at:
            yield _plain(text[at : found.start()], begins=begins and not text[:at].strip())
        kind = found.lastgroup or ""
        yield Piece(found[0], _KINDS[kind](found, language))
        at = found.end()
    if at < len(text):
        yield _plain(text[at:], begins=begins and not text[:at].strip())


def language_in(text: str) -> Language | None:
    """The language of a text by its script and its small words; None where they do not tell."""
    if _DEVANAGARI.search(text):
        return "hi"
    said = re.findall(r"[a-z']+", text.lower())
    hinglish = sum(word in _HINGLISH for word in said)
    english = sum(word in _ENGLISH for word in said)
    if hinglish == english:
        return None
    return "hi-Latn" if hinglish > english else "en"


_DEVANAGARI = re.compile("[\u0900-\u0963\u0970-\u097f]")
_HINGLISH = frozenset(
    [
        "hai",
        "hain",
        "ka",
        "ke",
        "ki",
        "ko",
        "se",
        "aap",
        "aapka",
        "aapke",
        "aapki",
        "aapko",
        "nahi",
        "nahin",
        "kya",
        "kab",
        "tak",
        "kar",
        "kare",
        "karein",
        "karenge",
        "karna",
        "kijiye",
        "denge",
        "hum",
        "humein",
        "hamara",
        "hamare",
        "mera",
        "mere",
        "meri",
        "mein",
        "ho",
        "gaya",
        "gayi",
        "tha",
        "thi",
        "raha",
        "rahi",
        "rahe",
        "baaki",
        "baki",
        "theek",
        "haan",
        "bhi",
        "aur",
        "ya",
        "yeh",
        "ye",
        "woh",
        "wo",
        "aaj",
        "abhi",
        "kal",
        "dhanyavaad",
        "shukriya",
        "diya",
        "liya",
        "hua",
        "hui",
        "chahiye",
        "sakte",
        "rupaye",
    ]
)
_ENGLISH = frozenset(
    [
        "the",
        "is",
        "are",
        "was",
        "your",
        "our",
        "of",
        "by",
        "for",
        "and",
        "we",
        "you",
        "i",
        "will",
        "can",
        "could",
        "please",
        "this",
        "that",
        "it",
        "on",
        "in",
        "with",
        "have",
        "has",
        "when",
        "what",
        "as",
        "at",
        "from",
        "a",
        "an",
        "be",
        "been",
        "would",
        "may",
        "thank",
        "an",
        "any",
        "which",
        "invoice's",
    ]
)
MONTHS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sept sep", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_NAMES = {
    "hi": ["जनवरी", "फरवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर"],
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
}
_SCALES: Mapping[str, Mapping[str, str]] = {
    "crore": {"en": "crore", "hi-Latn": "crore", "hi": "करोड़"},
    "lakh": {"en": "lakh", "hi-Latn": "lakh", "hi": "लाख"},
    "thousand": {"en": "thousand", "hi-Latn": "hazaar", "hi": "हज़ार"},
    "million": {"en": "million", "hi-Latn": "million", "hi": "मिलियन"},
}
_SCALE_OF = {
    "crore": "crore", "crores": "crore", "cr": "crore", "करोड़": "crore", "lakh": "lakh", "lakhs": "lakh", "lac": "lakh",
    "lacs": "lakh", "लाख": "lakh", "k": "thousand", "thousand": "thousand", "hazaar": "thousand", "hazar": "thousand",
    "हज़ार": "thousand", "हजार": "thousand", "million": "million",
}  # fmt: skip
_CURRENCIES: Mapping[str, Mapping[str, str]] = {
    "$": {"en": "dollars", "hi-Latn": "dollar", "hi": "डॉलर"},
    "€": {"en": "euros", "hi-Latn": "euro", "hi": "यूरो"},
    "£": {"en": "pounds", "hi-Latn": "pound", "hi": "पाउंड"},
}
_RUPEES = {"en": "rupees", "hi-Latn": "rupaye", "hi": "रुपये"}
_PERCENT = {"en": "percent", "hi-Latn": "percent", "hi": "प्रतिशत"}
_TO = {"en": "to", "hi-Latn": "se", "hi": "से"}
_WRITTEN_OUT = {
    "rs": "rupees", "rs.": "rupees", "inr": "rupees", "pvt.": "private", "ltd.": "limited", "m/s": "Messrs", "m/s.": "Messrs",
    "a/c": "account", "no.": "number", "e.g.": "for example", "i.e.": "that is", "etc.": "and so on", "approx.": "about",
    "w/o": "without", "&": "and", "+": "plus", "=": "equals", "@": " at ", "%": "percent", "₹": "rupees",
}  # fmt: skip
_YEARS = range(1990, 2100)


def _plain(text: str, *, begins: bool) -> Piece:
    """Words as they are, without markup and symbols; a line's end is a pause."""
    said = _BULLET.sub("", text) if begins else text
    said = _LINE_BULLET.sub("\n", said)
    said = _LINE_END.sub(", ", said)
    said = said.replace("\n", " ").replace("—", ", ").replace(" – ", ", ").replace("…", "...")
    said = _SYMBOL.sub("", said)
    return Piece(text, re.sub(r" {2,}", " ", said))


_COUNTED = re.compile(r"\s*\d{1,2}[.)]\s+")
_BULLET = re.compile(r"^\s*[-*•]\s+|^#+\s*")
_LINE_BULLET = re.compile(r"\n\s*(?:[-*•]\s+|#+\s*)")
_LINE_END = re.compile(r"(?<=[^\s.,;:!?।])[ \t]*\n+\s*")
_SYMBOL = re.compile('[*_`#~|<>\\[\\]{}\\\\()"“”«»•→⇒✓✔\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]')


def _number(text: str) -> Decimal:
    return Decimal(_ascii(text).replace(",", ""))


def _ascii(text: str) -> str:
    return text.translate({0x966 + n: str(n) for n in range(10)})


def _amount(found: re.Match[str], language: Language) -> str:
    text = found[0]
    number = re.search(NUM, text)
    assert number is not None
    value = _number(number[0])
    rest = text[number.end() :]
    scale = re.search(SCALE, rest)
    symbol = text.strip()[0]
    minus = "minus " if "-" in text[: number.start()] else ""
    if scale:
        unit = _CURRENCIES.get(symbol, {}).get(language) or _RUPEES[language]
        name = _SCALES[_SCALE_OF[scale[0].lower()]][language]
        return f"{minus}{numerals.decimal(value, language, scaled=True)} {name} {unit}"
    if symbol in _CURRENCIES:
        return f"{minus}{numerals.decimal(value, language)} {_CURRENCIES[symbol][language]}"
    return minus + numerals.rupees(value, language)


def _date(year: int | None, month: int, day: int, language: Language, written: str) -> str:
    try:
        date(year or 2024, month, day)
    except ValueError:
        return numerals.digits(written, language)
    name = _NAMES["hi" if language == "hi" else "en"][month - 1]
    said = f"{numerals.ordinal(day)} of {name}" if language == "en" else f"{numerals.cardinal(day, language)} {name}"
    return f"{said} {numerals.year(year, language)}" if year else said


def _iso(found: re.Match[str], language: Language) -> str:
    year, month, day = (int(part) for part in _ascii(found[0])[:10].split("-"))
    return _date(year, month, day, language, found[0])


def _dmy(found: re.Match[str], language: Language) -> str:
    day, month, year = (int(part) for part in re.split(r"[/.-]", _ascii(found[0])))
    return _date(year, month, day, language, found[0])


def _day(found: re.Match[str], language: Language) -> str:
    parts = re.findall(r"\d+|[A-Za-z]{3,}", _ascii(found[0]))
    numbers = [int(part) for part in parts if part.isdecimal()]
    month = next(MONTHS[part.lower()] for part in parts if part.lower() in MONTHS)
    return _date(numbers[1] if len(numbers) > 1 else None, month, numbers[0], language, found[0])


def _time(found: re.Match[str], language: Language) -> str:
    hour, minute = (int(part) for part in re.findall(r"\d{1,2}", _ascii(found[0]))[:2])
    after = re.search(r"(?:[aApP]\.?[mM]\.?|baje|बजे)$", found[0])
    half = (after[0] if after else "").replace(".", "").lower()
    if language == "en":
        said = numerals.cardinal(hour, language)
        if minute:
            said += f" {'oh ' if minute < 10 else ''}{numerals.cardinal(minute, language)}"
        return f"{said} {half}".strip() if half else said + ("" if minute else " o'clock")
    baje = "बजे" if language == "hi" else "baje"
    shown = numerals.cardinal(hour % 12 or 12 if half in ("am", "pm") else hour, language)
    if minute == 30 and hour > 2:
        half_past = "साढ़े" if language == "hi" else "saadhe"
        return f"{half_past} {shown} {baje}"
    if minute:
        past = ("बजकर", "मिनट") if language == "hi" else ("bajkar", "minute")
        return f"{shown} {past[0]} {numerals.cardinal(minute, language)} {past[1]}"
    return f"{shown} {baje}"


def _phone(found: re.Match[str], language: Language) -> str:
    text = _ascii(found[0])
    plus = "plus " if text.startswith("+") else ""
    figures = re.sub(r"\D", "", text)
    groups = re.findall(r"\d+", text)
    if len(groups) < 2 or any(len(group) > 6 for group in groups):
        head, tail = figures[:-10], figures[-10:]
        groups = [*([head] if head else []), tail[:5], tail[5:]]
    return plus + ", ".join(numerals.digits(group, language) for group in groups)


def _code(found: re.Match[str], language: Language) -> str:
    return ", ".join(_of_code(group, language) for group in re.split(r"[/_-]", _ascii(found[0])) if group)


def _of_code(group: str, language: Language) -> str:
    """Digits one by one, but years; letters spelt, but a word."""
    if group.isdecimal():
        is_year = len(group) == 4 and int(group) in _YEARS
        return numerals.year(int(group), language) if is_year else numerals.digits(group, language)
    if group.isalpha() and len(group) > 3 and re.search("[aeiouAEIOU]", group):
        return group
    return " ".join(numerals.digits(each, language) if each.isdecimal() else each.upper() for each in group)


def _plain_number(found: re.Match[str], language: Language) -> str:
    text = _ascii(found[0])
    if text.isdecimal() and (len(text) > 1 and text.startswith("0")):
        return numerals.digits(text, language)
    if text.isdecimal() and len(text) == 4 and int(text) in _YEARS:
        return numerals.year(int(text), language)
    return numerals.decimal(_number(text), language)


def _scaled(found: re.Match[str], language: Language) -> str:
    number = re.match(NUM, found[0])
    assert number is not None
    scale = _SCALE_OF[found[0][number.end() :].strip().lower()]
    return f"{numerals.decimal(_number(number[0]), language, scaled=True)} {_SCALES[scale][language]}"


def _address(found: re.Match[str], language: Language) -> str:
    text = re.sub(r"^https?://|^www\.", "", found[0])
    for mark, name in (("@", " at "), (".", " dot "), ("/", " slash "), ("-", " dash "), ("_", " underscore ")):
        text = text.replace(mark, name)
    text = re.sub(r"\d+", lambda run: f" {numerals.digits(run[0], language)} ", text)
    return re.sub(r"\s+", " ", re.sub(r"[?&=#%:]", " ", text)).strip()


def _range(found: re.Match[str], language: Language) -> str:
    first, last = re.findall(rf"[{DIGIT}]+", found[0])
    return f"{numerals.cardinal(int(first), language)} {_TO[language]} {numerals.cardinal(int(last), language)}"


_KINDS: Mapping[str, Callable[[re.Match[str], Language], str]] = {
    "url": _address,
    "email": _address,
    "amount": _amount,
    "rupees": _amount,
    "iso": _iso,
    "dmy": _dmy,
    "day": _day,
    "month": _day,
    "time": _time,
    "phone": _phone,
    "percent": lambda found, language: (
        f"{numerals.decimal(_number(found[0].rstrip(' %')), language)} {_PERCENT[language]}"
    ),
    "ordinal": lambda found, _: numerals.ordinal(int(_ascii(found[0])[:-2])),
    "range": _range,
    "code": _code,
    "scaled": _scaled,
    "number": _plain_number,
    "word": lambda found, _: _WRITTEN_OUT[found[0].lower()],
}
