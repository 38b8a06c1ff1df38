"""The cast that every test shares: Priya of Acme Corp, who owes for INV-2026-0042, on a Monday in February 2026."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

TENANT = "default"
IST = ZoneInfo("Asia/Kolkata")
MORNING = datetime(2026, 2, 16, 10, 30, tzinfo=IST)
NOON = datetime(2026, 2, 16, 12, 0, tzinfo=IST)
EVENING = datetime(2026, 2, 16, 19, 0, tzinfo=IST)

PRIYA = "c_123"
PRIYA_PHONE = "+919876512345"
PRIYA_EMAIL = "priya@acme.example"
PRIYA_CONTACT: dict[str, Any] = {
    "id": PRIYA,
    "name": "Priya Sharma",
    "role": "Accounts Manager",
    "organization": "Acme Corp",
    "channels": [
        {"channel": "whatsapp", "address": PRIYA_PHONE},
        {"channel": "voice", "address": PRIYA_PHONE},
        {"channel": "email", "address": PRIYA_EMAIL},
    ],
}
"""Priya as the ERP answers `get_contact`."""

INVOICE = "INV-2026-0042"
INVOICE_OVERDUE: dict[str, Any] = {
    "invoice_number": INVOICE,
    "contact_id": PRIYA,
    "amount": 52400,
    "currency": "INR",
    "due_date": "2026-01-30",
    "days_overdue": 17,
}
"""The data of the ERP's event `invoice_overdue`."""

PAYMENT_RECEIVED: dict[str, Any] = {"invoice_number": INVOICE, "contact_id": PRIYA, "amount": 52400, "currency": "INR"}
HER_PROMISE = "Haan ji, 20 February tak kar denge"
