"""The load: overdue invoices of many contacts, who answer by script; payments; and business time that passes in jumps."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from tests.chaos.house import House

SOURCE = "chaos-erp"
AFTER_S = 0.3

Script = Mapping[str, Any]


def _says(*words: str) -> Script:
    return {"name": "Chaos Contact", "lines": [{"say": words, "after_seconds": AFTER_S, "once": True}]}


CHARACTERS: Sequence[tuple[int, Script]] = (
    (5, _says("Haan ji, 3 din mein kar denge")),
    (3, _says("I will pay tomorrow")),
    (2, _says("Haan", "kal tak kar denge")),
    (1, _says("Already paid last week")),
    (2, {"name": "Silent", "lines": []}),
)
"""How contacts behave, and how many of each there are."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One invoice of one contact."""

    number: int

    @property
    def invoice(self) -> str:
        return f"INV-CHAOS-{self.number:05}"

    @property
    def contact(self) -> str:
        return f"c_chaos_{self.number:05}"

    @property
    def phone(self) -> str:
        return f"+9155555{self.number:05}"


@dataclass(slots=True)
class Ledger:
    """What was promised to the sender: everything that was answered with 202."""

    accepted: dict[str, str] = field(default_factory=dict)
    """The event's name, by the id that it was accepted under."""
    refused: list[str] = field(default_factory=list)
    """Answers that the sender cannot do anything with: not 202, not 503."""
    tries: Counter[str] = field(default_factory=Counter)


class Load:
    """Posts until told to end; then everything that was begun is finished by `settle`."""

    def __init__(self, house: House, chance: random.Random, *, per_second: float) -> None:
        self._house = house
        self._chance = chance
        self._per_second = per_second
        self._going: set[asyncio.Task[None]] = set()
        self.ledger = Ledger()
        self.matters: list[Matter] = []
        self.paid: set[str] = set()
        self.woken: set[str] = set()

    async def run(self) -> None:
        """A new matter now and then, until cancelled."""
        while True:
            matter = Matter(len(self.matters) + 1)
            self.matters.append(matter)
            self._start(self._live(matter))
            await asyncio.sleep(self._chance.expovariate(self._per_second))

    async def pass_time(self) -> None:
        """Business days pass while everything happens, until cancelled."""
        while True:
            await asyncio.sleep(self._chance.uniform(6, 12))
            await self._house.advance(timedelta(hours=self._chance.uniform(6, 30)))

    async def finish(self) -> None:
        """Return when everything that was begun has been accepted, and each invoice is paid at the ERP."""
        while self._going:
            await asyncio.wait(set(self._going))
        for matter in self.matters:
            await self.pay(matter)

    async def pay(self, matter: Matter) -> None:
        """The money is in the ERP's books."""
        if matter.invoice not in self.paid:
            await self._house.tell_outside("POST", "/_sandbox/erp/pay", {"invoice_id": matter.invoice})
            self.paid.add(matter.invoice)

    async def announce(self, matter: Matter) -> None:
        """The ERP says by itself that an invoice is paid."""
        await self._post("payment_received", f"paid-{matter.number}", {"invoice_number": matter.invoice})

    async def _live(self, matter: Matter) -> None:
        await self._know(matter)
        await self._overdue(matter)
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.uniform(0, 15))
            await self.pay(matter)
            if self._chance.random() < 0.7:
                await self.announce(matter)

    async def _overdue(self, matter: Matter) -> None:
        """The ERP says that the invoice is overdue."""
        await self._post(
            "invoice_overdue",
            f"overdue-{matter.number}",
            {
                "invoice_number": matter.invoice,
                "contact_id": matter.contact,
                "amount": 52400 + matter.number,
                "currency": "INR",
                "due_date": "2026-01-30",
                "days_overdue": 17,
            },
        )

    async def _know(self, matter: Matter) -> None:
        """The contact and the invoice are in the ERP, and the contact has a phone."""
        channel = {"channel": "whatsapp", "address": matter.phone}
        contact = {"id": matter.contact, "name": f"Contact {matter.number}", "channels": [channel]}
        await self._house.tell_outside("POST", "/_sandbox/erp/contacts", contact)
        invoice = {"id": matter.invoice, "contact_id": matter.contact, "amount": 52400, "due_date": "2026-01-30"}
        await self._house.tell_outside("POST", "/_sandbox/erp/invoices", invoice)
        weights, scripts = zip(*CHARACTERS, strict=True)
        script = self._chance.choices(scripts, weights)[0]
        await self._house.tell_outside("PUT", f"/_sandbox/contacts/{matter.phone}/script", script)

    async def _post(self, name: str, event_id: str, data: Mapping[str, Any]) -> None:
        """Tell ingest until it says 202; now and then once more, as senders do that missed the answer."""
        body = {"event_name": name, "event_id": event_id, "source": SOURCE, "data": data}
        again = self._chance.random() < 0.1
        while True:
            taken = await self._try(body)
            if taken is not None:
                if taken.get("event_id") != event_id:
                    self.ledger.refused.append(f"{event_id} was answered with {taken}")
                self.ledger.accepted[event_id] = name
                if not again:
                    return
                again = False
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def _try(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        origin = self._house.services["ingest"].origin
        try:
            answer = await self._house.client.post(f"{origin}/api/v1/events", json=body, timeout=5.0)
        except httpx.HTTPError:
            self.ledger.tries["no answer"] += 1
            return None
        self.ledger.tries[str(answer.status_code)] += 1
        if answer.status_code == 202:
            taken: dict[str, Any] = answer.json()
            return taken
        if answer.status_code != 503:
            self.ledger.refused.append(f"{body['event_id']}: {answer.status_code} {answer.text[:300]}")
        return None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._going.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._going.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.ledger.refused.append(f"the sender failed: {error!r}")
