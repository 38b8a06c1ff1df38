"""prices.yaml: what providers take, dated."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import get_args

from libs.config.fields import Fields, kind_of
from libs.config.findings import Findings
from libs.config.model import Price
from libs.config.parse_policy import CURRENCY, read_date
from libs.config.providers import PriceUnit
from libs.config.tree import Node

UNITS: tuple[PriceUnit, ...] = get_args(PriceUnit)


def parse_price(node: Node, found: Findings) -> Price:
    fields = Fields(node, found, "a price")
    unit = fields.choice("unit", UNITS, required=True)
    currency = fields.need("currency", like="INR")
    if currency and not CURRENCY.match(currency):
        found.error(node.at("currency"), f"{currency!r} is no currency", "write an ISO 4217 code such as INR")
    since = fields.need("effective", like="2026-01-01")
    effective = read_date(since)
    if since and effective is None:
        found.error(node.at("effective"), f"{since!r} is no date", "write year-month-day, such as 2026-01-01")
    price = Price(
        provider=fields.need("provider"),
        unit=next((each for each in UNITS if each == unit), "message"),
        currency=currency,
        amount=_amount(fields, found),
        effective=effective or date.min,
        per=fields.whole("per", minimum=1) or 1,
        category=fields.text("category"),
        source=fields.text("source"),
    )
    fields.finish()
    return price


def _amount(fields: Fields, found: Findings) -> Decimal:
    """The digits as written, so that no price passes through a float."""
    node = fields.child("amount", required=True, like="0.115")
    if node is None:
        return Decimal(0)
    try:
        amount = Decimal(node.text) if node.kind == "scalar" else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        found.error(node, f"amount must be a number of 0 or more, not {kind_of(node)}", "write 0.115")
        return Decimal(0)
    return amount
