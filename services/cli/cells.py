"""Cells of a sheet: money, dates and numbers as people write them, in the one form in which the ERP would send them. Pure."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

Type = Literal["text", "money", "date", "number"]

MINOR = 100
"""Minor units of a major one: paise of a rupee."""
_SIGNS = re.compile(r"^(?:₹|rs\.?|inr|\$|usd|€|eur|£|gbp)\s*|\s*(?:₹|rs\.?|inr|/-|usd|eur|gbp|€)$", re.IGNORECASE)
_PLAIN = r"\d{1,15}"
_WESTERN = r"\d{1,3}(?:,\d{3})+"
_INDIAN = r"\d{1,2}(?:,\d{2})*,\d{3}"
_AMOUNT = re.compile(rf"({_PLAIN}|{_WESTERN}|{_INDIAN})(?:\.(\d{{1,2}}))?")
_WHOLE = re.compile(rf"-?(?:{_PLAIN}|{_WESTERN}|{_INDIAN})")
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%Y/%m/%d")


class Unfit(Exception):
    """A cell does not hold what its column does; the message says what would be right."""


def read(text: str, kind: Type) -> Any:
    """The value of a cell as JSON. Raises Unfit."""
    match kind:
        case "money":
            return money(minor_units(text))
        case "date":
            return day(text).isoformat()
        case "number":
            return number(text)
        case "text":
            return text


def minor_units(text: str) -> int:
    """An amount in minor units: `52400`, `₹1,25,000.00`, `1,250,000.5`, `Rs. 500/-`. Raises Unfit, also where it is unclear."""
    bare = _SIGNS.sub("", _SIGNS.sub("", text.strip()).strip()).strip()
    found = _AMOUNT.fullmatch(bare)
    if found is None:
        hint = "an amount is not negative" if bare.startswith(("-", "(")) else "write 125000.00 or 1,25,000.00"
        raise Unfit(f"it is no amount with at most two decimals: {hint}")
    major, decimals = found[1].replace(",", ""), found[2] or ""
    return int(major) * MINOR + int(decimals.ljust(2, "0"))


def money(minor: int) -> int | float:
    """Minor units as a number of major ones, as an ERP sends it: 52400, 52400.5."""
    return minor // MINOR if minor % MINOR == 0 else float(Decimal(minor) / MINOR)


def day(text: str) -> date:
    """A date: ISO 8601, else the day first: `30/01/2026`, `30-Jan-26`, `30 January 2026`. Raises Unfit."""
    bare = " ".join(text.split())
    try:
        return datetime.fromisoformat(bare).date()
    except ValueError:
        pass
    for form in _DAY_FIRST:
        try:
            return datetime.strptime(bare, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise Unfit("it is no date: write 2026-01-30 or, with the day first, 30/01/2026")


def number(text: str) -> int:
    """A whole number. Raises Unfit."""
    bare = text.strip().removesuffix(".0")
    if not _WHOLE.fullmatch(bare):
        raise Unfit("it is no whole number: write 17")
    return int(bare.replace(",", ""))
