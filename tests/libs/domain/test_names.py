"""Where each name is looked up."""

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.names import UNDEFINED, Names
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, PRIYA_CONTACT

NAMES = Names(
    entity_id=INVOICE,
    entity_type="invoice",
    process_type="payment_collection",
    state="reminded",
    contact_name="Priya Sharma",
    contact=PRIYA_CONTACT,
    business_context={"amount": 52400, "role": "buyer", "lines": [{"sku": "A-1"}, {"sku": "B-2"}], "note": None},
    extracted_info={"payment_date": "2026-02-20"},
    slots={"amount": 1000},
    tool_results={"payment_status": {"paid": False}},
)


def test_a_bare_name_is_searched_in_slots_before_the_business_context():
    assert NAMES.get("amount") == 1000


def test_a_bare_name_is_searched_in_the_business_context_before_the_contact():
    assert NAMES.get("role") == "buyer"
    assert NAMES.get("contact.role") == "Accounts Manager"


def test_a_path_goes_through_objects_and_lists():
    assert NAMES.get("payment_status.paid") is False
    assert NAMES.get("lines.1.sku") == NAMES.get("lines[1].sku") == "B-2"
    assert NAMES.get("business_context.amount") == 52400


def test_extracted_facts_are_never_found_by_a_bare_name():
    assert NAMES.get("payment_date") is UNDEFINED
    assert NAMES.get("extracted_info.payment_date") == "2026-02-20"


def test_null_is_a_value_and_no_value_is_undefined():
    assert NAMES.get("note") is None
    assert NAMES.get("intent") is UNDEFINED
    assert NAMES.get("lines.7.sku") is UNDEFINED


def test_an_event_has_only_its_own_names():
    names = Names.of_event({**INVOICE_OVERDUE, "contact": {"name": "Rohan"}, "state": "MH"})
    assert names.get("invoice_number") == INVOICE
    assert names.get("contact.name") == "Rohan"
    assert names.get("state") == "MH"
    assert names.get("entity_id") is UNDEFINED


def test_a_value_says_where_it_came_from():
    assert NAMES.find("amount").source == "slots"
    assert NAMES.find("contact_name").source == "contact"
    assert NAMES.find("nothing").source == ""


@given(st.text(max_size=40))
def test_no_path_reaches_an_attribute(path: str):
    found = Names.of_event({"x": "text", "y": [1, 2]}).get(path)
    assert found is UNDEFINED or found in ("text", 1, 2, [1, 2])


def test_the_attributes_of_a_value_are_no_names():
    assert NAMES.get("contact.__class__") is UNDEFINED
    assert NAMES.get("contact_name.upper") is UNDEFINED
    assert NAMES.get("lines.-1") is UNDEFINED
