"""The demo: the main job from an ERP event to a settled follow-up, told on the terminal as it happens."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from events import backend, business, conversation, followup, inbound, message, rules, timer, turn
from events.base import Recorded
from libs.kit import http
from libs.kit.serve import serve
from services.cli import trace
from services.cli.narrate import line
from services.cli.settings import TENANT, Settings
from services.cli.system import System, surroundings, system

IST = timezone(timedelta(hours=5, minutes=30))
START = datetime(2026, 2, 16, 10, 30, tzinfo=IST)
PAYDAY = datetime(2026, 2, 20, 10, 0, tzinfo=IST)
INVOICE = "INV-2026-0042"
OVERDUE = {
    "event_name": "invoice_overdue",
    "event_id": "demo-invoice-overdue-0042",
    "source": "demo-erp",
    "data": {
        "invoice_number": INVOICE,
        "contact_id": "c_123",
        "amount": 52400,
        "currency": "INR",
        "due_date": "2026-01-30",
        "days_overdue": 17,
    },
}
PATIENCE_S = 20.0
"""How long each step may take until it is called missing."""

Sees = Callable[[Any], bool]


class NotSeen(Exception):
    """A step of the demo did not happen in time."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that must be seen, and what it is called."""

    title: str
    sees: Sees


def _is(kind: type[Any], /, **about: Any) -> Sees:
    def sees(event: Any) -> bool:
        return isinstance(event, kind) and all(getattr(event, name) == value for name, value in about.items())

    return sees


def _moves(before: str, after: str) -> Sees:
    return _is(conversation.ProcessMoved, from_state=before, to_state=after)


def _asks_for(purpose: str) -> Sees:
    return _is(conversation.MessageRequested, purpose=purpose)


def _promises(event: Any) -> bool:
    if not isinstance(event, turn.Completed) or not {"promise_to_pay", "will_pay"}.intersection(event.intents):
        return False
    return event.extracted_info.get("payment_date") == "2026-02-20"


def _confirms(endpoint: str) -> Sees:
    return _is(backend.CallCompleted, kind="write", endpoint=endpoint)


MORNING = (
    Step("the event is stored", _is(business.EventReceived, event_name="invoice_overdue")),
    Step("a rule matched, and why", lambda event: isinstance(event, rules.Evaluated) and bool(event.matched)),
    Step("a follow-up is open", _is(followup.Opened)),
    Step("the contact policy allowed the approach", _is(followup.AttemptStarted, channel="whatsapp")),
    Step("a WhatsApp template goes out", _asks_for("approach")),
    Step("the provider took it", _is(message.Accepted)),
    Step("the process moved: pending → reminded", _moves("pending", "reminded")),
    Step("it was delivered", _is(message.Delivered)),
    Step("it was read", _is(message.Read)),
    Step("Priya answers", _is(inbound.Received)),
    Step("Claude (emulated) understood a promise and its date", _promises),
    Step("the process moved: reminded → promised", _moves("reminded", "promised")),
    Step("a check is scheduled", _is(conversation.TimerSet, purpose="check")),
    Step("the ERP took the promise", _confirms("record_promise")),
    Step("the promise is confirmed to Priya", _asks_for("answer")),
    Step("the confirmation was read", _is(message.Read)),
)
AFTERWARDS = (
    Step("the check is due", _is(timer.Fired)),
    Step("the process moved: promised → confirmed", _moves("promised", "confirmed")),
    Step("the follow-up is resolved", _is(followup.Resolved)),
    Step("the ERP was told, and confirmed", _confirms("record_outcome")),
    Step("Priya is thanked", _asks_for("approach")),
    Step("the conversation is closed", _is(conversation.Closed, reason="resolved")),
)


class Narrator:
    """Reads the log as it grows, tells each fact, and ticks off the steps in their order."""

    def __init__(self, running: System, console: Console, patience: float) -> None:
        self._system = running
        self._patience = patience
        self._console = console
        self._pos = 0
        self._grown = asyncio.Event()
        self._backlog: list[Any] = []
        self.conversation: str | None = None
        running.store.listener.on("log_0", lambda _: self._grown.set())

    async def see(self, steps: tuple[Step, ...]) -> None:
        """Return once every step was seen, each after the one before where the log has them so. Raises NotSeen."""
        for step in steps:
            try:
                async with asyncio.timeout(self._patience):
                    while not self._seen(step):
                        await self._read()
            except TimeoutError:
                raise NotSeen(step.title) from None
            self._console.print(Text.assemble(("  ✔ ", "bold green"), (step.title, "bold")))

    def _seen(self, step: Step) -> bool:
        for place, event in enumerate(self._backlog):
            if step.sees(event):
                del self._backlog[place]
                return True
        return False

    async def _read(self) -> None:
        self._grown.clear()
        facts = await self._system.store.read_log(0, self._pos, 500)
        if not facts:
            await self._grown.wait()
            return
        for fact in facts:
            self._pos = fact.pos
            self._backlog.append(fact.event)
            if fact.family == "conversation" and self.conversation is None:
                self.conversation = fact.subject_id
            self._tell(fact)

    def _tell(self, fact: Recorded[Any]) -> None:
        at = fact.envelope.occurred_at.astimezone(IST)
        name = fact.type.rpartition(".")[0]
        colour = trace.FAMILY_COLOURS.get(fact.family, "white")
        self._console.print(
            Text.assemble((f"  {at:%d %b %H:%M:%S} ", "dim"), (f"{name:<34}", colour), line(fact)), soft_wrap=False
        )


async def run(settings: Settings, console: Console, patience: float = PATIENCE_S) -> int:
    """Run the demo; 0 only when every step was seen, each within `patience` seconds."""
    settings = replace(settings, data=settings.data / "demo")
    if settings.data.exists():
        shutil.rmtree(settings.data)
    console.rule("[bold]ConverseAgent: from an ERP event to a settled follow-up")
    console.print(
        "Everything runs here: PostgreSQL, NATS and emulators of Meta, Anthropic and an ERP. No account is used."
    )
    async with (
        surroundings(settings, lambda what: console.print(f"  … {what}", style="dim")) as where,
        system(settings, where, start_at=START) as running,
    ):
        return await _tell_all(settings, running, console, patience)


async def _tell_all(settings: Settings, running: System, console: Console, patience: float) -> int:
    ready = asyncio.Event()
    serving = asyncio.create_task(
        serve(running.apps, settings.host, settings.port, on_ready=lambda port: ready.set()), name="serve"
    )
    await asyncio.wait([serving, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
        return 1
    narrator = Narrator(running, console, patience)
    try:
        async with http.client() as client:
            await _story(running, console, narrator, client)
            await _ending(running, console, narrator, client)
    except NotSeen as missing:
        console.print(f"\n[bold red]✘ not seen: {missing}")
        return 1
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    console.print("\n[bold green]Every step was seen.[/] `make up` keeps the system running.")
    return 0


async def _story(running: System, console: Console, narrator: Narrator, client: httpx.AsyncClient) -> None:
    console.rule(f"[bold]16 February 2026, 10:30 IST: the ERP says that {INVOICE} is overdue")
    answer = await client.post(f"{running.origin}/api/v1/events", json=OVERDUE)
    console.print(f"  POST /api/v1/events → {answer.status_code} {answer.text}")
    await narrator.see(MORNING)
    console.rule("[bold]20 February, the day of the promise: the invoice is paid, and the check is due")
    await client.post(f"{running.origin}/_sandbox/erp/pay", json={"invoice_id": INVOICE})
    moved = await running.clock.advance(PAYDAY - running.clock.now())
    console.print(f"  the business clock says {moved.astimezone(IST):%d %B %Y, %H:%M} IST")
    await narrator.see(AFTERWARDS)


async def _ending(running: System, console: Console, narrator: Narrator, client: httpx.AsyncClient) -> None:
    writes = (await client.get(f"{running.origin}/_sandbox/erp/writes")).json()
    told = [each for each in writes if each["path"].endswith("/outcome")]
    if len(told) != 1:
        raise NotSeen(f"the ERP was told once (it was told {len(told)} times)")
    console.print(Text.assemble(("  ✔ ", "bold green"), ("the ERP was told once", "bold")))
    conversation_id = narrator.conversation or ""
    console.rule("[bold]the conversation as a causal trace")
    facts = await trace.facts_of(running.store, TENANT, conversation_id)
    console.print(trace.tree_of(facts, f"conversation {conversation_id}"))
    console.rule("[bold]to try next")
    console.print("  make up                                    the same system, kept running, with its data")
    console.print(f"  {running.origin}/api/docs                 the API, while it runs")
    console.print(f"  {running.origin}/api/v1/conversations      what you have just seen, as JSON")
