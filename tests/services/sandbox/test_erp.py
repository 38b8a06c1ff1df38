"""The emulated ERP answers, takes each write once, and fails on demand."""

from typing import Any

import httpx
import pytest

from services.sandbox.settings import ErpSettings, MetaSettings, Settings
from tests.services.sandbox.conftest import Sandbox

INVOICE = "INV-2026-0042"
PROMISE = {"promised_date": "2026-02-20"}
FOLLOWUP = {
    "id": "f_1",
    "contact_id": "c_123",
    "reason": "Payment overdue",
    "business_context": {"invoice_number": INVOICE, "amount": 52400},
    "priority": "high",
    "channel_priority": ["whatsapp", "email"],
    "process_type": "payment_collection",
    "entity_type": "invoice",
    "entity_id": INVOICE,
}


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta", "erp")


async def writes(sandbox: Sandbox) -> list[dict[str, Any]]:
    taken: list[dict[str, Any]] = await sandbox.control("GET", "/erp/writes")
    return taken


async def test_a_contact_has_channels_with_evidence_of_consent(sandbox: Sandbox):
    contact = (await sandbox.erp("GET", "/contacts/c_123")).json()
    assert (contact["name"], contact["role"], contact["organization"]) == (
        "Priya Sharma",
        "accounts payable",
        "Acme Corp",
    )
    addresses = {each["channel"]: each["address"] for each in contact["channels"]}
    assert addresses == {
        "whatsapp": "+919876543210",
        "sms": "+919876543210",
        "voice": "+919876543210",
        "email": "priya.sharma@acme.example",
        "chat": "c_123",
    }
    for channel in contact["channels"]:
        assert channel["consent"]["at"].endswith("Z")
        assert channel["consent"]["evidence"]


@pytest.mark.parametrize("address", ["+919876543210", "919876543210", "+91 98765 43210"])
async def test_a_contact_is_found_by_an_address(sandbox: Sandbox, address: str):
    answer = await sandbox.client.get(
        "/sandbox/erp/contacts/search", params={"channel": "whatsapp", "address": address}
    )
    assert [contact["id"] for contact in answer.json()] == ["c_123"]


async def test_nobody_is_found_by_an_unknown_address_or_on_another_channel(sandbox: Sandbox):
    for query in ("channel=whatsapp&address=911", "channel=email&address=%2B919876543210", "channel=whatsapp"):
        assert (await sandbox.erp("GET", f"/contacts/search?{query}")).json() == []


async def test_an_unpaid_invoice_becomes_partly_paid_and_paid(sandbox: Sandbox):
    before = (await sandbox.erp("GET", f"/payments/{INVOICE}/status")).json()
    assert (before["paid"], before["status"], before["amount"], before["due_date"]) == (
        False,
        "unpaid",
        52400,
        "2026-01-30",
    )
    part = await sandbox.control("POST", "/erp/pay", {"invoice_id": INVOICE, "amount": 20000})
    assert (part["paid"], part["status"], part["outstanding"]) == (False, "partially_paid", 32400)
    await sandbox.control("POST", "/erp/pay", {"invoice_id": INVOICE})
    after = (await sandbox.erp("GET", f"/payments/{INVOICE}/status")).json()
    assert (after["paid"], after["status"], after["outstanding"]) == (True, "paid", 0)
    assert after["paid_at"] == "2026-02-16T05:00:00Z"


async def test_amounts_stay_the_numbers_that_they_were(sandbox: Sandbox):
    headers = {"content-type": "application/json"}
    for amount in ("52400", "118750.50", "0.1", "12345678901234567890.01"):
        body = f'{{"id": "I-1", "contact_id": "c_123", "due_date": "2026-03-01", "amount": {amount}}}'
        added = await sandbox.client.post("/_sandbox/erp/invoices", content=body, headers=headers)
        assert added.status_code == 201
        assert f'"amount":{amount},' in (await sandbox.erp("GET", "/payments/I-1/status")).text
    url = f"/sandbox/erp/invoices/{INVOICE}/outcome"
    await sandbox.client.post(url, content='{"amount": 5000.00}', headers=headers)
    assert '"amount":5000.00' in (await sandbox.client.get("/_sandbox/erp/writes")).text


async def test_an_order_its_shipment_and_its_stock_can_be_asked_for(sandbox: Sandbox):
    issues = (await sandbox.erp("GET", "/orders/ORD-2026-0107/issues")).json()
    assert (issues["open_issues"], issues["issues"][0]["kind"]) == (1, "delay")
    tracked = (await sandbox.erp("GET", "/shipments/SHP-7781/track")).json()
    assert (tracked["status"], tracked["eta"], tracked["delayed"]) == ("in_transit", "2026-02-19", True)
    enough = (await sandbox.erp("GET", "/inventory/check?sku=BOX-LARGE&quantity=300")).json()
    short = (await sandbox.erp("GET", "/inventory/check?sku=BOX-LARGE&quantity=500")).json()
    assert (enough["in_stock"], short["in_stock"], short["restock_date"]) == (True, False, "2026-02-21")
    assert (await sandbox.erp("GET", "/orders/ORD-2026-0111")).json()["status"] == "confirmed"


async def test_a_pending_followup_is_listed_until_it_is_settled(sandbox: Sandbox):
    assert (await sandbox.erp("GET", "/followups/pending")).json() == []
    await sandbox.control("POST", "/erp/followups", FOLLOWUP)
    (listed,) = (await sandbox.erp("GET", "/followups/pending")).json()
    assert FOLLOWUP.items() <= listed.items()
    context = (await sandbox.erp("GET", "/followups/f_1/context")).json()
    assert (context["contact"]["id"], context["entity"]["id"]) == ("c_123", INVOICE)
    told = {"status": "resolved", "outcome": "Payment confirmed by contact on call"}
    assert (await sandbox.erp("PUT", "/followups/f_1/status", told)).json() == {"id": "f_1", **told}
    assert (await sandbox.erp("GET", "/followups/pending")).json() == []


@pytest.mark.parametrize(
    "path",
    [
        "/contacts/c_0",
        "/payments/X/status",
        "/invoices/X",
        "/orders/X",
        "/orders/X/issues",
        "/shipments/X/track",
        "/inventory/check?sku=X",
        "/followups/X/context",
    ],
)
async def test_what_does_not_exist_is_a_404_that_names_it(sandbox: Sandbox, path: str):
    answer = await sandbox.erp("GET", path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "there is no" in answer.json()["detail"]


async def test_a_write_is_taken_once_per_key(sandbox: Sandbox):
    path = f"/invoices/{INVOICE}/promises"
    first = await sandbox.erp("POST", path, PROMISE, idempotency_key='"k-1"')
    again = await sandbox.erp("POST", path, PROMISE, idempotency_key="k-1")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    (write,) = await writes(sandbox)
    assert (write["key"], write["path"], write["body"], write["replays"]) == ("k-1", path, PROMISE, 1)
    calls = await sandbox.control("GET", "/erp/calls")
    assert [(call["method"], call["key"]) for call in calls] == [("POST", "k-1"), ("POST", "k-1")]


async def test_a_key_that_comes_with_another_body_is_refused(sandbox: Sandbox):
    path = f"/invoices/{INVOICE}/promises"
    await sandbox.erp("POST", path, PROMISE, idempotency_key="k-1")
    other = await sandbox.erp("POST", path, {"promised_date": "2026-02-21"}, idempotency_key="k-1")
    assert other.status_code == 422
    assert len(await writes(sandbox)) == 1


async def test_without_a_key_each_write_counts(sandbox: Sandbox):
    for expected in ("PRM-0001", "PRM-0002"):
        answer = await sandbox.erp("POST", f"/invoices/{INVOICE}/promises", PROMISE)
        assert answer.json()["promise_id"] == expected
    assert len(await writes(sandbox)) == 2


async def test_outcomes_of_invoices_and_orders_are_taken_as_they_come(sandbox: Sandbox):
    body = {"status": "confirmed", "evidence": {"quote": "हाँ"}}
    assert (await sandbox.erp("POST", f"/invoices/{INVOICE}/outcome", body)).json()["recorded"] is True
    assert (await sandbox.erp("POST", "/orders/ORD-2026-0107/outcome", body)).json()["recorded"] is True
    assert [write["body"] for write in await writes(sandbox)] == [body, body]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"/invoices/{INVOICE}/promises", {}, 422),
        ("POST", f"/invoices/{INVOICE}/promises", {"promised_date": "soon"}, 422),
        ("POST", "/invoices/X/promises", PROMISE, 404),
        ("POST", f"/invoices/{INVOICE}/payment-claims", {"reference": " "}, 422),
        ("POST", f"/invoices/{INVOICE}/outcome", [1], 422),
        ("PUT", "/followups/X/status", {"status": "resolved"}, 404),
    ],
)
async def test_a_wrong_write_is_refused_and_leaves_the_key_free(
    sandbox: Sandbox, method: str, path: str, body: Any, status: int
):
    assert (await sandbox.erp(method, path, body, idempotency_key="k-1")).status_code == status
    assert await writes(sandbox) == []
    right = await sandbox.erp("POST", f"/invoices/{INVOICE}/promises", PROMISE, idempotency_key="k-1")
    assert right.status_code == 201


async def test_a_refusal_on_demand_writes_nothing(sandbox: Sandbox):
    await sandbox.control("POST", "/erp/faults", [{"status": 500}, {"status": 429, "retry_after": 2}, {"status": 404}])
    answers = [await sandbox.erp("POST", f"/invoices/{INVOICE}/promises", PROMISE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 429, 404, 201]
    assert answers[1].headers["retry-after"] == "2"
    assert len(await writes(sandbox)) == 1


async def test_a_write_whose_answer_is_lost_was_taken_and_is_not_taken_again(sandbox: Sandbox):
    path = f"/invoices/{INVOICE}/promises"
    await sandbox.control("POST", "/erp/faults", {"answer": "dropped", "method": "POST", "path": "promises"})
    assert (await sandbox.erp("GET", f"/payments/{INVOICE}/status")).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.erp("POST", path, PROMISE, idempotency_key="k-1")
    assert (await sandbox.erp("POST", path, PROMISE, idempotency_key="k-1")).status_code == 201
    (write,) = await writes(sandbox)
    assert write["replays"] == 1


async def test_an_answer_may_be_late_or_broken_or_lost_with_the_write(sandbox: Sandbox):
    path = f"/invoices/{INVOICE}/promises"
    faults = [{"answer": "garbled"}, {"answer": "hung", "seconds": 20}, {"answer": "dropped", "commits": False}]
    await sandbox.control("POST", "/erp/faults", faults)
    with pytest.raises(ValueError):
        (await sandbox.erp("GET", "/contacts/c_123")).json()
    sandbox.client.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.erp("POST", path, PROMISE)
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.erp("POST", path, PROMISE)
    assert len(await writes(sandbox)) == 1


async def test_after_a_reset_the_books_are_as_at_the_start(sandbox: Sandbox):
    await sandbox.control("POST", "/erp/pay", {"invoice_id": INVOICE})
    await sandbox.control("POST", "/erp/followups", FOLLOWUP)
    await sandbox.erp("POST", f"/invoices/{INVOICE}/promises", PROMISE, idempotency_key="k-1")
    await sandbox.control("POST", "/erp/reset")
    assert (await sandbox.erp("GET", f"/payments/{INVOICE}/status")).json()["paid"] is False
    assert (await sandbox.erp("GET", "/followups/pending")).json() == []
    assert await writes(sandbox) == []


class TestAGuardedErp:
    """With a token."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(meta=MetaSettings(), erp=ErpSettings(token="erp-token"))

    @pytest.mark.parametrize("authorization", ["", "Bearer other", "Basic erp-token"])
    async def test_a_stranger_is_kept_out(self, sandbox: Sandbox, authorization: str):
        answer = await sandbox.erp("GET", "/contacts/c_123", authorization=authorization)
        assert answer.status_code == 401
        write = await sandbox.erp("POST", f"/invoices/{INVOICE}/promises", PROMISE, authorization=authorization)
        assert write.status_code == 401
        assert await writes(sandbox) == []

    async def test_the_token_opens(self, sandbox: Sandbox):
        answer = await sandbox.erp("GET", "/contacts/c_123", authorization="Bearer erp-token")
        assert answer.status_code == 200
