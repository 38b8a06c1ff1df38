"""The ERP's books when it starts: its contacts with their invoices, orders, shipments and stock."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.sandbox.contact_people import PEOPLE


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


def _contact(number: int, role: str, organization: str, *, consent: Mapping[str, str]) -> Contact:
    """A contact with the addresses of `contact_people`; `consent` says by channel how it was given."""
    (person,) = (each for each in PEOPLE if each.addresses["chat"] == f"c_{number}")
    channels = tuple(
        Channel(channel=channel, address=address, consent=_agreed(consent[channel]) if channel in consent else None)
        for channel, address in {**person.addresses, "voice": person.addresses["whatsapp"]}.items()
    )
    return Contact(id=f"c_{number}", name=person.name, role=role, organization=organization, channels=channels)


FORM = dict.fromkeys(("whatsapp", "sms", "voice", "email", "chat"), "order form, box ticked")

CONTACTS = (
    _contact(123, "accounts payable", "Acme Corp", consent={**FORM, "email": "contract, clause 9"}),
    _contact(124, "procurement", "Bharat Textiles", consent={"whatsapp": "web form", "sms": "web form"}),
    _contact(125, "store manager", "Desai Retail", consent={"sms": "called us, 3 November"}),  # not for WhatsApp
    _contact(126, "owner", "Ravi Traders", consent={"whatsapp": "wrote to us first"}),
    _contact(127, "finance head", "Iyer Pharma", consent=FORM),
    _contact(128, "manager", "Patil Agro", consent=FORM),
    _contact(129, "owner", "Sheikh Motors", consent=FORM),
    _contact(130, "accountant", "Nair Foods", consent=FORM),
    _contact(131, "director", "Singh Steel", consent={"email": "contract, clause 4"}),  # by mail only, until he writes
    _contact(132, "accounts payable", "Joshi Exports", consent=FORM),
    _contact(133, "owner", "Mehta Tiles", consent=FORM),
    _contact(134, "practice manager", "Rao Clinics", consent=FORM),
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
    Invoice(id="INV-2026-0027", contact_id="c_127", amount=Decimal(240000), due_date=date(2026, 1, 15)),
    Invoice(id="INV-2026-0028", contact_id="c_128", amount=Decimal(9600), due_date=date(2026, 1, 16)),
    Invoice(id="INV-2026-0029", contact_id="c_129", amount=Decimal(73500), due_date=date(2026, 1, 18)),
    Invoice(id="INV-2026-0030", contact_id="c_130", amount=Decimal(15200), due_date=date(2026, 1, 19)),
    Invoice(id="INV-2026-0031", contact_id="c_131", amount=Decimal(410000), due_date=date(2026, 1, 21)),
    Invoice(id="INV-2026-0032", contact_id="c_132", amount=Decimal(66000), due_date=date(2026, 1, 22)),
    Invoice(id="INV-2026-0033", contact_id="c_133", amount=Decimal(31800), due_date=date(2026, 1, 23)),
    Invoice(id="INV-2026-0034", contact_id="c_134", amount=Decimal(27450), due_date=date(2026, 1, 24)),
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
