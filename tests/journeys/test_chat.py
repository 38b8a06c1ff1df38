"""In the chat of the whole system a reply is seen while Claude writes it, and what was streamed is what is said."""

from typing import Any

import pytest

from events.message import Delivered, Read
from libs.testkit.nouns import HER_PROMISE, INVOICE, INVOICE_OVERDUE, PRIYA
from tests.journeys.conftest import FreshTown
from tests.libs.kit.effects_world import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLLOWUP = {
    "contact_id": PRIYA,
    "reason": "Payment overdue 17 days",
    "channel_priority": ["chat"],
    "process_type": "payment_collection",
    "entity_type": "invoice",
    "entity_id": INVOICE,
    "flow": "payment_reminder",
    "business_context": INVOICE_OVERDUE,
}


async def test_a_matter_is_settled_in_the_chat_with_replies_that_are_streamed(fresh_town: FreshTown):
    town = await fresh_town()
    await town.told(f"chat/{PRIYA}/open", {})
    await town.told(f"contacts/{PRIYA}/say", {"channel": "chat", "say": ["Namaste"]})  # who writes there is there

    async def greeted() -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await town.outside.get(f"/_sandbox/chat/messages?to={PRIYA}")).json()
        return lines if [line["role"] for line in lines] == ["contact", "agent"] else []

    await until(greeted)
    answer = await town.post("/api/v1/followups/trigger", FOLLOWUP)
    assert answer.status_code == 202

    async def promised() -> list[dict[str, Any]]:
        return await town.writes(f"/invoices/{INVOICE}/promises")

    [promise] = await until(promised)
    assert promise["body"]["promised_date"] == "2026-02-20"

    async def answered() -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await town.outside.get(f"/_sandbox/chat/messages?to={PRIYA}")).json()
        return lines if len(lines) >= 5 else []

    lines = await until(answered)
    assert [line["role"] for line in lines[2:5]] == ["agent", "contact", "agent"]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[3]["text"] == HER_PROMISE
    assert lines[4]["streamed"]
    kinds = {type(fact.event) for fact in await town.running.store.read_log(0, 0, 10_000, families=["message"])}
    assert {Delivered, Read} <= kinds
