"""When a machine's answer says that its owner is back: the date that it names, in English, Hindi or Hinglish."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

READ = 2000
"""Characters of a text that are looked at: such answers are short, and what follows is a signature."""
HALF_A_YEAR = timedelta(days=182)

_MONTHS = tuple(
    names.split("|")
    for names in (
        "january|jan|जनवरी",
        "february|feb|फरवरी|फ़रवरी",
        "march|mar|मार्च",
        "april|apr|अप्रैल",
        "may|मई",
        "june|jun|जून",
        "july|jul|जुलाई",
        "august|aug|अगस्त",
        "september|sept|sep|सितंबर|सितम्बर",
        "october|oct|अक्टूबर|अक्तूबर",
        "november|nov|नवंबर|नवम्बर",
        "december|dec|दिसंबर|दिसम्बर",
    )
)
_DAYS = tuple(
    names.split("|")
    for names in (
        "monday|mon|somvaar|somwar|सोमवार",
        "tuesday|tue|tues|mangalvaar|mangalwar|मंगलवार",
        "wednesday|wed|budhvaar|budhwar|बुधवार",
        "thursday|thu|thurs|guruvaar|guruwar|गुरुवार|गुरूवार",
        "friday|fri|shukravaar|shukrawar|शुक्रवार",
        "saturday|sat|shanivaar|shaniwar|शनिवार",
        "sunday|sun|ravivaar|raviwar|रविवार",
    )
)


def _any(groups: tuple[list[str], ...]) -> str:
    return "|".join(sorted((name for group in groups for name in group), key=len, reverse=True))


_MONTH, _ORDINAL = rf"(?:{_any(_MONTHS)})\.?", r"(?:st|nd|rd|th)?"
_DATE = (
    r"(?:"
    r"\d{4}-\d{2}-\d{2}"
    r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{1,2}/\d{1,2}"
    rf"|\d{{1,2}}{_ORDINAL}[\s-]*(?:of\s+)?{_MONTH}(?:,?[\s-]*\d{{4}})?"
    rf"|{_MONTH}\s*\d{{1,2}}{_ORDINAL}(?:,?\s*\d{{4}})?"
    rf"|(?:{_any(_DAYS)})"
    r"|tomorrow)(?!\w)"
)
_NEAR = r"[^.!?\n]{0,30}?(?<!\w)"
_BACK = (
    rf"(?<!\w)(?:back|return(?:ing|s)?|resum(?:e|ing)|rejoin(?:ing)?|(?<!not )(?:available|reachable)){_NEAR}({_DATE})",
    rf"({_DATE})\s*(?:को|ko|से|se)\s*(?:फिर\s*|phir\s*)?(?:वापस|लौट|उपलब्ध|wapas|waapas|vapas|laut|available)",
)
_UNTIL = (
    rf"(?<!\w)(?:until|untill|till|til|up\s?to|through|thru)\s+(?:and including\s+)?{_NEAR}({_DATE})",
    rf"(?<!\w)from\s+[^.!?\n]{{1,30}}?\s*(?<!\w)(?:to|-|–)\s*({_DATE})",
    rf"({_DATE})\s*(?:तक|tak)(?!\w)",
)
_NAMED = re.compile(rf"(?P<day>\d{{1,2}})?{_ORDINAL}[\s-]*(?:of\s+)?(?P<month>{_MONTH})\s*(?P<after>\d{{1,2}}(?!\d))?")
_YEAR = re.compile(r"\d{4}")


@dataclass(frozen=True, slots=True)
class Return:
    """The contact is back on `day`, in the `words` of the answer."""

    day: date
    words: str


def returns(text: str, today: date) -> Return | None:
    """The date on which a machine's answer says that its owner is back; None where it names none after `today`.

    Days come before months (7/12 is 7 December), as India writes them. A day on which somebody is back goes before one until
    which they are away, and a later one before an earlier one.
    """
    shown = text[:READ]
    for patterns in (_BACK, _UNTIL):
        found = [each for pattern in patterns for each in _dates(pattern, shown, today) if each.day > today]
        if found:
            return max(found, key=lambda each: each.day)
    return None


def _dates(pattern: str, text: str, today: date) -> Iterator[Return]:
    for match in re.finditer(pattern, text, re.IGNORECASE):
        day = _day(match[1].lower(), today)
        if day is not None:
            yield Return(day, match[0].strip(" ."))


def _day(words: str, today: date) -> date | None:
    for n, names in enumerate(_DAYS):
        if words in names:
            return today + timedelta(days=(n - today.weekday() - 1) % 7 + 1)
    if words == "tomorrow":
        return today + timedelta(days=1)
    year = _YEAR.search(words)
    if (named := _NAMED.search(words)) is not None:
        month = next(n for n, names in enumerate(_MONTHS, 1) if named["month"].rstrip(".") in names)
        return _on(year and int(year[0]), month, int(named["day"] or named["after"] or 0), today)
    first, second, *last = (int(digits) for digits in re.findall(r"\d+", words))
    if first > 31:
        return _on(first, second, last[0], today)
    named_year = (last[0] if last[0] > 99 else 2000 + last[0]) if last else None
    return _on(named_year, second, first, today) or _on(named_year, first, second, today)


def _on(year: int | None, month: int, day: int, today: date) -> date | None:
    """The date; without a year the one that is nearest to today, and None where the calendar has no such day."""
    try:
        if year is not None:
            return date(year, month, day)
        found = date(today.year, month, day)
        return found if found >= today - HALF_A_YEAR else date(today.year + 1, month, day)
    except ValueError:
        return None
