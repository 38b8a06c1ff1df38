"""The emulated business account lists its templates page by page, and tells what Meta does to them."""

from typing import Any

import httpx
import pytest

from libs.channels import whatsapp
from libs.channels.whatsapp_templates import Registered, list_path, read_page
from tests.services.sandbox.conftest import Business, Sandbox

BUSINESS = "102290129340398"
REMINDER = {"name": "payment_reminder", "language": "en", "body": "{{name}} owes {{ amount | inr }}."}
RECEIPT = {"name": "receipt", "language": "hi", "category": "marketing", "header": "DOCUMENT", "status": "PAUSED"}


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta",)


async def listed(sandbox: Sandbox, business: str = BUSINESS, **query: Any) -> httpx.Response:
    url = "/sandbox/meta" + list_path(business)
    return await sandbox.client.get(url, params=query, headers={"authorization": "Bearer token"})


async def test_the_list_is_read_as_metas_is(sandbox: Sandbox):
    await sandbox.control("PUT", "/meta/templates", [REMINDER, RECEIPT])
    page = read_page((await listed(sandbox)).content)
    assert page is not None
    assert page.after is None
    assert page.templates == (
        Registered("payment_reminder", "en", "APPROVED", "utility", ("name", "amount | inr")),
        Registered("receipt", "hi", "PAUSED", "marketing", (), "DOCUMENT"),
    )


async def test_the_list_comes_in_pages(sandbox: Sandbox):
    await sandbox.control("PUT", "/meta/templates", [{**REMINDER, "name": f"t{n}"} for n in range(5)])
    names: list[str] = []
    after = None
    while True:
        page = read_page((await listed(sandbox, limit=2, **({"after": after} if after else {}))).content)
        assert page is not None
        names += [each.name for each in page.templates]
        if (after := page.after) is None:
            break
    assert names == [f"t{n}" for n in range(5)]


async def test_an_account_that_takes_any_template_lists_none(sandbox: Sandbox):
    page = read_page((await listed(sandbox)).content)
    assert page is not None
    assert page.templates == ()


async def test_another_business_account_is_not_there(sandbox: Sandbox):
    answer = await listed(sandbox, "1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


@pytest.mark.parametrize(
    ("event", "code"), [("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001), ("FLAGGED", None)]
)
async def test_what_meta_does_to_a_template_is_told_and_holds(
    sandbox: Sandbox, business: Business, event: str, code: int | None
):
    await sandbox.control("PUT", "/meta/templates", [REMINDER])
    await sandbox.control("POST", "/meta/templates/events", {"name": "payment_reminder", "event": event})
    await business.until(lambda b: bool(b.items))
    assert business.items == [whatsapp.TemplateUpdate(BUSINESS, "payment_reminder", "en", event, None)]
    answer = await sandbox.template(name="Rahul", amount="₹5")
    assert answer.json().get("error", {}).get("code") == code


async def test_a_reinstated_template_is_sent_again(sandbox: Sandbox):
    await sandbox.control("PUT", "/meta/templates", [{**REMINDER, "status": "PAUSED"}])
    await sandbox.control("POST", "/meta/templates/events", {"name": "payment_reminder", "event": "REINSTATED"})
    assert (await sandbox.template(name="Rahul", amount="₹5")).status_code == 200


async def test_a_header_that_is_registered_must_be_sent(sandbox: Sandbox):
    await sandbox.control("PUT", "/meta/templates", [{**REMINDER, "header": "DOCUMENT"}])
    answer = await sandbox.template(name="Rahul", amount="₹5")
    assert answer.json()["error"]["code"] == 132012
