"""The end of the demo on the phone: how long each answer took, what a minute cost, and where the call can be heard."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from events import call
from events.base import Recorded
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.kit.store import Store
from services.cli.settings import TENANT
from services.cli.system import System

STAGES = ("stt", "decision", "llm", "tts", "transport", "total")
WHAT = {
    "stt": "last word → end of turn",
    "decision": "→ our turn",
    "llm": "→ first token",
    "tts": "→ first sound",
    "transport": "→ first block sent",
    "total": "last word → first block",
}


async def show(running: System, console: Console, client: httpx.AsyncClient, talk: str, folder: Path) -> None:
    """Print the tables of the conversation's call, and keep its recording and timeline in `folder`."""
    facts = await _facts(running.store, talk)
    taken = [fact.event for fact in facts if isinstance(fact.event, call.TurnTaken)]
    ended = next(fact for fact in facts if isinstance(fact.event, call.Ended))
    console.rule("[bold]what was said")
    for turn in taken:
        if turn.contact:
            console.print(f"  Priya: {turn.contact}", style="blue", highlight=False)
        if turn.agent:
            console.print(f"  Agent: {turn.agent}", style="yellow", highlight=False)
    console.rule("[bold]how long she waited (ms; providers emulated at their usual pace)")
    console.print(latency(taken, ended.event))
    console.rule("[bold]what it cost, by the dated prices of infra/config/prices.yaml")
    console.print(costs(ended.event, running.bundle, ended.envelope.occurred_at.date()))
    console.rule("[bold]to hear and to see")
    heard = (await client.get(f"{running.origin}/_sandbox/exotel/calls")).raise_for_status().json()
    phone = f"{running.origin}/_sandbox/exotel/calls/{heard[-1]['sid']}"  # her phone is the sandbox's, whoever carries the call
    for name, path in (("recording.wav", folder / "call.wav"), ("timeline.svg", folder / "call.svg")):
        answer = await client.get(f"{phone}/{name}")
        answer.raise_for_status()
        path.write_bytes(answer.content)
    console.print(f"  {folder / 'call.wav'}   the call: Priya on the left, the agent on the right", highlight=False)
    console.print(f"  {folder / 'call.svg'}   who spoke when", highlight=False)


def latency(taken: list[call.TurnTaken], ended: call.Ended) -> Table:
    """Milliseconds of each answer by stage, and their percentiles."""
    table = Table()
    table.add_column("answer")
    for stage in STAGES:
        table.add_column(f"{stage}\n[dim]{WHAT[stage]}", justify="right")
    for turn in taken:
        if turn.latency_ms:
            table.add_row(str(turn.turn), *(str(turn.latency_ms.get(stage, "")) for stage in STAGES))
    table.add_section()
    for percentile in ("p50_ms", "p90_ms"):
        found = [ended.latency_ms.get(stage, {}).get(percentile) for stage in STAGES]
        table.add_row(percentile.removesuffix("_ms"), *("" if each is None else str(each) for each in found))
    return table


def costs(ended: call.Ended, bundle: Bundle, at: date) -> Table:
    """What the call took, by which price, and rupees a minute."""
    table = Table("component", "taken", "price")
    table.add_column("₹/min", justify="right")
    if ended.consumed:
        rows = call_costs.table(ended.consumed, ended.seconds, bundle, at)
    else:
        rows = [
            (name, "", f"{cost.currency} {cost.micros / 1_000_000:.4f}", _rupees(cost, ended, bundle, at))
            for name, cost in ended.costs.items()
        ]
        whole = call_costs.per_minute(call_costs.total(ended.costs.values(), bundle, at), ended.seconds)
        rows.append(("in all", f"{ended.seconds} s", "", f"₹{whole / 1_000_000:.2f}"))
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1], style="bold")
    return table


def _rupees(cost: Any, ended: call.Ended, bundle: Bundle, at: date) -> str:
    micros = call_costs.in_home(cost, bundle, at)
    return "?" if micros is None else f"₹{call_costs.per_minute(micros, ended.seconds) / 1_000_000:.2f}"


async def _facts(store: Store, talk: str) -> list[Recorded[Any]]:
    events = [fact.event for fact in await store.read_stream(TENANT, f"conversation-{talk}")]
    asked = next(event for event in events if isinstance(event, call.CallRequested))
    return await store.read_stream(TENANT, f"call-{asked.call}")
