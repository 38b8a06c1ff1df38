"""What a bundle sends is compared with what Meta has registered."""

import json
from dataclasses import replace
from typing import Any

import pytest

from libs.channels.whatsapp_templates import (
    Difference,
    Page,
    Registered,
    Sent,
    differences,
    list_path,
    read_page,
    refusal,
    status_after,
)

REMINDER = Registered("payment_reminder_v1", "en", "APPROVED", "utility", ("name", "amount"))
SENDS = Sent("payment_reminder_v1", "en", ("name", "amount"))


def page(*templates: dict[str, Any], **paging: Any) -> bytes:
    return json.dumps({"data": list(templates), **({"paging": paging} if paging else {})}).encode()


def told(**changes: Any) -> dict[str, Any]:
    body = {"type": "BODY", "text": "{{name}} owes {{ amount }}, {{name}}.", "example": {}}
    template = {"name": "payment_reminder_v1", "language": "en", "status": "APPROVED", "category": "UTILITY", "id": "1"}
    return {**template, "components": [body], **changes}


def test_a_page_of_the_list_is_read_with_what_each_template_takes():
    header = {"type": "HEADER", "format": "DOCUMENT"}
    components = [header, {"type": "BODY", "text": "Hello {{1}}, {{2}}"}, {"type": "FOOTER", "text": "x"}]
    second = told(name="receipt_v1", status="PAUSED", components=components)
    read = read_page(page(told(), second, cursors={"before": "a", "after": "b"}, next="https://graph/…"))
    assert read == Page(
        (REMINDER, Registered("receipt_v1", "en", "PAUSED", "utility", ("1", "2"), "DOCUMENT")),
        "b",
    )


def test_the_last_page_has_no_next():
    for last in (page(told(), cursors={"after": "b"}), page(told())):
        read = read_page(last)
        assert read is not None
        assert read.after is None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data": [{"name": 1}]}', b'{"error": {"code": 190}}', b"[" * 9999])
def test_an_answer_that_is_no_list_is_none(body: bytes):
    assert read_page(body) is None


def test_the_path_is_that_of_the_business_account():
    assert list_path("102290") == "/v26.0/102290/message_templates"


def test_what_is_registered_as_it_is_sent_differs_in_nothing():
    assert differences([SENDS], [REMINDER]) == []


@pytest.mark.parametrize(
    ("sent", "registered", "trouble", "says"),
    [
        (replace(SENDS, name="other"), REMINDER, "missing", "other is not registered with Meta"),
        (replace(SENDS, language="en_US"), REMINDER, "language", "is registered in en, not in en_US"),
        (
            replace(SENDS, parameters=("name",)),
            REMINDER,
            "parameters",
            "sends the parameters name; Meta has name, amount",
        ),
        (replace(SENDS, parameters=("name", "sum")), REMINDER, "parameters", "name, sum"),
        (replace(SENDS, parameters=("1",)), replace(REMINDER, parameters=("1", "2")), "parameters", "1, 2"),
        (SENDS, replace(REMINDER, status="PAUSED"), "status", "is paused by Meta"),
        (SENDS, replace(REMINDER, status="REJECTED"), "status", "is rejected at Meta, not approved"),
        (SENDS, replace(REMINDER, status="FLAGGED"), "flagged", "Meta may pause it"),
        (SENDS, replace(REMINDER, header="DOCUMENT"), "header", "sends no header; Meta has a header of document"),
        (SENDS, replace(REMINDER, header="TEXT", header_parameters=1), "header", "sends no header"),
        (replace(SENDS, header="IMAGE"), REMINDER, "header", "sends a header of image; Meta has no header"),
    ],
)
def test_a_difference_is_said_with_both_sides(sent: Sent, registered: Registered, trouble: str, says: str):
    [found] = differences([sent], [registered])
    assert isinstance(found, Difference)
    assert (found.name, found.language, found.trouble) == (sent.name, sent.language, trouble)
    assert says in found.says


@pytest.mark.parametrize(
    ("sent", "registered"),
    [
        (replace(SENDS, parameters=("amount", "name")), REMINDER),
        (replace(SENDS, parameters=("1", "2")), replace(REMINDER, parameters=("1", "2"))),
        (SENDS, replace(REMINDER, header="TEXT")),
        (replace(SENDS, header="TEXT"), replace(REMINDER, header="TEXT", header_parameters=1)),
    ],
)
def test_what_meta_takes_is_no_difference(sent: Sent, registered: Registered):
    assert differences([sent], [registered]) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001), ("PENDING", 132001), (None, 132001)],
)
def test_what_cannot_be_sent_is_refused_with_metas_code(status: str | None, code: int):
    refused = refusal("t", "en", status)
    assert refused is not None
    assert (refused.code, refused.scope) == (code, "message")
    assert "the template t" in refused.reason


@pytest.mark.parametrize("status", ["APPROVED", "FLAGGED"])
def test_what_can_be_sent_is_not_refused(status: str):
    assert refusal("t", "en", status) is None


def test_a_template_that_was_reinstated_is_approved():
    assert status_after("REINSTATED") == "APPROVED"
    assert status_after("PAUSED") == "PAUSED"
