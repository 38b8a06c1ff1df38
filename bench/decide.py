"""Decisions a second that one core takes of the shipped bundle, without any input or output: rules, state map, flow step."""

import time
from collections.abc import Callable
from pathlib import Path

from events.business import EventReceived
from libs.domain import dialogue, statemap
from libs.domain.flow import Branch, Generate
from libs.domain.names import Names
from libs.domain.statemap import Fired, Moved
from libs.domain.templates import render
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING
from services.cli.settings import SHIPPED_BUNDLE, Settings
from services.cli.system import checked_bundle
from services.rules import decide as rules

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

SECONDS = 2.0
BATCH = 100


async def run(report: Report) -> None:
    """Each decision again and again for two seconds."""
    bundle = checked_bundle(Settings(environment={}, data=Path("unused"), config=SHIPPED_BUNDLE))
    overdue = EventReceived(
        event_name="invoice_overdue", external_id="bench", origin="erp", fingerprint="", data=INVOICE_OVERDUE
    )
    zone = bundle.policy.timezone
    map_, flow = bundle.state_maps["payment_collection"], bundle.flows["payment_reminder"]
    arms, writing = dialogue.step_of(flow, "payment_branch"), dialogue.step_of(flow, "send_reminder")
    assert isinstance(arms, Branch)
    assert isinstance(writing, Generate)
    names = Names(
        business_context=INVOICE_OVERDUE,
        contact_name="Priya Sharma",
        entity_id=INVOICE,
        state="reminded",
        extracted_info={"payment_date": "2026-02-20"},
        tool_results={"payment_status": {"paid": False}},
    )
    promised = Fired("intent", "promise_to_pay")

    def evaluate() -> None:
        assert rules.evaluated(overdue, "business-bench", bundle.rules, now=MORNING, zone=zone).matched

    def move() -> None:
        assert isinstance(statemap.step(map_, "reminded", promised, names), Moved)

    def flow_step() -> None:
        taken = dialogue.branch(flow, arms, names)
        assert taken.step is writing
        assert not render(writing.system_prompt, names).undefined

    report(f"an event by {len(bundle.rules)} rules", _rate(evaluate), "/s")
    report(f"a trigger by {len(map_.transitions)} transitions", _rate(move), "/s")
    report("a branch and the prompt of the step that it leads to", _rate(flow_step), "/s")


def _rate(decide: Callable[[], None]) -> float:
    """How many a second of processor time."""
    decide()  # templates are compiled once
    done, began = 0, time.process_time()
    while time.process_time() - began < SECONDS:
        for _ in range(BATCH):
            decide()
        done += BATCH
    return done / (time.process_time() - began)
