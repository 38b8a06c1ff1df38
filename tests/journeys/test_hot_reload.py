"""A bundle is published while everything runs: each service uses it at once, and who talks already goes on in theirs."""

import asyncio
from typing import Any

import pytest

from events import backend, contact, message, rules, turn
from events.base import Recorded
from events.conversation import ProcessBound
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from services.cli.system import publish
from tests.journeys.log import PATIENCE_S
from tests.journeys.town import Town
from tests.libs.config.shipped import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGES = {
    'reason: "Payment overdue {{days_overdue}} days"': 'reason: "Late by {{days_overdue}} days"',  # rules
    "  model: claude-haiku-5-5": "  model: claude-sonnet-5-5",  # the orchestrator's worker
    "category: service, currency: INR, amount: 0, effective: 2026-01-01": (
        "category: service, currency: INR, amount: 9.5, effective: 2026-01-01"  # gateways
    ),
    "poll: {every_minutes: 5}": "poll: {every_minutes: 7}",  # backend-sync: it polls at once
    "get_contact: /contacts/{contact_id}": "get_contact: /nobody/{contact_id}",  # and asks elsewhere
    "await_order": "await_parcel",  # ingest: there is a flow of another name
    "sms:\n    enabled: true": "sms:\n    enabled: false",  # console
}


async def test_every_service_decides_by_what_was_published_last(town: Town):
    asha, bala = await town.somebody(), await town.somebody()
    await asha.was_reminded()
    await asha.says("Which invoice is it?")
    assert (await asha.sees(turn.Completed)).event.model == "claude-haiku-5-5"
    await asha.sees(message.Accepted, times=2)
    found = {"id": "fu-hot", "contact_id": asha.id, "reason": "Ask for the new address", "business_context": {}}
    await town.told("erp/followups", found)
    asked = {"contact_id": asha.id, "reason": "By hand", "flow": "await_parcel"}
    assert (await town.post("/api/v1/followups/trigger", asked)).status_code == 422

    new = changed()
    assert await publish(town.running.store, town.clock, new)

    # Console and ingest, at their next request; backend-sync asks the ERP now, and not when five minutes are over.
    await town.shows("/health", lambda body: body["channels"]["sms"] == "off")
    async with asyncio.timeout(PATIENCE_S):
        while (await town.post("/api/v1/followups/trigger", asked)).status_code != 202:
            pass
    await town.log.wait(lambda fact: is_found(fact, "fu-hot"))
    # Rules by their new words, backend-sync at its new address.
    await bala.owes()
    evaluated = await bala.sees(rules.Evaluated)
    assert (evaluated.event.matched[0].reason, evaluated.envelope.config) == ("Late by 17 days", new.hash)
    await bala.sees(contact.NotFound)
    # The orchestrator: a new matter begins in the new bundle beside the one that stays in its own.
    await asha.sees(ProcessBound, times=2)
    bundles = [fact.event.bundle for fact in await asha.facts(ProcessBound)]
    assert (bundles[0], {*bundles[1:]}) == (town.running.bundle.hash, {new.hash})
    # Claude's model, and what the answer costs, are always the current ones.
    before = len(await asha.facts(message.Accepted))
    await asha.says("Haan ji, 20 February tak kar denge")
    completed = await asha.sees(turn.Completed, times=2)
    assert completed.event.model == "claude-sonnet-5-5"
    answered = await asha.sees(message.Accepted, times=before + 1)
    assert answered.event.cost.micros == 9_500_000


def changed() -> Bundle:
    """The shipped bundle with all the changes."""
    texts = dict(TEXTS)
    for old, new in CHANGES.items():
        assert any(old in text for text in texts.values()), old
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    compiled = compile_bundle(texts, {}, "development")
    assert compiled.bundle is not None, compiled.findings
    return compiled.bundle


def is_found(fact: Recorded[Any], erp_id: str) -> bool:
    return isinstance(fact.event, backend.FollowupDiscovered) and fact.event.erp_id == erp_id
