"""The people whom the sandbox's ERP knows, and how each of them answers on whatever channel they are reached."""

from services.sandbox.contact_script import File, Line, Person

REMINDED = r"reminder|overdue|still open|not heard|INV-2026-"
"""A first or second reminder about an invoice, by its template, subject or text."""

PRIYA = Person(
    name="Priya Sharma",
    addresses={
        "whatsapp": "+919876543210",
        "sms": "+919876543210",
        "email": "priya.sharma@acme.example",
        "chat": "c_123",
    },
    lines=(
        Line(
            when=r"payment[_ ]?reminder|overdue|INV-2026-0042", say=("Haan ji, 20 February tak kar denge",), once=True
        ),
    ),
)

SILENT = Person(name="Contact")
"""Whoever is not described."""

PEOPLE: tuple[Person, ...] = (PRIYA,)

__all__ = ["PEOPLE", "PRIYA", "REMINDED", "SILENT", "File", "Line", "Person"]
