"""Words as the emulated Claude sees them: folded text, tokens, stems, number words in English and Hindi."""

import re

LETTER = r"[^\W_]|[\u0900-\u0963\u0966-\u097f]"
START = r"(?<![\w\u0900-\u0963\u0966-\u097f])"
END = r"(?![\w\u0900-\u0963\u0966-\u097f])"

_DIGITS = {0x0966 + n: str(n) for n in range(10)}
_WORD = re.compile(rf"(?:{LETTER})+(?:['’](?:{LETTER})+)?")
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "ied", "ies", "ed", "es", "s")
_IRREGULAR = {
    "deliveries": "deliver", "delivery": "deliver", "paid": "paid", "copies": "copy", "said": "say", "says": "say",
    "sent": "send", "received": "receive", "receives": "receive", "receipt": "receipt", "cancelled": "cancel",
    "cancellation": "cancel", "cancelling": "cancel", "invoices": "invoice", "invoiced": "invoice", "dates": "date",
    "pays": "pay", "paying": "pay", "payment": "pay", "payments": "pay", "days": "day", "goods": "goods",
    "dispatched": "dispatch", "disputes": "dispute", "disputed": "dispute", "disputing": "dispute",
    "promises": "promise", "promised": "promise", "replaced": "replace", "replacement": "replace",
    "damaged": "damage", "damages": "damage", "rescheduled": "reschedule", "rescheduling": "reschedule",
    "charged": "charge", "charges": "charge", "prices": "price", "pricing": "price", "quotes": "quote",
    "quotation": "quote", "delayed": "delay", "complaints": "complain", "complaint": "complain",
}  # fmt: skip

NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
    "ek": 1, "do": 2, "teen": 3, "tin": 3, "char": 4, "chaar": 4, "paanch": 5, "panch": 5, "chhe": 6, "chhah": 6,
    "che": 6, "saat": 7, "sat": 7, "aath": 8, "nau": 9, "das": 10, "dus": 10, "gyarah": 11, "barah": 12, "terah": 13,
    "chaudah": 14, "pandrah": 15, "solah": 16, "satrah": 17, "atharah": 18, "unnis": 19, "bees": 20, "bis": 20,
    "pachees": 25, "pachchis": 25, "tees": 30, "tis": 30, "paintees": 35, "chalees": 40, "chalis": 40, "paintalis": 45,
    "pachaas": 50, "pachas": 50, "saath": 60, "sattar": 70, "assi": 80, "nabbe": 90,
    "एक": 1, "दो": 2, "तीन": 3, "चार": 4, "पांच": 5, "पाँच": 5, "छह": 6, "छः": 6, "सात": 7, "आठ": 8, "नौ": 9, "दस": 10,
    "ग्यारह": 11, "बारह": 12, "पंद्रह": 15, "पन्द्रह": 15, "बीस": 20, "पच्चीस": 25, "तीस": 30, "चालीस": 40, "पचास": 50, "साठ": 60,
    "सत्तर": 70, "अस्सी": 80, "नब्बे": 90,
}  # fmt: skip


def folded(text: str) -> str:
    """Lower case and ASCII digits; every character keeps its place, so that spans fit the original."""
    return "".join(low if len(low := c.lower()) == 1 else c for c in text.translate(_DIGITS)).replace("’", "'")


def tokens(text: str) -> list[str]:
    """The words of a text, folded, in order; `snake_case` names give their parts."""
    return _WORD.findall(folded(text).replace("_", " "))


def stem(token: str) -> str:
    """A rough English stem: enough to let "delivering" meet "delivery"; other scripts stay as they are."""
    if token in _IRREGULAR:
        return _IRREGULAR[token]
    for ending in _ENDINGS:
        if token.endswith(ending) and len(token) - len(ending) >= 3 and not token.endswith("ss"):
            base = token.removesuffix(ending)
            if ending in ("ied", "ies"):
                return base + "y"
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "ls":
                base = base[:-1]
            return base
    return token


def stems(text: str) -> list[str]:
    """The stems of a text, in order."""
    return [stem(token) for token in tokens(text)]


def word_set(text: str) -> frozenset[str]:
    """The words between blanks, as they stand."""
    return frozenset(text.split())


def any_of(phrases: str) -> str:
    """A regular expression for one of the `|`-separated phrases; a blank in a phrase is any white space."""
    alternatives = sorted((p.strip() for p in phrases.split("|") if p.strip()), key=len, reverse=True)
    return "(?:" + "|".join(re.escape(p).replace(r"\ ", r"\s+") for p in alternatives) + ")"


def number_of(words: str) -> int | None:
    """A small whole number in digits or words."""
    return int(words) if words.isdigit() else NUMBER_WORDS.get(words)


NUMBER = rf"(?:\d{{1,3}}|{any_of('|'.join(NUMBER_WORDS))})"
