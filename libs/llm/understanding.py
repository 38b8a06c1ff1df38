"""Checks what Claude reported: unknown names are dropped and recorded, values are brought to one form or refused."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers

from events.values import FactOffer
from libs.llm.failures import BadOutput
from libs.llm.turn import (
    Confidence,
    Fact,
    IntentFound,
    Sentiment,
    SlotSaid,
    TurnRequest,
    Understanding,
)

EARLIEST = timedelta(days=400)
LATEST = timedelta(days=800)
LARGEST = Decimal(10) ** 13

T = TypeVar("T")

_LANGUAGES = {"english": "en", "hindi": "hi", "hinglish": "hi-Latn", "hi-en": "hi-Latn", "en-hi": "hi-Latn"}
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
_DIGITS = re.compile(r"[+]?\d{1,30}(\.\d{0,30})?|\.\d{1,30}")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[\w\u0900-\u097f]+")
_MOST_WORDS = 0.6
_UNKNOWN = "?"
"""No id: another contact's matter, or nothing."""


class ReportedIntent(msgspec.Struct, frozen=True):
    """One entry of `report_understanding.intents`."""

    name: str
    words: str = ""
    confidence: Confidence = "medium"
    about: str | None = None


class ReportedFact(msgspec.Struct, frozen=True):
    """One entry of `report_understanding.facts`."""

    name: str
    value: str
    words: str = ""
    about: str | None = None


class ReportedSlot(msgspec.Struct, frozen=True):
    """One entry of `report_understanding.slots`."""

    name: str
    value: str
    words: str = ""


class Report(msgspec.Struct, frozen=True):
    """The input of `report_understanding`."""

    language: str
    sentiment: Sentiment
    opt_out: bool
    intents: list[ReportedIntent] = []
    facts: list[ReportedFact] = []
    slots: list[ReportedSlot] = []
    breaks_off: bool = False
    opt_out_words: str | None = None


class WrittenReply(msgspec.Struct, frozen=True):
    """The input of `write_reply`."""

    text: str
    language: str = "und"


def understood(tool_input: Any, request: TurnRequest) -> Understanding:
    """The checked meaning of the unread messages; raises BadOutput where the input has not the tool's shape.

    What carries no words of an unread message is dropped: nobody said it.
    """
    report = _shaped(tool_input, Report, "report_understanding")
    said = _plain(" ".join(message.text for message in request.unread))
    dropped: list[str] = []
    return Understanding(
        intents=tuple(_intents(report, request, said, dropped)),
        facts=tuple(_facts(report, request, said, dropped)),
        language=language_tag(report.language, request.language),
        sentiment=report.sentiment,
        opt_out=report.opt_out,
        opt_out_words=report.opt_out_words if report.opt_out else None,
        slots=tuple(_slots(report, request, said, dropped)),
        breaks_off=report.breaks_off and bool(request.slots),
        dropped=tuple(dropped),
    )


def written(tool_input: Any, request: TurnRequest) -> tuple[str, str]:
    """The reply and its language; raises BadOutput for an empty reply."""
    reply = _shaped(tool_input, WrittenReply, "write_reply")
    text = reply.text.strip()
    if not text:
        raise BadOutput("write_reply: the text is empty; a message to the contact was asked for")
    return text, language_tag(reply.language, request.language)


def language_tag(reported: str, hint: str | None) -> str:
    """A BCP 47 tag in its usual case ("Hinglish" is `hi-Latn`); else the hint, else `und`."""
    name = reported.strip().lower().replace("_", "-")
    tag = _LANGUAGES.get(name, name)
    if not _TAG.match(tag):
        return hint or "und"
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(p.title() if len(p) == 4 else p.upper() if len(p) == 2 else p for p in rest)])


def _intents(report: Report, request: TurnRequest, said: str, dropped: list[str]) -> Iterable[IntentFound]:
    known = {intent.name for intent in request.intents}
    seen: set[tuple[str | None, str]] = set()
    for intent in report.intents:
        about = _about(intent.about, request)
        if intent.name not in known:
            dropped.append(f"intent {intent.name!r}: not among those offered")
        elif not _grounded(intent.words, said):
            dropped.append(f"intent {intent.name!r}: nobody wrote its words")
        elif about == _UNKNOWN:
            dropped.append(f"intent {intent.name!r}: about no matter of this conversation")
        elif (about, intent.name) not in seen:
            seen.add((about, intent.name))
            yield IntentFound(intent.name, intent.confidence, intent.words.strip(), about)


def _facts(report: Report, request: TurnRequest, said: str, dropped: list[str]) -> Iterable[Fact]:
    wanted = {fact.name: fact for fact in request.facts}
    seen: set[tuple[str | None, str]] = set()
    for fact in report.facts:
        about = _about(fact.about, request)
        if about == _UNKNOWN:
            dropped.append(f"fact {fact.name!r}: about no matter of this conversation")
            continue
        if fact.name not in wanted:
            dropped.append(f"fact {fact.name!r}: not among those wanted")
            continue
        if (about, fact.name) in seen:
            dropped.append(f"fact {fact.name!r}: stated twice, the first stands")
            continue
        if not _grounded(fact.words, said):
            dropped.append(f"fact {fact.name!r}: nobody wrote its words")
            continue
        try:
            value = _value(fact.value.strip(), wanted[fact.name], request)
        except ValueError as error:
            dropped.append(f"fact {fact.name!r}: {error}")
            continue
        seen.add((about, fact.name))
        words = fact.words.strip()
        yield Fact(fact.name, value, words, bool(words) and _plain(words) in said, about)


def _slots(report: Report, request: TurnRequest, said: str, dropped: list[str]) -> Iterable[SlotSaid]:
    known = {slot.name for slot in request.slots}
    seen: set[str] = set()
    for slot in report.slots:
        if slot.name not in known:
            dropped.append(f"slot {slot.name!r}: not among those offered")
        elif slot.name in seen:
            dropped.append(f"slot {slot.name!r}: stated twice, the first stands")
        elif not _grounded(slot.words, said):
            dropped.append(f"slot {slot.name!r}: nobody wrote its words")
        elif slot.value.strip():
            seen.add(slot.name)
            yield SlotSaid(slot.name, slot.value.strip(), slot.words.strip())


def _value(text: str, wanted: FactOffer, request: TurnRequest) -> str | int:
    match wanted.kind:
        case "date":
            return _plausible(_day(text), request).isoformat()
        case "datetime":
            moment = _moment(text, request)
            _plausible(moment.date(), request)
            return moment.isoformat(timespec="minutes")
        case "amount" | "number":
            return _number(text)
        case "phone":
            return _phone(text)
        case "email":
            if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
                raise ValueError("not an email address")
            return text
        case "choice":
            chosen = next((each for each in wanted.choices if each.casefold() == text.casefold()), None)
            if chosen is None:
                raise ValueError("none of its choices")
            return chosen
        case "reference" | "text":
            if not text:
                raise ValueError("empty")
            return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("not an ISO date (YYYY-MM-DD)") from None


def _moment(text: str, request: TurnRequest) -> datetime:
    zone = ZoneInfo(request.timezone)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    except (ValueError, OverflowError):
        raise ValueError("not an ISO date-time (YYYY-MM-DDTHH:MM)") from None


def _plausible(day: date, request: TurnRequest) -> date:
    today = request.local_now.date()
    if not today - EARLIEST <= day <= today + LATEST:
        raise ValueError(f"a date between {today - EARLIEST} and {today + LATEST} would be plausible")
    return day


def _number(text: str) -> str | int:
    digits = re.sub(r"[,\s₹]", "", text)
    if not _DIGITS.fullmatch(digits):  # 1e-999999999 is a number of a thousand million digits
        raise ValueError("not a number in digits")
    value = Decimal(digits)
    if value > LARGEST:
        raise ValueError(f"a number from 0 to {LARGEST:,} would be plausible")
    return int(value) if value == value.to_integral_value() else format(value.normalize(), "f")


def _phone(text: str) -> str:
    if sum(c.isdigit() for c in text) < 6:
        raise ValueError("not a telephone number")
    try:
        number = phonenumbers.parse(text, "IN")
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(number):
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _shaped(value: Any, shape: type[T], tool: str) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise BadOutput(f"{tool}: {error}") from None


def _about(reported: str | None, request: TurnRequest) -> str | None:
    """Which other matter an entry is about: None for the one in question, _UNKNOWN for one that is not open here."""
    named = (reported or "").strip()
    if not named or named == request.context.get("entity_id"):
        return None
    return named if named in request.other_matters else _UNKNOWN


def _grounded(words: str, said: str) -> bool:
    """Whether most of the words stand in what was said: a model may mend a letter, and may invent no sentence."""
    tokens = _WORD.findall(_plain(words))
    heard = set(_WORD.findall(said))
    return bool(tokens) and sum(token in heard for token in tokens) >= _MOST_WORDS * len(tokens)


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()
