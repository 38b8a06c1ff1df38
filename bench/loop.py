"""From the ERP's event to the WhatsApp call: latency at 20 follow-ups a second, and where the time goes."""

import asyncio
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import uvloop

from bench.deployed import Where, bench_store, deployed, in_one_process
from bench.load import spent
from bench.outside import Connection
from bench.relay import MASTER, TENANT, measure_fsync, show
from events.base import Cause
from events.contact import Lookup
from libs.kit import ids, log
from libs.kit.clock import Clock
from libs.kit.store import Store
from services.backend_sync import decide as erp

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

SERVICES = ("relay", "ingest", "rules", "orchestrator", "gateways", "backend_sync")
RATE, SECONDS, WARM = 20, 20, 40
P50_MS, P99_MS = 100.0, 300.0
PATIENCE_S = 30.0

HOPS = (
    "business.event_received.v1",
    "rules.evaluated.v1",
    "followup.opened.v1",
    "followup.contact_requested.v1",
    "contact.registered.v1",
    "conversation.tool_requested.v1",
    "backend.call_completed.v1",
    "conversation.message_requested.v1",
)
"""The facts on the way to the call, in order; two of them only for a contact whom nobody has asked the ERP about."""


async def run(report: Report, *, services: Sequence[str] = SERVICES, together: bool = True) -> None:
    """Measure with every service in a process of its own, then (`together`) with all of them in one."""
    with tempfile.TemporaryDirectory(prefix="bench-loop-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        report("fsync", measure_fsync(folder), "ms")
        async with deployed(folder, services) as where:
            tell(report, "event → call", await measure(where), judged=True)
        if together:
            async with in_one_process(folder) as where:
                tell(report, "in one process", await measure(where), judged=False)


@dataclass(slots=True)
class Seen:
    """Milliseconds from the start of each POST to the arrival of its call at Meta, and between the facts on the way."""

    known: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)
    hops: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    facts: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    others: float = 0.0
    refused: int = 0
    missing: int = 0


def tell(report: Report, name: str, seen: Seen, *, judged: bool) -> None:
    """Report percentiles, all together against the bars."""
    total = sorted([*seen.known, *seen.unknown, *[PATIENCE_S * 1e3] * seen.missing])
    p50, p99 = total[len(total) // 2], total[int(len(total) * 0.99)]
    bars: list[dict[str, Any]] = [{}, {}]
    if judged:
        bars = [{"bar": f"≤ {bar:.0f}", "ok": got <= bar} for got, bar in ((p50, P50_MS), (p99, P99_MS))]
    report(f"{name} p50, {RATE} follow-ups/s", p50, "ms", **bars[0])
    report(f"{name} p99", p99, "ms", **bars[1])
    for who, took in (("known contacts", seen.known), ("contacts the ERP is asked for", seen.unknown)):
        if took:
            report(f"… p50 of {who}", median(took), "ms")
    if seen.missing or seen.refused:
        report("calls that never came", seen.missing, "", bar="0", ok=not seen.missing)
        report("webhooks that had to be repeated", seen.refused, "")
    for (before, after), gaps in seen.hops.items():
        report(f"… {_short(before)} → {_short(after)}", median(gaps), "ms")
    report("facts a follow-up", seen.facts, "")
    for process, each in seen.cpu.items():
        report(f"… processor time a follow-up, {process}", each, "ms")
    report("cores that others took meanwhile", seen.others, "")


def _short(tag: str) -> str:
    return tag.removesuffix(".v1").partition(".")[2].replace("_", " ") or tag


async def measure(where: Where) -> Seen:
    """Post events at a steady rate, half of them about contacts that are known, and see when each call arrives."""
    async with bench_store(where.postgres) as (store, clock):
        followups = [Overdue(number, known=number % 2 == 0) for number in range(WARM + RATE * SECONDS)]
        for each in followups:
            where.outside.contacts[each.contact_id] = each.contact
            if each.known:
                await register(store, clock, each)
        poster = Poster(where)
        await poster.post(followups[:WARM])
        counted = followups[WARM:]
        before = await store_facts(where.postgres)
        offset = time.time() - time.perf_counter()
        resting = spent()
        started_at = time.monotonic()
        began = await poster.post(counted)
        took = spent().since(resting)
        seen = Seen(others=took.others / (time.monotonic() - started_at))
        by_use = sorted(took.ours.items(), key=lambda item: -item[1])
        seen.cpu = {name: seconds / len(counted) * 1e3 for name, seconds in by_use if seconds > 0.1}
        for each in counted:
            arrived = where.outside.arrived.get(each.phone)
            if arrived is None:
                seen.missing += 1
            else:
                (seen.known if each.known else seen.unknown).append((arrived - began[each.number]) * 1e3)
        assert not where.outside.twice, "a message was sent twice"
        seen.refused = len(where.outside.refused)
        seen.facts = (await store_facts(where.postgres) - before) / len(counted)
        posts = {each.cause_id: (began[each.number] + offset, each) for each in counted}
        await _hops(where, posts, offset, seen)
        return seen


@dataclass(frozen=True, slots=True)
class Overdue:
    """One overdue invoice of a contact of its own."""

    number: int
    known: bool

    @property
    def contact_id(self) -> str:
        return f"c_{self.number:06}"

    @property
    def phone(self) -> str:
        return f"9198{self.number:08}"

    @property
    def event_id(self) -> str:
        return f"bench-{self.number:06}"

    @property
    def cause_id(self) -> UUID:
        return ids.cause_id(TENANT, "event:erp", self.event_id)

    @property
    def contact(self) -> dict[str, Any]:
        consent = {"at": "2025-11-03T09:30:00+00:00", "evidence": "order form"}
        channels = [{"channel": "whatsapp", "address": f"+{self.phone}", "consent": consent}]
        return {"id": self.contact_id, "name": f"Contact {self.number}", "organization": "Acme", "channels": channels}

    @property
    def event(self) -> dict[str, Any]:
        data = {
            "invoice_number": f"INV-{self.number:06}",
            "contact_id": self.contact_id,
            "amount": 52400 + self.number,
            "currency": "INR",
            "due_date": "2026-01-30",
            "days_overdue": 17,
        }
        return {"event_name": "invoice_overdue", "event_id": self.event_id, "source": "erp", "data": data}


async def register(store: Store, clock: Clock, one: Overdue) -> None:
    """Let the log know a contact as backend-sync would have told it."""
    contact_id, profile = erp.profile_of(one.contact)
    digest = await store.keyring.lookup(TENANT, "whatsapp", profile.channels[0].address)
    fact = erp.contact_fact(contact_id, profile, [Lookup(channel="whatsapp", digest=digest.hex())], known=False)
    cause_id = ids.fresh()
    cause = Cause(correlation_id=cause_id, occurred_at=clock.now(), source="backend-sync", id=cause_id)
    draft = erp.about_contact(contact_id, fact)
    await store.append_any(TENANT, draft.stream, [draft], cause)


class Poster:
    """The ERP's side: events at a steady rate, whether or not the ones before are answered."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._free: list[Connection] = []
        self._token = f"Bearer {where.token}"

    async def post(self, followups: Sequence[Overdue]) -> dict[int, float]:
        """Post them all and return once each call has arrived or is given up; when each POST began."""
        began: dict[int, float] = {}
        start = time.perf_counter() + 0.05
        tasks = []
        for place, each in enumerate(followups):
            await asyncio.sleep(max(0.0, start + place / RATE - time.perf_counter()))
            began[each.number] = time.perf_counter()
            tasks.append(asyncio.create_task(self._one(each)))
        await asyncio.gather(*tasks)
        until = time.monotonic() + PATIENCE_S
        for each in followups:
            while each.phone not in self._where.outside.arrived and time.monotonic() < until:  # noqa: ASYNC110 - half a minute at most, beside the measuring
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # the statuses of the last ones come in
        return began

    async def _one(self, each: Overdue) -> None:
        connection = self._free.pop() if self._free else Connection("127.0.0.1", self._where.ingest_port)
        status, answer = await connection.request(
            "POST", "/api/v1/events", json.dumps(each.event).encode(), authorization=self._token
        )
        self._free.append(connection)
        if status != 202:
            raise RuntimeError(f"the event was not taken: {status} {answer[:300]!r}")


async def store_facts(url: str) -> int:
    async with Store.open(url, master=MASTER, name="bench") as store:
        return await store.head(0)


async def _hops(where: Where, posts: Mapping[UUID, tuple[float, Overdue]], offset: float, seen: Seen) -> None:
    """From fact to fact by the log's own clock."""
    async with Store.open(where.postgres, master=MASTER, name="bench") as store:
        rows = await store.pool.fetch(
            "SELECT correlation_id, type, min(recorded_at) AS at FROM log.event WHERE type = ANY($1) GROUP BY 1, 2",
            list(HOPS),
        )
    facts: dict[UUID, dict[str, float]] = defaultdict(dict)
    for row in rows:
        facts[row["correlation_id"]][row["type"]] = row["at"].timestamp()
    steps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for cause, (posted, each) in posts.items():
        moments = [("POST", posted), *((hop, facts[cause][hop]) for hop in HOPS if hop in facts[cause])]
        if each.phone in where.outside.arrived:
            moments.append(("call", where.outside.arrived[each.phone] + offset))
        for (before, began), (after, ended) in pairwise(moments):
            steps[before, after].append((ended - began) * 1e3)
    order = ["POST", *HOPS, "call"]
    for step in sorted(steps, key=lambda step: (order.index(step[0]), order.index(step[1]))):
        seen.hops[step] = steps[step]


if __name__ == "__main__":
    log.configure("console", "error")
    uvloop.run(run(show))
