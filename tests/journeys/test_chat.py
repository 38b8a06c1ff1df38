"""The main loop in the chat: an approach, an answer in the browser, a streamed reply, and the promise at the ERP."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from events.conversation import ProcessMoved
from events.message import Delivered, Read
from libs.testkit.nouns import HER_PROMISE, INVOICE, INVOICE_OVERDUE, PRIYA
from services.cli.settings import SHIPPED_BUNDLE
from tests.journeys.conftest import FreshTown
from tests.journeys.town import Town
from tests.libs.kit.effects_world import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "  chat: {enabled: true, provider: websocket}\n"
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


def with_chat(folder: Path) -> Path:
    """The shipped bundle, with the chat where it has none."""
    bundle = Path(shutil.copytree(SHIPPED_BUNDLE, folder / "bundle"))
    settings = bundle / "settings.yaml"
    text = settings.read_text(encoding="utf-8")
    if "\n  chat:" not in text:
        settings.write_text(text.replace("channels:\n", f"channels:\n{CHAT}", 1), encoding="utf-8")
    return bundle


async def frames(town: Town) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = (await town.outside.get(f"/_sandbox/chat/{PRIYA}/frames")).json()
    return got


async def test_a_matter_is_settled_in_the_chat_with_replies_that_are_streamed(fresh_town: FreshTown, tmp_path: Path):
    town = await fresh_town(config=with_chat(tmp_path))
    assert (await town.outside.put(f"/_sandbox/chat/{PRIYA}")).is_success
    answer = await town.post("/api/v1/followups/trigger", FOLLOWUP)
    assert answer.status_code == 202

    async def promised() -> list[dict[str, Any]]:
        return await town.writes(f"/invoices/{INVOICE}/promises")

    [promise] = await until(promised, seconds=30)
    assert promise["body"]["promised_date"] == "2026-02-20"

    async def thanked() -> list[dict[str, Any]]:
        lines = [frame for frame in await frames(town) if frame["type"] == "message"]
        return lines if len(lines) >= 3 else []

    lines = await until(thanked, seconds=30)
    assert [line["role"] for line in lines[:3]] == ["agent", "contact", "agent"]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[1]["content"] == HER_PROMISE
    got = await frames(town)
    drafts = [frame["content"] for frame in got if frame["type"] == "draft" and frame["id"] == lines[2]["draft"]]
    assert drafts, [(frame["type"], frame.get("id"), frame.get("draft"), frame.get("content")) for frame in got]
    assert lines[2]["content"].startswith(drafts[0].rstrip())
    kinds = {type(fact.event) for fact in await town.running.store.read_log(0, 0, 10_000)}
    assert {Delivered, Read, ProcessMoved} <= kinds
