"""One run of chaos: the load flows, faults fall, everything is mended, the matters settle, and the verdict is taken."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.chaos import verdict as judging
from tests.chaos.faults import Fault, Faults
from tests.chaos.house import House, open_house
from tests.chaos.load import Load
from tests.chaos.verdict import Verdict

LOOK_S = 0.2
STILL = 4
"""So many looks in a row must find nothing to do and the same head: then it is quiet."""
STEP = timedelta(hours=20)
"""Business time goes on to the next timer, and so much further that others of that day are due as well."""
OPEN_FOR_GOOD = 40
"""So often business time goes on to the next timer before a matter counts as stuck."""
NEXT_TIMER = (
    "SELECT extract(epoch FROM min(due_at) - (now() + (SELECT ahead FROM ops.business_clock))) FROM orchestrator.timer"
)
LAG = "SELECT coalesce(max(h.pos - c.pos), 0) FROM log.checkpoint c JOIN log.log_head h USING (shard)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much goes wrong, and how fast. `minutes` goes on for that long instead of a number of faults."""

    faults: int = 200
    minutes: float | None = None
    seed: int = 1
    every_s: float = 1.2
    matters_per_second: float = 0.8
    call_timeout_s: float = 5.0
    quiet_within_s: float = 240.0
    each_kind_once: bool = True
    keep: bool = False
    """Whether logs and data stay although nothing was broken."""


@dataclass(slots=True)
class Scene:
    """What is to be seen of a run that goes on."""

    phase: str = "starting"
    faults: int = 0
    last: str = ""
    matters: int = 0
    accepted: int = 0


Watch = Callable[[Scene], None]


async def run(plan: Plan, watch: Watch = lambda scene: None) -> Verdict:
    """The whole of it; what was started is gone afterwards, and the folder too unless something was broken."""
    folder = folder_of_run()
    scene = Scene()
    began = time.monotonic()

    def tell(phase: str) -> None:
        scene.phase = phase
        watch(scene)

    async with open_house(folder, timeout=timedelta(seconds=plan.call_timeout_s), tell=tell) as house:
        started = time.monotonic()
        chance = random.Random(plan.seed)
        load = Load(house, random.Random(plan.seed + 1), per_second=plan.matters_per_second)

        def told(fault: Fault) -> None:
            scene.faults, scene.last = fault.number, f"{fault.kind}: {fault.target}"
            scene.matters, scene.accepted = len(load.matters), len(load.ledger.accepted)
            watch(scene)

        faults = Faults(house, chance, told)
        tell("faults fall while events flow")
        async with going_on(load.run), going_on(load.pass_time):
            await _fall(plan, faults, chance)
        fell = time.monotonic()
        tell("mending what was broken")
        await faults.mended()
        tell("waiting until every matter is settled")
        stuck = await _settle(house, load, plan, tell)
        settled = time.monotonic()
        tell("counting")
        found = await judging.judge(house, load.ledger, faults.done)
        found.violations += stuck
        found.figures["seconds: start, faults, settling, all"] = ", ".join(
            f"{seconds:.0f}" for seconds in (started - began, fell - started, settled - fell, time.monotonic() - began)
        )
        found.figures["matters that a person had, settled by the ERP's own word"] = len(load.woken)
        count_faults(found, faults.done)
    if found.passed and not plan.keep:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    else:
        found.notes.append(f"the logs and data are kept in {folder}")
    return found


def folder_of_run() -> Path:
    """Where everything lies that runs; Postgres runs as `nobody` where we are root, and must get through."""
    folder = Path(tempfile.mkdtemp(prefix="converse-chaos-"))
    folder.chmod(0o711)
    return folder


async def _fall(plan: Plan, faults: Faults, chance: random.Random) -> None:
    """Each kind once in random order, then whatever comes; the next falls while the last is still being mended."""
    kinds = list(faults.kinds)
    chance.shuffle(kinds)
    # What is paused longest comes first; an older store can be put back only after one was copied.
    kinds.sort(key=lambda kind: {"pause beyond a lease": 0, "nats restored old": 2}.get(kind, 1))
    until = None if plan.minutes is None else time.monotonic() + plan.minutes * 60
    while time.monotonic() < until if until is not None else len(faults.done) < plan.faults:
        first = plan.each_kind_once and len(faults.done) < len(kinds)
        await faults.one(kinds[len(faults.done)] if first else None)
        await asyncio.sleep(chance.uniform(0.3, 2 * plan.every_s - 0.3))


async def _settle(house: House, load: Load, plan: Plan, tell: Callable[[str], None]) -> list[str]:
    """Pay everything and let business time go on from timer to timer until every matter is settled; what was stuck.

    A matter that a person has hears of the payment from the ERP; these are counted. One that nobody will wake is a finding.
    """
    await load.finish()
    matters = {matter.invoice: matter for matter in load.matters}
    for _ in range(OPEN_FOR_GOOD):
        if not await quiet(house, plan.quiet_within_s):
            lag = await house.value(LAG)
            return [f"not quiet within {plan.quiet_within_s:.0f} s (the slowest watermark is {lag} behind)"]
        unsettled = await house.fetch(judging.UNSETTLED_MATTERS)
        if not unsettled:
            return []
        tell(f"waiting until every matter is settled: {len(unsettled)} are open")
        due_s = await house.value(NEXT_TIMER)
        with_a_person = [row["entity"] for row in unsettled if row["escalated"]]
        if due_s is None and len(with_a_person) < len(unsettled):
            return [
                f"{row['entity']} is open, without a timer and without a person"
                for row in unsettled
                if not row["escalated"]
            ]
        for invoice in with_a_person:
            await load.announce(matters[invoice])
        load.woken.update(with_a_person)
        if due_s is not None:
            await house.advance(timedelta(seconds=max(0.0, float(due_s))) + STEP)
    return [f"matters are open after {OPEN_FOR_GOOD} jumps to the next timer"]


async def quiet(house: House, within_s: float) -> bool:
    """Wait until nothing is left to do: all facts heard, all effects done, all webhooks delivered."""
    deadline = time.monotonic() + within_s
    last, still = -1, 0
    while time.monotonic() < deadline:
        head = await house.value("SELECT sum(pos)::bigint FROM log.log_head")
        busy = (
            await house.value(LAG)
            or await house.fetch(judging.UNFINISHED)
            or (await house.ask_outside("/_chaos/courier/count"))["pending"]
        )
        still = still + 1 if not busy and head == last else 0
        if still >= STILL:
            return True
        last = head
        await asyncio.sleep(LOOK_S)
    return False


def count_faults(found: Verdict, faults: list[Fault]) -> None:
    kinds: dict[str, int] = {}
    for fault in faults:
        kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda each: -each[1]))
    found.figures = {"faults": len(faults), "… by kind": counted, **found.figures, "power loss": "untested"}


@asynccontextmanager
async def going_on(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
