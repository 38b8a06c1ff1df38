"""One run of webhooks: each is delivered three times in random order while gateways are killed and paused, then it is counted."""

import asyncio
import random
import shutil
import time
from dataclasses import dataclass
from datetime import timedelta

from tests.chaos import verdict as judging
from tests.chaos.faults import Fault, Faults
from tests.chaos.house import open_house
from tests.chaos.run import LAG, Scene, Watch, count_faults, folder_of_run, going_on, quiet
from tests.chaos.talk import Talk
from tests.chaos.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many webhooks there are at least, how fast contacts come, and how often a gateway is killed or paused."""

    webhooks: int = 10_000
    seed: int = 1
    every_s: float = 3.0
    contacts_per_second: float = 4.0
    call_timeout_s: float = 5.0
    quiet_within_s: float = 300.0


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
        talk = Talk(house, random.Random(plan.seed + 1), per_second=plan.contacts_per_second, webhooks=plan.webhooks)

        def told(fault: Fault) -> None:
            scene.faults, scene.last = fault.number, f"{fault.kind}: {fault.target}"
            scene.matters, scene.accepted = len(talk.matters), len(talk.ledger.accepted)
            watch(scene)

        faults = Faults(house, chance, told, only=("gateways",))

        async def fall() -> None:
            while True:
                await faults.one()
                await asyncio.sleep(chance.uniform(0.3, 2 * plan.every_s - 0.3))

        tell("gateways are killed and paused while contacts write")
        async with going_on(fall):
            await talk.run()
            await talk.finished()
        wrote = time.monotonic()
        tell("mending what was broken")
        await faults.mended()
        tell("waiting until everything is heard and answered")
        still = await quiet(house, plan.quiet_within_s)
        answered = time.monotonic()
        tell("counting")
        found = await judging.judge(house, talk.ledger, faults.done, settled=False)
        if not still:
            lag = await house.value(LAG)
            found.violations.append(
                f"not quiet within {plan.quiet_within_s:.0f} s (the slowest watermark is {lag} behind)"
            )
        found.figures["contacts, of which unknown to the ERP"] = f"{len(talk.matters)}, {talk.strangers}"
        found.figures["seconds: start, webhooks, quiet, all"] = ", ".join(
            f"{seconds:.0f}"
            for seconds in (started - began, wrote - started, answered - wrote, time.monotonic() - began)
        )
        count_faults(found, faults.done)
    if found.passed:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    else:
        found.notes.append(f"the logs and data are kept in {folder}")
    return found
