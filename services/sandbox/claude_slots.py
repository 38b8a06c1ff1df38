"""What the emulated Claude makes of the slots that a request offers: answers, corrections, and the question that is next."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from services.sandbox.claude_dates import MONTH_NUMBERS, DateFound
from services.sandbox.claude_text import END, NUMBER, START, any_of, folded, number_of, stems
from services.sandbox.understanding import Message


@dataclass(frozen=True, slots=True)
class Offered:
    """A line of <slots>."""

    name: str
    type: str
    required: bool = True
    choices: tuple[str, ...] = ()
    ask: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A slot that the messages answer or correct."""

    name: str
    value: str
    words: str


@dataclass(slots=True)
class _Taking:
    """The answers so far; a slot that is answered is open no more."""

    offered: Sequence[Offered]
    found: dict[str, Answered] = field(default_factory=dict)

    def take(self, kind: str, value: str, words: str, *, corrects: bool) -> None:
        """Give a value to the first open slot of its kind; a correction, and what no slot is open for, to one that has one."""
        fitting = [slot for slot in self.offered if slot.type == kind]
        still_open = [slot for slot in fitting if slot.value is None and slot.name not in self.found]
        known = [slot for slot in fitting if slot.value is not None]
        order = [*known[-1:], *still_open] if corrects else [*still_open[:1], *known[-1:]]
        if order:
            self.found[order[0].name] = Answered(order[0].name, value, words)


_CORRECTS = re.compile(
    START
    + any_of(
        "i meant|i mean|meant|actually|instead|sorry|correction|change it to|make it|not that|wrong|galat|matlab|mera matlab|"
        "balki|nahi nahi|no no|no|nahi|nahin|नहीं|गलत|मतलब|बल्कि"
    )
    + END
)
_BREAKS_OFF = re.compile(
    START
    + any_of(
        "leave it|forget it|never mind|nevermind|stop asking|no more questions|rehne do|rehne dijiye|rahne do|rahne dijiye|"
        "chhodo|chodo|chhod do|jaane do|jane do|रहने दो|रहने दीजिए|छोड़ो|जाने दो"
    )
    + END
)
_MONTH_ALONE = re.compile(rf"{START}(?P<month>{any_of('|'.join(MONTH_NUMBERS))}){END}")
_DAY_ALONE = re.compile(r"[^\d]*(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?!\d)[^\d]*")
_SMALL_NUMBER = re.compile(rf"{START}(?P<number>{NUMBER}){END}")
_YES_NO = {
    "yes": any_of("yes|yeah|yep|sure|ok|okay|haan|han|ji|ji haan|bilkul|theek hai|हाँ|हां|जी"),
    "no": any_of("no|nope|nahi|nahin|na|नहीं|ना"),
}


def offered(lines: str) -> tuple[Offered, ...]:
    """The slots of a request, one JSON object a line."""
    return tuple(msgspec.json.decode(line, type=_Line).slot() for line in lines.splitlines() if line.strip())


def answers(messages: Sequence[Message], slots: Sequence[Offered], agent_said: str | None) -> list[Answered]:
    """What the messages say of the slots, each once; the newest message counts. `agent_said` is the agent's last line."""
    taking = _Taking(slots)
    for message in messages:
        corrects = _CORRECTS.search(folded(message.honest)) is not None
        before = len(taking.found)
        for kind, value, words in _values(message, slots):
            taking.take(kind, value, words, corrects=corrects)
        if len(taking.found) == before and not breaks_off([message]):
            _free_text(message, taking, agent_said)
    return list(taking.found.values())


def breaks_off(messages: Sequence[Message]) -> bool:
    """Whether the contact will not go on with the questions."""
    return any(_BREAKS_OFF.search(folded(message.honest)) for message in messages)


def question(slots: Sequence[Offered], answered: Sequence[Answered]) -> str | None:
    """The question for the first required slot that is still open; None when there is none."""
    known = {answer.name for answer in answered}
    still_open = [slot for slot in slots if slot.value is None and slot.name not in known]
    first = next((slot for slot in still_open if slot.required), None)
    first = first or next((slot for slot in still_open if slot.ask), None)
    return (first.ask or f"{first.name.replace('_', ' ')}?") if first else None


class _Line(msgspec.Struct):
    name: str
    type: str = "text"
    required: bool = True
    choices: list[str] = []
    ask: str | None = None
    value: Any = None

    def slot(self) -> Offered:
        return Offered(self.name, self.type, self.required, tuple(self.choices), self.ask, self.value)


def _values(message: Message, slots: Sequence[Offered]) -> Iterator[tuple[str, str, str]]:
    """The typed values of a message: kind of slot, value, words."""
    low = folded(message.honest)
    known = next((slot for slot in reversed(slots) if slot.type == "date" and slot.value is not None), None)
    corrected = _part_of_date(low, message.dates, known.value if known else None)
    if corrected is not None:
        yield "date", corrected, message.honest.strip()
    else:
        for said in message.dates:
            yield "date", said.day.isoformat(), said.words
    for value in message.values:
        if value.kind in ("amount", "number"):
            yield "amount", value.value, value.words
        elif value.kind == "phone":
            yield "phone", value.value, value.words
    amounts = any(value.kind in ("amount", "number") for value in message.values)
    if not amounts and not message.dates and any(slot.type == "amount" for slot in slots):
        for match in list(_SMALL_NUMBER.finditer(low))[:1]:
            yield "amount", str(number_of(match["number"])), match[0]
    for slot in slots:
        if slot.type == "choice" and (choice := chosen(low, slot.choices)):
            yield "choice", choice[0], choice[1]


def _part_of_date(low: str, dates: Sequence[DateFound], known: Any) -> str | None:
    """A date that was given before, with another month or another day, where only that was said."""
    try:
        before = date.fromisoformat(str(known))
    except ValueError:
        return None
    if not dates and _CORRECTS.search(low) and (month := _MONTH_ALONE.search(low)):
        return _moved(before, month=MONTH_NUMBERS[month["month"]])
    if len(dates) == 1 and _CORRECTS.search(low) and not _MONTH_ALONE.search(low):
        said = folded(dates[0].words)
        if (day := _DAY_ALONE.fullmatch(said)) and re.search(r"\d", said):
            return _moved(before, day=int(day["day"]))
    return None


def _moved(before: date, **part: int) -> str | None:
    try:
        return before.replace(**part).isoformat()
    except ValueError:
        return None


def chosen(low: str, choices: Sequence[str]) -> tuple[str, str] | None:
    """The choice that a folded message names, and the words for it; None where it names none, or several."""
    said = set(stems(low))
    hits = [
        (choice, match[0])
        for choice in choices
        if (match := re.search(START + re.escape(folded(choice)).replace(r"\ ", r"\s+") + END, low))
    ]
    hits = hits or [(choice, choice) for choice in choices if stems(choice) and set(stems(choice)) <= said]
    hits = hits or [
        (choice, match[0])
        for choice in choices
        if folded(choice) in _YES_NO and (match := re.search(START + _YES_NO[folded(choice)] + END, low))
    ]
    return hits[0] if len(hits) == 1 else None


def _free_text(message: Message, taking: _Taking, agent_said: str | None) -> None:
    """The whole message answers a question in free text, where that is the one that was asked."""
    asked = next((slot for slot in taking.offered if slot.value is None and slot.name not in taking.found), None)
    text = message.honest.strip()
    if asked is None or asked.type != "text" or not text or text.endswith("?") or agent_said is None:
        return
    if asked.ask is None or asked.ask in agent_said:
        taking.found[asked.name] = Answered(asked.name, text, text)
