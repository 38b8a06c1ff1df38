"""The excerpts of the product's specification are parts of the shipped bundle."""

from typing import Any

import pytest

from libs.config.tree import read_yaml
from tests.libs.config.shipped import TEXTS, check

BACKEND = """
backend:
  type: rest
  base_url: https://your-erp.example.com/api/v1
  auth_type: bearer                  # none | bearer | basic | api_key | oauth2_client_credentials
  auth_credentials: {token: "${BACKEND_API_TOKEN}"}
  endpoints:
    get_followups: /followups/pending
    get_contact: /contacts/{contact_id}
    get_context: /followups/{followup_id}/context
    update_followup: /followups/{followup_id}/status
    search_contacts: /contacts/search
    check_payment: /payments/{invoice_id}/status      # optional ones: used by flows as tools
    check_stock: /inventory/check
    track_shipment: /shipments/{shipment_id}/track
    get_order_issues: /orders/{order_id}/issues
    record_promise: {method: POST, path: /invoices/{invoice_id}/promises}
    record_outcome: {method: POST, path: /invoices/{invoice_id}/outcome}
  poll: {every_minutes: 5}
"""
STATE_MAP = """
state_maps:
  - process_type: payment_collection
    states: [pending, reminded, acknowledged, promised, partial_paid, confirmed, overdue, escalated, closed]
    initial_state: pending
    terminal_states: [confirmed, closed]
    transitions:
      - from_states: [reminded]
        to_state: promised
        trigger: {type: intent, values: [promise_to_pay, will_pay]}      # intent | event | outcome | timer | manual
        conditions:
          - {field: extracted_info.payment_date, operator: exists}
        actions:
          - type: update_backend
            endpoint: record_promise
            payload: {invoice_id: "{{entity_id}}", promised_date: "{{extracted_info.payment_date}}"}
          - {type: schedule_check, delay_minutes: 4320}
"""
FLOW = """
flows:
  - id: payment_reminder
    steps:
      - id: check_payment
        type: tool_call
        tool: {endpoint: check_payment, payload_template: {invoice_id: "business_context.invoice_number"}, result_key: payment_status}
      - id: payment_branch
        type: branch
        arms:
          - conditions: [{field: payment_status.paid, operator: eq, value: true}]
            goto: already_paid
          - goto: send_reminder
      - id: send_reminder
        type: generate
        system_prompt: |
          Call {{contact_name}} about invoice {{invoice_number}}. Amount: {{amount}} {{currency}}. Due: {{due_date}}.
          Be professional but firm. Ask for a specific payment date.
"""
RULE = """
rules:
  - id: overdue_reminder
    on: invoice_overdue
    conditions: {all: [{field: days_overdue, operator: gte, value: 3}, {not: {field: disputed, operator: eq, value: true}}]}
    create_followup:
      contact_id: "{{contact_id}}"
      reason: "Payment overdue {{days_overdue}} days"
      priority: high                       # low | normal | high | urgent
      channel_priority: [voice, whatsapp, email]
      process_type: payment_collection
      entity_type: invoice
      entity_id: "{{invoice_number}}"
      flow: payment_reminder
      business_context: {invoice_number: "{{invoice_number}}"}
    dedupe_key: "payment:{{invoice_number}}"
    cooldown: 24h
"""
SETTINGS_ELSEWHERE = {("backend", "base_url")}  # left out in the shipped bundle, so that it runs in the sandbox


def plain(text: str) -> Any:
    root = read_yaml("excerpt.yaml", text)
    assert root is not None
    return root.plain()


def holds(whole: Any, part: Any, at: tuple[Any, ...] = ()) -> None:
    """Every key and item of `part` is in `whole`."""
    if at in SETTINGS_ELSEWHERE:
        return
    if isinstance(part, dict):
        for key, value in part.items():
            assert (*at, key) in SETTINGS_ELSEWHERE or key in whole, (*at, key)
            holds(whole.get(key), value, (*at, key))
    elif isinstance(part, list) and part and isinstance(part[0], dict):
        for item in part:
            assert any(_is_part(each, item) for each in whole), (at, item)
    else:
        assert whole == part, at


def _is_part(whole: Any, part: Any) -> bool:
    try:
        holds(whole, part)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("file", "excerpt"),
    [
        ("settings.yaml", BACKEND),
        ("state_maps.yaml", STATE_MAP),
        ("flows/payment.yaml", FLOW),
        ("rules.yaml", RULE),
    ],
    ids=["backend", "state map", "flow", "rule"],
)
def test_an_excerpt_is_part_of_the_shipped_bundle(file: str, excerpt: str):
    holds(plain(TEXTS[file]), plain(excerpt))


def test_the_backend_loads_as_it_is_written():
    before, after = TEXTS["settings.yaml"].split("backend:", 1)[0], TEXTS["settings.yaml"].split("\nllm:", 1)[1]
    texts = {**TEXTS, "settings.yaml": f"{before}{BACKEND}llm:{after}"}
    # the shipped maps also name an endpoint for orders, one that sends an invoice again, and one for who says that it is paid
    more = """    record_order_outcome: {method: POST, path: "/orders/{order_id}/outcome"}
    record_payment_claim: {method: POST, path: "/invoices/{invoice_id}/payment-claims"}
    send_invoice: {method: POST, path: "/invoices/{invoice_id}/copies"}
"""
    texts["settings.yaml"] = texts["settings.yaml"].replace("  poll:", f"{more}  poll:")
    loaded = check(texts)
    assert loaded.errors == ()
    assert loaded.bundle is not None
    assert loaded.bundle.settings.backend.base_url == "https://your-erp.example.com/api/v1"


def test_the_rule_of_the_grammar_loads_with_the_events_whole_data_or_with_what_it_names():
    rules = RULE.replace('      business_context: {invoice_number: "{{invoice_number}}"}\n', "")
    assert check({**TEXTS, "rules.yaml": rules}).errors == ()
