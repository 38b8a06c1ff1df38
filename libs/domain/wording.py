"""How values read in a text: amounts in rupees, dates in words, and the other filters that templates have."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from num2words import num2words

from libs.domain.comparing import moment, number

LARGEST_AMOUNT = Decimal(10) ** 15
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
LONGEST_JOIN = 65_536


def inr(value: Any) -> str:
    """An amount in rupees with Indian grouping, its paise only where there are some: 52400 reads ₹52,400.

    Raises ValueError for what is no number.
    """
    amount = _amount(value)
    sign = "-" if amount < 0 else ""
    rupees, paise = _split(amount)
    return f"{sign}₹{_grouped(rupees)}" + (f".{paise:02d}" if paise else "")


def inr_ascii(value: Any) -> str:
    """As `inr`, in letters that an SMS has (₹ is not in GSM-7 and would double its price): 52400 reads Rs 52,400."""
    return inr(value).replace("₹", "Rs ")


def inr_words(value: Any) -> str:
    """An amount in words with lakh and crore: 52400 reads "fifty-two thousand, four hundred rupees"."""
    amount = _amount(value)
    rupees, paise = _split(amount)
    said = f"{_words(rupees)} {'rupee' if rupees == 1 else 'rupees'}"
    if paise:
        said += f" and {_words(paise)} {'paisa' if paise == 1 else 'paise'}"
    return f"minus {said}" if amount < 0 else said


def date_in(value: Any) -> str:
    """A date, or the day of a datetime in its own zone, such as "30 January 2026". Raises ValueError for what is none."""
    day = moment(value, None)
    if day is None:
        raise ValueError("not a date")
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def join(value: Any, between: str = "") -> str:
    """The parts of a list as one text."""
    parts = [str(part) for part in _parts(value)]
    if sum(map(len, parts)) + len(between) * len(parts) > LONGEST_JOIN:
        raise ValueError(f"join would be longer than {LONGEST_JOIN} characters")
    return between.join(parts)


def length(value: Any) -> int:
    """How many parts a list, or characters a text, has."""
    return len(value)


def first(value: Any) -> Any:
    """The first part of a list."""
    return _parts(value)[0]


def last(value: Any) -> Any:
    """The last part of a list."""
    return _parts(value)[-1]


def rounded(value: Any, places: int = 0) -> Decimal:
    """A number to so many places (0 to 6), halves away from zero."""
    if places not in range(7):
        raise ValueError("round has 0 to 6 places")
    return _amount(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def listed(value: Any) -> str:
    """The parts of a list as one reads them: "A, B and C"."""
    parts = [str(part) for part in _parts(value)]
    return join([join(parts[:-1], ", "), parts[-1]], " and ") if len(parts) > 1 else join(parts)


def total(value: Any) -> Decimal:
    """The sum of a list of amounts."""
    return sum((_amount(part) for part in _parts(value)), Decimal(0))


FILTERS: dict[str, Callable[..., Any]] = {
    "inr": inr,
    "inr_ascii": inr_ascii,
    "inr_words": inr_words,
    "date_in": date_in,
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "capitalize": lambda value: str(value).capitalize(),
    "title": lambda value: str(value).title(),
    "trim": lambda value: str(value).strip(),
    "join": join,
    "listed": listed,
    "total": total,
    "length": length,
    "first": first,
    "last": last,
    "round": rounded,
}


def _amount(value: Any) -> Decimal:
    read = number(value)
    if read is None or abs(read) >= LARGEST_AMOUNT:
        raise ValueError("not an amount" if read is None else "too large an amount")
    return read


def _split(amount: Decimal) -> tuple[int, int]:
    total = int((abs(amount) * 100).to_integral_value(ROUND_HALF_UP))
    return divmod(total, 100)


def _grouped(rupees: int) -> str:
    digits = str(rupees)
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*groups, tail])


def _words(count: int) -> str:
    return str(num2words(count, lang="en_IN"))


def _parts(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("not a list")
    return value
