"""The ERP's books when it starts: four contacts with their invoices, orders, shipments and stock."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """When and how a contact agreed to be written to."""

    at: datetime
    evidence: str


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a contact."""

    channel: str
    address: str
    consent: Consent | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A person at a customer."""

    id: str
    name: str
    role: str = ""
    organization: str = ""
    channels: tuple[Channel, ...] = ()


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice; amounts in the currency's units, as the ERP was told them."""

    id: str
    contact_id: str
    amount: Decimal
    due_date: date
    currency: str = "INR"
    amount_paid: Decimal = Decimal(0)
    paid_at: datetime | None = None

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid, never below nothing."""
        return max(self.amount - self.amount_paid, Decimal(0))


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with an order."""

    id: str
    kind: str
    description: str
    status: str = "open"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order."""

    sku: str
    quantity: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer ordered."""

    id: str
    contact_id: str
    status: str
    amount: Decimal
    promised_date: date
    currency: str = "INR"
    items: tuple[Item, ...] = ()
    shipment_id: str | None = None
    issues: tuple[Issue, ...] = ()


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shipment was."""

    at: datetime
    status: str
    place: str


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel on its way."""

    id: str
    order_id: str
    carrier: str
    status: str
    eta: date
    movements: tuple[Movement, ...] = ()


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an article is there."""

    sku: str
    name: str
    available: int
    restock_date: date | None = None


class Followup(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the ERP wants settled with a contact; ours as soon as we poll it."""

    id: str
    contact_id: str
    reason: str
    business_context: dict[str, Any] = msgspec.field(default_factory=dict)
    priority: str = "normal"
    channel_priority: tuple[str, ...] = ("whatsapp",)
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    status: str = "pending"
    outcome: str | None = None


def _agreed(evidence: str) -> Consent:
    return Consent(at=datetime(2025, 11, 3, 9, 30, tzinfo=UTC), evidence=evidence)


CONTACTS = (
    Contact(
        id="c_123",
        name="Priya Sharma",
        role="accounts payable",
        organization="Acme Corp",
        channels=(
            Channel(channel="whatsapp", address="+919876543210", consent=_agreed("order form, box ticked")),
            Channel(channel="email", address="priya.sharma@acme.example", consent=_agreed("contract, clause 9")),
        ),
    ),
    Contact(
        id="c_124",
        name="Rahul Verma",
        role="procurement",
        organization="Bharat Textiles",
        channels=(
            Channel(channel="whatsapp", address="+919812345678", consent=_agreed("web form")),
            Channel(channel="email", address="rahul.verma@bharat-textiles.example"),
        ),
    ),
    Contact(
        id="c_125",
        name="Anita Desai",
        role="store manager",
        organization="Desai Retail",
        channels=(
            Channel(channel="whatsapp", address="+919823456789"),  # no consent: WhatsApp must be refused
            Channel(channel="email", address="anita@desai-retail.example"),
        ),
    ),
    Contact(
        id="c_126",
        name="Ravi Kumar",
        role="owner",
        organization="Ravi Traders",
        channels=(Channel(channel="whatsapp", address="+919834567890", consent=_agreed("wrote to us first")),),
    ),
)

INVOICES = (
    Invoice(id="INV-2026-0042", contact_id="c_123", amount=Decimal(52400), due_date=date(2026, 1, 30)),
    Invoice(id="INV-2026-0051", contact_id="c_124", amount=Decimal("118750.50"), due_date=date(2026, 2, 10)),
    Invoice(
        id="INV-2026-0038",
        contact_id="c_126",
        amount=Decimal(12500),
        due_date=date(2026, 1, 20),
        amount_paid=Decimal(5000),
    ),
    Invoice(
        id="INV-2026-0012",
        contact_id="c_125",
        amount=Decimal(8200),
        due_date=date(2026, 1, 5),
        amount_paid=Decimal(8200),
        paid_at=datetime(2026, 1, 4, 11, 0, tzinfo=UTC),
    ),
)

ORDERS = (
    Order(
        id="ORD-2026-0107",
        contact_id="c_124",
        status="shipped",
        amount=Decimal("86400.00"),
        promised_date=date(2026, 2, 14),
        items=(Item(sku="YARN-40", quantity=120),),
        shipment_id="SHP-7781",
        issues=(Issue(id="ISS-1", kind="delay", description="Held at the Nagpur hub since 12 February"),),
    ),
    Order(
        id="ORD-2026-0111",
        contact_id="c_123",
        status="confirmed",
        amount=Decimal(41000),
        promised_date=date(2026, 2, 24),
        items=(Item(sku="BOX-LARGE", quantity=500), Item(sku="TAPE-48", quantity=60)),
    ),
)

SHIPMENTS = (
    Shipment(
        id="SHP-7781",
        order_id="ORD-2026-0107",
        carrier="Deccan Cargo",
        status="in_transit",
        eta=date(2026, 2, 19),
        movements=(
            Movement(at=datetime(2026, 2, 10, 6, 0, tzinfo=UTC), status="picked_up", place="Surat"),
            Movement(at=datetime(2026, 2, 12, 13, 45, tzinfo=UTC), status="held", place="Nagpur"),
        ),
    ),
)

STOCK = (
    Stock(sku="YARN-40", name="Cotton yarn 40s", available=900),
    Stock(sku="BOX-LARGE", name="Carton, large", available=320, restock_date=date(2026, 2, 21)),
    Stock(sku="TAPE-48", name="Packing tape 48 mm", available=1400),
)
