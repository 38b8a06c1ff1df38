"""What a phone call costs: what it took of each provider, by the bundle's dated prices, and what a minute of it comes to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from events.call import Consumed
from events.values import Cost
from libs.config.bundle import Bundle
from libs.config.providers import PriceUnit

PULSE_S = 60
"""Exotel's usual pulse: a call is paid in whole ones, from the answer on."""
HOME = "INR"
EXCHANGE: PriceUnit = "exchange"
"""The unit of the prices that say what one of a foreign currency (their category) costs."""
COMPONENTS = ("telephony", "stt", "tts", "llm")

_PRICED_BY: Mapping[str, tuple[PriceUnit, int]] = {
    "pulse": ("minute", 60),
    "second": ("minute", 60),
    "character": ("character", 1),
    "token_in": ("token_in", 1),
    "token_out": ("token_out", 1),
}
"""The unit of the price by which something is paid, and how many of ours are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`voice.costs` of the settings. Amounts in millionths of a currency's major unit, by currency.

    `per_minute` is the alarm, `per_call` what one call may cost before it is ended politely.
    """

    pulse_s: int = PULSE_S
    per_minute: Mapping[str, int] = field(default_factory=lambda: {HOME: 4_000_000})
    per_call: Mapping[str, int] = field(default_factory=dict)


def terms_of(told: Mapping[str, Any]) -> Terms:
    """What `voice` of the settings says of it."""
    part = told.get("costs") or {}
    plain = Terms()
    return Terms(
        pulse_s=int(part.get("pulse_seconds", plain.pulse_s)),
        per_minute=_amounts(part["per_minute"]) if "per_minute" in part else plain.per_minute,
        per_call=_amounts(part.get("per_call") or {}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call took: seconds since it was answered, what each provider heard and spoke, and Claude's tokens.

    `heard` is seconds by provider and model, `spoken` characters by provider and model, `tokens` by (`token_in` or `token_out`)
    and category (`claude-haiku-5-5:cache_read`).
    """

    seconds: int
    telephony: str = "exotel"
    heard: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spoken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    tokens: Mapping[tuple[str, str], int] = field(default_factory=dict)


def consumed(usage: Usage, bundle: Bundle, at: date, pulse_s: int = PULSE_S) -> list[Consumed]:
    """What was taken, each with its cost by the prices of that day; without one where they do not know it."""
    taken: list[tuple[str, str, Any, int, str | None]] = [
        ("telephony", usage.telephony, "pulse", -(-usage.seconds // pulse_s), None),
        *(("stt", provider, "second", round(count), model) for (provider, model), count in usage.heard.items()),
        *(("tts", provider, "character", count, model) for (provider, model), count in usage.spoken.items()),
        *(("llm", "anthropic", unit, count, category) for (unit, category), count in usage.tokens.items()),
    ]
    return [
        Consumed(
            component=component,
            provider=provider,
            unit=unit,
            quantity=quantity,
            category=category,
            cost=_cost(bundle, provider, unit, quantity * (pulse_s if unit == "pulse" else 1), at, category),
        )
        for component, provider, unit, quantity, category in taken
        if quantity
    ]


def by_component(items: Iterable[Consumed], bundle: Bundle, at: date) -> dict[str, Cost]:
    """Costs by component, each in the currency of its prices; in rupees where they are mixed."""
    found: dict[str, list[Cost]] = {}
    for item in items:
        if item.cost is not None:
            found.setdefault(item.component, []).append(item.cost)
    return {name: _sum(costs, bundle, at) for name, costs in found.items()}


def in_home(cost: Cost, bundle: Bundle, at: date) -> int | None:
    """A cost in millionths of a rupee; None where the prices do not say what the foreign currency costs."""
    if cost.currency == HOME:
        return cost.micros
    rate = bundle.price("exchange", EXCHANGE, at, cost.currency)
    if rate is None or rate.category != cost.currency or rate.currency != HOME:
        return None
    return round(cost.micros * rate.amount / rate.per)


def total(costs: Iterable[Cost], bundle: Bundle, at: date) -> int:
    """All of it in millionths of a rupee; what cannot be exchanged is left out."""
    return sum(in_home(cost, bundle, at) or 0 for cost in costs)


def per_minute(micros: int, seconds: int) -> int:
    """What a connected minute came to; a call of no length costs what it costs."""
    return round(micros * 60 / seconds) if seconds else micros


def over(costs: Mapping[str, Cost], limits: Mapping[str, int], bundle: Bundle, at: date) -> bool:
    """Whether all components together come to a limit, in the limit's currency."""
    if HOME in limits and total(costs.values(), bundle, at) >= limits[HOME]:
        return True
    return any(
        sum(cost.micros for cost in costs.values() if cost.currency == currency) >= limit
        for currency, limit in limits.items()
        if currency != HOME
    )


def table(items: Sequence[Consumed], seconds: int, bundle: Bundle, at: date) -> list[tuple[str, str, str, str]]:
    """What a minute of a call came to: component, what was taken, by which price, rupees a minute; the sum last."""
    rows, whole, unknown = [], 0, False
    for item in sorted(items, key=lambda each: COMPONENTS.index(each.component)):
        unit, _ = _PRICED_BY[item.unit]
        price = bundle.price(item.provider, unit, at, item.category)
        micros = None if item.cost is None else in_home(item.cost, bundle, at)
        whole, unknown = whole + (micros or 0), unknown or micros is None
        taken = f"{item.quantity:,} {_UNITS[item.unit]}"
        if price is None:
            told = "no price is known"
        else:
            told = f"{price.currency} {price.amount}/{_per(price.per)}{unit} since {price.effective}"
        where = f"{item.provider} {item.category}" if item.category else item.provider
        rows.append((item.component, f"{taken}, {where}", told, _rupees(micros, seconds)))
    note = "; what has no price or exchange rate is not in it" if unknown else ""
    rows.append(("in all", f"{seconds} s{note}", _rate(bundle, at), _rupees(whole, seconds)))
    return rows


_UNITS = {
    "pulse": "pulses",
    "second": "seconds",
    "character": "characters",
    "token_in": "tokens in",
    "token_out": "tokens out",
}


def _per(number: int) -> str:
    return "" if number == 1 else f"{number:,} "


def _rate(bundle: Bundle, at: date) -> str:
    rate = bundle.price("exchange", EXCHANGE, at, "USD")
    return f"{rate.currency} {rate.amount}/USD since {rate.effective}" if rate else "no exchange rate is known"


def _rupees(micros: int | None, seconds: int) -> str:
    return "?" if micros is None else f"₹{Decimal(per_minute(micros, seconds)) / 1_000_000:.2f}"


def _cost(bundle: Bundle, provider: str, unit: str, quantity: int, at: date, category: str | None) -> Cost | None:
    paid_by, ours = _PRICED_BY[unit]
    price = bundle.price(provider, paid_by, at, category)
    if price is None:
        return None
    return Cost(currency=price.currency, micros=round(price.amount * 1_000_000 * quantity / ours / price.per))


def _sum(costs: Sequence[Cost], bundle: Bundle, at: date) -> Cost:
    if len({cost.currency for cost in costs}) == 1:
        return Cost(currency=costs[0].currency, micros=sum(cost.micros for cost in costs))
    return Cost(currency=HOME, micros=total(costs, bundle, at))


def _amounts(told: Mapping[str, Any]) -> dict[str, int]:
    return {currency: round(Decimal(str(amount)) * 1_000_000) for currency, amount in told.items()}
