"""Whose record the ERP is asked about: ids come from the matter, and what the contact says is one only where it is known."""

from typing import Any

import pytest

from libs.domain.ids import refusal
from libs.domain.names import Names

NAMES = Names(
    entity_id="INV-1",
    contact={"id": "c_1"},
    business_context={"invoice_number": "INV-1", "others": [{"number": "INV-2"}]},
    tool_results={"orders": [{"order_id": "ORD-7"}]},
    slots={"which": "INV-9", "mine": "inv-2", "order": "ORD-7", "day": "2026-02-20"},
    extracted_info={"reference": "INV-8"},
)


def refused(rendered: dict[str, Any], **payload: Any) -> str | None:
    return refusal(payload, rendered, NAMES, ("invoice",), bare_paths=True)


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("invoice_id", "slots.which", "INV-9"),
        ("invoice_id", "which", "INV-9"),
        ("invoice_id", "{{extracted_info.reference}}", "INV-8"),
        ("invoice", "slots.which", "INV-9"),
        ("id", "INV-{{slots.which}}", "INV-INV-9"),
    ],
)
def test_a_foreign_id_is_refused(key: str, path: str, value: str):
    assert refused({key: value}, **{key: path}) == f"{key} is what the contact said, and no id that this matter knows"


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("invoice_id", "entity_id", "INV-1"),
        ("invoice_id", "slots.mine", "inv-2"),
        ("order_id", "slots.order", "ORD-7"),
        ("invoice_id", "business_context.invoice_number", "INV-1"),
        ("day", "slots.day", "2026-02-20"),
        ("reference", "extracted_info.reference", "INV-8"),
    ],
)
def test_the_matters_own_ids_and_what_is_no_id_may_be_said(key: str, path: str, value: str):
    assert refused({key: value}, **{key: path}) is None


def test_an_id_within_an_object_or_a_list_is_looked_at_too():
    assert refused({"of": {"contact_id": "INV-9"}}, of={"contact_id": "slots.which"}) is not None
    assert refused({"invoice_id": ["INV-1", "INV-9"]}, invoice_id=["entity_id", "slots.which"]) is not None
