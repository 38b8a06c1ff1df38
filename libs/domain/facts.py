"""Facts: what a contact may be understood to have stated, by name and kind; a condition reads it as `extracted_info.<name>`."""

from events.values import FactKind, FactOffer


def _common(name: str, kind: FactKind, description: str) -> FactOffer:
    return FactOffer(name=name, kind=kind, description=description)


COMMON_FACTS: tuple[FactOffer, ...] = (
    _common("payment_date", "date", "the date on which they will pay"),
    _common("paid_on", "date", "the date on which, as they say, they have paid"),
    _common("delivery_date", "date", "the date of a delivery or dispatch"),
    _common("callback_at", "datetime", "when they want to be called or contacted again"),
    _common("amount", "amount", "an amount of money"),
    _common("quantity", "number", "a number of goods or units"),
    _common("reference", "reference", "a reference of a payment or shipment, such as a UTR or AWB number"),
    _common("phone", "phone", "another telephone number to use"),
    _common("email", "email", "an email address to use"),
    _common("reason", "text", "the reason that they give, in a few words"),
)
"""What any process can use; what only one uses stands in its state map and its flows."""

COMMON_NAMES = frozenset(fact.name for fact in COMMON_FACTS)
