"""Slots: what a dialogue asks the contact for, what counts as an answer, and what is to be asked next."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
import phonenumbers
from msgspec.structs import replace

from libs.domain.conditions import ALWAYS, Condition, evaluate
from libs.domain.names import Names

SlotType = Literal["date", "amount", "phone", "choice", "text"]

PAST_DAYS = 400
FUTURE_DAYS = 800
LARGEST = Decimal(10) ** 13
LONGEST_TEXT = 500
HOME = "IN"
"""The country of a telephone number that names none."""

_SCALES = {
    "k": 1_000,
    "thousand": 1_000,
    "hazar": 1_000,
    "hazaar": 1_000,
    "lac": 100_000,
    "lakh": 100_000,
    "lakhs": 100_000,
    "crore": 10_000_000,
    "crores": 10_000_000,
    "cr": 10_000_000,
}
_AMOUNT = re.compile(r"(?P<number>\d{1,16}(?:\.\d{1,8})?)(?P<scale>[a-z]*)")
_AROUND = re.compile(r"[,\s₹]|rs\.?|inr|/-")


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to ask for. `ask` is a template; `valid` may ask more of the value than its type does, as `slots.<name>`.

    An optional slot is asked for once where it has an `ask`, and taken whenever the contact mentions it.
    """

    name: str
    type: SlotType
    required: bool = True
    choices: tuple[str, ...] = ()
    ask: str | None = None
    valid: Condition = ALWAYS


@dataclass(frozen=True, slots=True)
class Filled:
    """A slot's value (JSON), and the step that asked for it."""

    value: Any
    flow: str
    step: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A value in its one form: ISO date; amount as int, else decimal text; phone E.164; a choice as the bundle writes it."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Refused:
    """What was said is no answer, and why; the reason names no personal value."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """This slot is to be asked for next."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This slot was asked for as often as is allowed."""

    slot: Slot


def next_ask(
    slots: Iterable[Slot], filled: Collection[str], asks: Mapping[str, int], max_asks: int
) -> Ask | GiveUp | None:
    """What to do now: ask for the first open slot, give up, or (None) go on.

    Required slots come first, in their order; then each optional one that has an `ask` is asked for once.
    """
    still_open = [slot for slot in slots if slot.name not in filled]
    for slot in still_open:
        if slot.required:
            return Ask(slot) if asks.get(slot.name, 0) < max_asks else GiveUp(slot)
    return next((Ask(slot) for slot in still_open if slot.ask and not asks.get(slot.name)), None)


def accept(slot: Slot, said: Any, names: Names) -> Accepted | Refused:
    """Whether `said` (a text or a number) answers a slot. `names.now` is the business now in the contact's zone."""
    read = _read(slot, str(said).strip(), names)
    if isinstance(read, Refused):
        return read
    verdict = evaluate(slot.valid, replace(names, slots={**(names.slots or {}), slot.name: read}))
    return Accepted(read) if verdict else Refused("; ".join(verdict.reasons) or "it does not fit")


def _read(slot: Slot, text: str, names: Names) -> str | int | Refused:
    match slot.type:
        case "date":
            return _date(text, names)
        case "amount":
            return _amount(text)
        case "phone":
            return _phone(text)
        case "choice":
            return _choice(text, slot.choices)
        case "text":
            return text[:LONGEST_TEXT] if text else Refused("it is empty")


def _date(text: str, names: Names) -> str | Refused:
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return Refused("it is no date")
    if names.now is not None:
        today = names.now.date()
        if not today - timedelta(days=PAST_DAYS) <= day <= today + timedelta(days=FUTURE_DAYS):
            return Refused("the date is too far away")
    return day.isoformat()


def _amount(text: str) -> str | int | Refused:
    found = _AMOUNT.fullmatch(_AROUND.sub("", text.lower()))
    if found is None or (found["scale"] and found["scale"] not in _SCALES):
        return Refused("it is no amount")
    value = Decimal(found["number"]) * _SCALES.get(found["scale"], 1)
    if value > LARGEST:
        return Refused("the amount is too large")
    return int(value) if value == value.to_integral_value() else format(value.normalize(), "f")


def _phone(text: str) -> str | Refused:
    try:
        number = phonenumbers.parse(text, HOME)
    except phonenumbers.NumberParseException:
        return Refused("it is no telephone number")
    if not phonenumbers.is_valid_number(number):
        return Refused("there is no such telephone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _choice(text: str, choices: tuple[str, ...]) -> str | Refused:
    said = text.casefold()
    exact = [choice for choice in choices if choice.casefold() == said]
    near = exact or [choice for choice in choices if said and (said in choice.casefold() or choice.casefold() in said)]
    return near[0] if len(near) == 1 else Refused(f"it is none of {', '.join(choices)}")
