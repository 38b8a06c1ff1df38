"""Dates and times in English, Hinglish and Hindi text, relative to a given now."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.sandbox.claude_text import END, NUMBER, START, any_of, folded, number_of


@dataclass(frozen=True, slots=True)
class DateFound:
    """A day (with the hour where one was said), the words that say so, and where they stand."""

    day: date
    at: time | None
    words: str
    start: int
    end: int


_MONTHS = (
    "january|jan|जनवरी", "february|feb|febuary|farvari|फरवरी|फ़रवरी", "march|mar|मार्च", "april|apr|अप्रैल", "may|mai|मई",
    "june|jun|जून", "july|jul|julai|जुलाई", "august|aug|अगस्त", "september|sept|sep|सितंबर|सितम्बर",
    "october|oct|अक्टूबर|अक्तूबर", "november|nov|नवंबर|नवम्बर", "december|dec|दिसंबर|दिसम्बर",
)  # fmt: skip
_WEEKDAYS = (
    "monday|mon|somvaar|somvar|somwar|somwaar|सोमवार",
    "tuesday|tues|tue|mangalvaar|mangalvar|mangalwar|मंगलवार",
    "wednesday|wed|budhvaar|budhvar|budhwar|बुधवार",
    "thursday|thurs|thu|guruvaar|guruvar|guruwar|brihaspativar|बृहस्पतिवार|गुरुवार|गुरूवार",
    "friday|fri|shukravaar|shukravar|shukrawar|शुक्रवार",
    "saturday|sat|shanivaar|shanivar|shaniwar|शनिवार",
    "sunday|sun|ravivaar|ravivar|raviwar|itvaar|itwar|itwaar|रविवार|इतवार",
)
MONTH_NUMBERS = {word: n for n, words in enumerate(_MONTHS, 1) for word in words.split("|")}
_WEEKDAY_NUMBER = {word: n for n, words in enumerate(_WEEKDAYS) for word in words.split("|")}

_MONTH = any_of("|".join(_MONTHS))
# "sat" is also seven and "mon", "sun", "wed" are words of their own: the short forms count in a date's company only.
_WEEKDAY = any_of("|".join(w for words in _WEEKDAYS for w in words.split("|") if w not in ("sat", "sun", "mon", "wed")))
_NEXT = any_of("next|agle|agli|agla|coming|अगले|अगली|अगला|आने वाले")
_BEFORE = r"(?:(?:by|before|on|till|until|upto|from|around|in|within)\s+(?:the\s+)?)?"
_AFTER = rf"(?:\s*{any_of('tak|se pehle|se pahle|ko|tarikh ko|tarikh tak|तक|को|से पहले|तारीख तक|तारीख को')}{END})?"
_PAST = re.compile(
    START
    + any_of(
        "paid|was|did|tha|thi|the|kiya|diya|kar diya|bhej diya|ho gaya|had|have|sent|made|done|transferred|"
        "था|थी|थे|किया|दिया|हो गया|भेजा|भेज दिया|कर दिया|चुका"
    )
    + END
    + r"(?!\s+(?:ja|जा))"
)
_HOURS = (
    ("subah|savere|morning|सुबह|सवेरे", time(10, 0)),
    ("dopahar|dopehar|noon|afternoon|दोपहर", time(14, 0)),
    ("shaam|sham|evening|eod|शाम", time(18, 0)),
    ("raat|rat ko|night|tonight|रात", time(20, 0)),
)
_PART_OF_DAY = any_of("|".join(words for words, _ in _HOURS))
_CLOCK = (
    rf"(?:(?:at|around|by|after)\s+)?\d{{1,2}}(?::\d{{2}})?\s*(?:am|pm|a\.m\.|p\.m\.|{any_of('baje|bje|o clock|बजे')})"
    rf"|(?:at|around|after)\s+\d{{1,2}}(?::\d{{2}})?(?!\s*[/%\d])"
)
_CLOCK_READ = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?")
_TIME = re.compile(rf"{START}(?:({_PART_OF_DAY})(?:\s*(?:ko|me|mein|में|को))?\s*,?\s*({_CLOCK})?|({_CLOCK})){END}")
_GAP = re.compile(r"[\s,]*(?:ko\s+|on\s+)?")
_TAIL = re.compile(_AFTER)

Reader = Callable[[re.Match[str], date, str], date | None]


def dates_in(text: str, now: datetime) -> list[DateFound]:
    """Every date said, in order. `now` is on the contact's clock; "kal" beside a past verb is yesterday.

    A day without a month or year is the next one to come; a weekday is the first after today, "next Friday" that of
    the next calendar week; "next week" is a week from now, a month's end its last day.
    """
    low = folded(text)
    times = list(_TIME.finditer(low))
    found: list[DateFound] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(low):
            if any(match.start() < f.end and f.start < match.end() for f in found):
                continue
            if (day := read(match, now.date(), low)) is not None:
                found.append(_with_time(text, low, day, match, times))
    found.extend(_time_alone(text, now, found, times))
    return sorted(found, key=lambda f: f.start)


def _with_time(text: str, low: str, day: date, match: re.Match[str], times: Sequence[re.Match[str]]) -> DateFound:
    start, end, at = match.start(), match.end(), None
    for said in times:
        if said.start() >= end and _GAP.fullmatch(low, end, said.start()):
            end, at = said.end(), _hour(said)
            tail = _TAIL.match(low, end)
            end = tail.end() if tail else end
        elif said.end() <= start and not low[said.end() : start].strip(" ,"):
            start, at = said.start(), _hour(said)
    words = text[start:end].strip()
    start = low.index(folded(words), start)
    return DateFound(day, at, words, start, start + len(words))


def _time_alone(
    text: str, now: datetime, found: list[DateFound], times: Sequence[re.Match[str]]
) -> Iterator[DateFound]:
    for said in times:
        if any(said.start() < f.end and f.start < said.end() for f in found):
            continue
        at = _hour(said)
        if at is None:
            continue
        day = now.date() if at > now.time() else now.date() + timedelta(days=1)
        yield DateFound(day, at, text[said.start() : said.end()].strip(), said.start(), said.end())


def _hour(said: re.Match[str]) -> time | None:
    part, clock = said.group(1), said.group(2) or said.group(3)
    usual = next((at for words, at in _HOURS if part and re.fullmatch(any_of(words), part)), None)
    read = _CLOCK_READ.search(clock) if clock else None
    if read is None:
        return usual
    hour, minute, half = int(read.group(1)), int(read.group(2) or 0), (read.group(3) or "").replace(".", "")
    afternoon = half == "pm" or (
        not half and ((usual is not None and usual.hour >= 14) or (usual is None and hour < 8))
    )
    if hour < 12 and afternoon:
        hour += 12
    elif hour == 12 and half == "am":
        hour = 0
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _safe(year: int, month: int, day: int) -> date | None:
    return date(year, month, day) if 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1] else None


def _coming(day: int, month: int, today: date) -> date | None:
    this_year = _safe(today.year, month, day)
    if this_year is not None and this_year >= today - timedelta(days=60):
        return this_year
    return _safe(today.year + 1, month, day) or this_year


def _iso(m: re.Match[str], today: date, low: str) -> date | None:
    return _safe(int(m["y"]), int(m["m"]), int(m["d"]))


def _numeric(m: re.Match[str], today: date, low: str) -> date | None:
    day, month = int(m["d"]), int(m["m"])
    if not m["y"]:
        return _coming(day, month, today)
    return _safe(int(m["y"]) + (2000 if len(m["y"]) == 2 else 0), month, day)


def _named_month(m: re.Match[str], today: date, low: str) -> date | None:
    day, month = int(m["d"]), MONTH_NUMBERS[m["month"]]
    return _safe(int(m["y"]), month, day) if m["y"] else _coming(day, month, today)


def _relative_day(m: re.Match[str], today: date, low: str) -> date | None:
    word = m["word"]
    if re.fullmatch(any_of("day after tomorrow|day after"), word):
        return today + timedelta(days=2)
    past = bool(_PAST.search(low[m.end() : m.end() + 40].split(".")[0]))
    if re.fullmatch(any_of("kal|kl|कल"), word):
        return today + timedelta(days=-1 if past else 1)
    if re.fullmatch(any_of("parso|parson|परसों|परसो"), word):
        return today + timedelta(days=-2 if past else 2)
    if word == "yesterday":
        return today - timedelta(days=1)
    if re.fullmatch(any_of("today|aaj|aaj hi|tonight|आज"), word):
        return today
    return today + timedelta(days=1)


def _weekday(m: re.Match[str], today: date, low: str) -> date | None:
    ahead = (_WEEKDAY_NUMBER[m["weekday"]] - today.weekday() - 1) % 7 + 1
    day = today + timedelta(days=ahead)
    same_week = day.isocalendar()[:2] == today.isocalendar()[:2]
    return day + timedelta(days=7) if m["next"] and same_week else day


def _in_days(m: re.Match[str], today: date, low: str) -> date | None:
    count = number_of(m["n"]) if m["n"] not in ("a", "an") else 1
    if count is None or count > 365:
        return None
    unit = m["unit"]
    if re.fullmatch(any_of("day|days|din|dino|dinon|दिन|दिनों"), unit):
        step = timedelta(days=count)
    elif re.fullmatch(any_of("week|weeks|hafte|hafta|hafton|हफ्ते|हफ़्ते|हफ्ता|सप्ताह"), unit):
        step = timedelta(weeks=count)
    else:
        return _months_on(today, count)
    return today - step if m["ago"] else today + step


def _months_on(today: date, count: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 + count, 12)
    return date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))


def _month_end(m: re.Match[str], today: date, low: str) -> date | None:
    day = _months_on(today.replace(day=1), 1 if m["next"] else 0)
    return day.replace(day=monthrange(day.year, day.month)[1])


def _day_of_next_month(m: re.Match[str], today: date, low: str) -> date | None:
    month = _months_on(today.replace(day=1), 1)
    return _safe(month.year, month.month, int(m["d1"] or m["d2"]))


def _week(m: re.Match[str], today: date, low: str) -> date | None:
    if m["next"]:
        return today + timedelta(days=7)
    return today + timedelta(days=max(0, 4 - today.weekday()))


def _weekend(m: re.Match[str], today: date, low: str) -> date | None:
    return today + timedelta(days=(5 - today.weekday()) % 7)


def _next_month(m: re.Match[str], today: date, low: str) -> date | None:
    return _months_on(today.replace(day=1), 1)


def _day_alone(m: re.Match[str], today: date, low: str) -> date | None:
    number = m["d1"] or m["d2"] or m["d3"]
    day = 1 if number is None else number_of(number)
    if day is None or not 1 <= day <= 31:
        return None
    month = today if day >= today.day else _months_on(today.replace(day=1), 1)
    return _safe(month.year, month.month, day)


def _pattern(core: str, before: str = _BEFORE, after: str = _AFTER) -> re.Pattern[str]:
    return re.compile(f"{START}{before}{core}{END}{after}")


_DAY = r"(?P<d>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<y>20\d\d))?"
_DATE_WORD = any_of("tarikh|tareekh|tarik|तारीख")
_THIS = any_of("this|is|iss|इस|the|ka|ke|of")
_END_OF = any_of("end|aakhir|akhir|aakhri|ant|आखिर|अंत|एंड")
_READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (_pattern(r"(?P<y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)"), _iso),
    (_pattern(r"(?P<d>\d{1,2})[/.-](?P<m>\d{1,2})[/.-](?P<y>(?:20)?\d\d)"), _numeric),
    (_pattern(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})(?P<y>)"), _numeric),
    (_pattern(rf"{_DAY}\s*(?:of\s+)?(?P<month>{_MONTH}){_YEAR}"), _named_month),
    (_pattern(rf"(?P<month>{_MONTH})\s+{_DAY}{_YEAR}"), _named_month),
    (_pattern(rf"(?:{_NEXT}\s+(?:month|mahine|महीने)\s+(?:ki\s+|की\s+)?(?P<d1>[0-3]?\d)(?:\s*{_DATE_WORD})?"
              rf"|(?P<d2>[0-3]?\d)(?:st|nd|rd|th)?\s+(?:of\s+)?{_NEXT}\s+month)"), _day_of_next_month),
    (_pattern(rf"(?:(?:(?P<next>{_NEXT})|{_THIS})\s+)*(?:month|mahine|mahina|महीने|माह)[\s-]*(?:ke\s+|ka\s+|के\s+)?{_END_OF}"
              rf"(?:\s+(?:mein|me|में))?"), _month_end),
    (_pattern(rf"{_END_OF}\s+of\s+(?:the\s+|this\s+)?(?:(?P<next>{_NEXT})\s+)?month"), _month_end),
    (_pattern(r"(?P<next>)(?:eom)"), _month_end),
    (_pattern(f"(?P<word>{any_of('day after tomorrow|day after|tomorrow|tmrw|tmr|today|tonight|yesterday')})"),
     _relative_day),
    (_pattern(f"(?P<word>{any_of('kal|kl|aaj|aaj hi|parso|parson|कल|आज|परसों|परसो')})"), _relative_day),
    (_pattern(rf"(?:(?:(?P<next>{_NEXT})|{any_of('this|is|iss|इस')})\s+)?(?P<weekday>{_WEEKDAY})"), _weekday),
    (_pattern(rf"(?P<n>{NUMBER}|an?)\s*(?:working\s+|business\s+)?(?P<unit>{any_of('day|days|din|dino|dinon|week|weeks|hafte|hafta|hafton|month|months|mahine|दिन|दिनों|हफ्ते|हफ़्ते|हफ्ता|सप्ताह|महीने')})"
              rf"(?:\s+(?P<ago>{any_of('ago|pehle|pahle|पहले')})|\s*{any_of('mein|me|main|baad|ke baad|ke andar|later|time|में|बाद|के अंदर')})?"),
     _in_days),
    (_pattern(rf"(?:(?P<next>{_NEXT})|{any_of('this|is|iss|इस')})\s+(?:week|hafte|hafta|हफ्ते|हफ़्ते|सप्ताह)"), _week),
    (_pattern(rf"(?:(?:this|the|is)\s+)?{any_of('weekend|week end')}"), _weekend),
    (_pattern(rf"{_NEXT}\s+(?:month|mahine|महीने)"), _next_month),
    (_pattern(rf"(?:(?P<d1>{NUMBER})(?:st|nd|rd|th)?\s*{_DATE_WORD}|(?:pehli|pahli|पहली)\s+{_DATE_WORD}"
              rf"|(?P<d2>[0-3]?\d)(?=\s*(?:tak|se pehle|ko|तक|को){END})|(?:(?<=by )|(?<=on )|(?<=the ))(?P<d3>[0-3]?\d)(?:st|nd|rd|th))"),
     _day_alone),
)  # fmt: skip
