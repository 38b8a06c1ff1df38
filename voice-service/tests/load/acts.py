"""The three acts: workers restarted in turn under load, media elsewhere, and a worker that is killed."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

from media_runtime import MediaRuntime
from voice_house import WorkerProcess
from voice_world import until

from events.call import Answered, Dialled, Ended, Summarised, TurnTaken
from load.stage import LINES, Asked, Stage

EXCHANGE_S = 10.0
"""How long an exchange of a scripted call takes, roughly."""
SPELL_S = 2.0
RESTARTS_UNTIL = 0.6
"""After this part of the first act nobody is restarted: long enough to see whether memory stays flat."""
ENOUGH = 0.9
"""So much of the crowd that was asked for must have talked at once, or nothing was shown."""
WARM_S = 45.0
FLAT_MB = 15.0
"""How much more memory a warm worker may take in the last third of its life than in the second."""
MEDIA_LINES = [
    f"Baat number {word}." for word in ("ek", "do", "teen", "chaar", "paanch", "chhe", "saat", "aath", "nau")
]


@dataclass(slots=True)
class Verdict:
    """What was counted, and what was broken."""

    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


async def rolling(stage: Stage, *, calls: int, seconds: float, longest: float, verdict: Verdict) -> None:
    """So many calls at once for so long, each up to `longest` seconds, while the workers are restarted one after the other."""
    house = stage.house
    workers = list(await asyncio.gather(*(house.start(f"w{n}") for n in range(3))))
    began = time.monotonic()
    draining: list[WorkerProcess] = []
    most = int(max(2, longest / EXCHANGE_S))
    restarting = asyncio.create_task(_restart(stage, workers, draining, seconds))
    crowd, busiest, said = 0, 0, 0.0
    asked: list[Asked] = []
    while (now := time.monotonic()) - began < seconds:
        await stage.look()
        while len(stage.open_calls()) < calls and now - began < seconds - longest / 2:
            lines = [LINES[n % len(LINES)] for n in range(stage.chance.randint(max(1, most // 3), most))]
            asked.append(await stage.call(lines))
        for worker in house.workers:
            if worker.running:
                worker.measure()
        seen = await stage.voice.store.pool.fetch(
            "SELECT calls FROM voice.worker WHERE seen_at > now() - interval '15 s'"
        )
        busiest = max([busiest, *(row["calls"] for row in seen)])
        talking = sum(1 for each in stage.open_calls() if stage.count(each, "call.answered.v1"))
        crowd = max(crowd, talking)
        if now - said > 10:
            said = now
            alive = ", ".join(f"{w.name} {w.memory[-1][1]:.0f} MB" for w in house.workers if w.running and w.memory)
            stage.tell(f"{now - began:.0f} s: {talking} talk, {len(stage.ended)} of {len(asked)} have ended; {alive}")
        await asyncio.sleep(SPELL_S)
    await restarting
    stage.tell("the last calls end by themselves")
    await stage.all_ended(asked, seconds=longest + 120)
    for worker in draining:
        try:
            await house.gone(worker, seconds=30)
        except TimeoutError:
            verdict.violations.append(f"{worker.name} was told to end and did not, although its calls are over")
    verdict.figures |= {
        "calls at once, at most": crowd,
        "calls in all": len(asked),
        "restarts of workers": len(draining),
        "calls in one worker, at most": f"{busiest} of {house.calls} lines",
    }
    if crowd < calls * ENOUGH or not draining:
        verdict.violations.append(f"{crowd} calls at once and {len(draining)} restarts prove nothing for {calls} calls")
    if busiest > house.calls:
        verdict.violations.append(f"a worker had {busiest} calls, {house.calls} at most")
    await judge(stage, asked, verdict)
    _memory(house.workers, verdict)


async def _restart(stage: Stage, workers: list[WorkerProcess], draining: list[WorkerProcess], seconds: float) -> None:
    """One worker after the other: the new one is there before the old one is told to end."""
    until, every = time.monotonic() + seconds * RESTARTS_UNTIL, max(8.0, seconds / 10)
    for n in cycle(range(len(workers))):
        await asyncio.sleep(every)
        if time.monotonic() > until:
            return
        fresh = await stage.house.start(workers[n].name)
        workers[n].signal(signal.SIGTERM)
        draining.append(workers[n])
        workers[n] = fresh


async def judge(stage: Stage, calls: Sequence[Asked], verdict: Verdict) -> None:
    """Each call was dialled once, talked to its end, and every word of the contact's is in the log once."""
    words = turns = 0
    waits: list[int] = []
    for call in calls:
        facts = await stage.facts(call)
        ends = [fact for fact in facts if isinstance(fact, Ended)]
        taken = [fact for fact in facts if isinstance(fact, TurnTaken)]
        placed = await stage.voice.placed(call.number)
        name = f"the call to {call.number}"
        if [fact.reason for fact in ends] != ["completed"]:
            verdict.violations.append(f"{name} ended as {[fact.reason for fact in ends]}, not as completed once")
        for kind in (Dialled, Answered):
            if sum(isinstance(fact, kind) for fact in facts) != 1:
                verdict.violations.append(f"{name} has not one {kind.__name__}")
        if len(placed) != 1:
            verdict.violations.append(f"{name} was placed {len(placed)} times")
        said = [moment["what"] for each in placed for moment in each["moments"] if moment["who"] == "contact"]
        if said != list(call.lines):
            verdict.violations.append(f"{name} was cut: {len(said)} of {len(call.lines)} lines were said")
        told = " ".join(fact.contact for fact in taken).split()
        if told != " ".join(said).split():
            verdict.violations.append(f"{name}: {len(told)} words in the log, {len(' '.join(said).split())} were said")
        words, turns = words + len(told), turns + len(taken)
        waits += [fact.latency_ms["total"] for fact in taken if "total" in fact.latency_ms]
    verdict.figures["turns, words of contacts in the log"] = f"{turns}, {words}"
    if waits:
        waits.sort()
        p50, p90, p99 = (waits[min(len(waits) - 1, len(waits) * p // 100)] for p in (50, 90, 99))
        verdict.figures["from the last word to the first sound, ms: p50, p90, p99"] = f"{p50}, {p90}, {p99}"


async def elsewhere(stage: Stage, *, calls: int, verdict: Verdict) -> None:
    """So many calls whose media run in another runtime: ten transcripts each, every POST twice at once, then the end."""
    house = stage.house
    workers = [worker for worker in house.workers if worker.running] or [
        await house.start("w0"),
        await house.start("w1"),
    ]
    lines = [*MEDIA_LINES, "20 February tak payment kar denge."]
    origins = [worker.origin for worker in workers]
    async with MediaRuntime(origins, stage.voice.client, lines, copies=2) as runtime:
        await stage.publish(f"voice: {{telephony: {{media_url: '{runtime.url}'}}}}\n")
        asked = [await stage.call() for _ in range(calls)]
        stage.tell(f"{calls} calls of another media runtime, ten transcripts each")
        if not await stage.all_ended(asked, seconds=60 + calls * 2):
            verdict.violations.append("calls of another runtime did not end")
        for call in asked:
            talk = runtime.talks.get(call.id)
            facts = await stage.facts(call)
            taken = [fact for fact in facts if isinstance(fact, TurnTaken)]
            if talk is None:
                verdict.violations.append(f"{call.number} never reached the runtime")
                continue
            verdict.violations += talk.problems
            expected = [str(talk.replies.get(n, {}).get("say")) for n in range(1, len(lines) + 1)]
            if [fact.contact for fact in taken] != ["", *lines] or [fact.agent for fact in taken[1:]] != expected:
                verdict.violations.append(
                    f"{call.number}: {len(taken)} turns in the log, not each of {len(lines) + 1} once"
                )
            for kind in (Dialled, Answered, Ended, Summarised):
                if sum(isinstance(fact, kind) for fact in facts) != 1:
                    verdict.violations.append(f"{call.number} has not one {kind.__name__}")
    await stage.publish("")
    verdict.figures["calls of another media runtime"] = (
        f"{calls}, {len(lines)} transcripts each, every POST twice at once"
    )


async def killed(stage: Stage, *, calls: int, verdict: Verdict) -> None:
    """A worker is killed in the middle of its calls: siblings end them, once; the others' calls go on; nothing is dialled twice."""
    house = stage.house
    while len([worker for worker in house.workers if worker.running]) < 2:
        await house.start(f"w{len(house.workers)}")
    worse = {"copies": 3, "late": 1.0, "backwards": True, "times": calls}
    await stage.voice.control("POST", "/exotel/faults", worse)
    asked = [await stage.call([LINES[n % len(LINES)] for n in range(5)]) for _ in range(calls)]
    stage.tell(f"{calls} calls, then a worker is killed; callbacks come late, thrice and backwards")
    await stage.answered(asked, seconds=60 + calls)
    running = [worker for worker in house.workers if worker.running]
    held = {worker.name: await house.holds(worker) for worker in running}
    victim = max(running, key=lambda worker: len(held[worker.name]))
    victim.signal(signal.SIGKILL)
    died_at, dying = time.monotonic(), held[victim.name]
    await stage.all_ended([call for call in asked if call.id in dying], seconds=60)
    took = [stage.ended[call] - died_at for call in dying if call in stage.ended]
    await stage.all_ended(asked, seconds=180)
    await _callbacks_over(stage)
    for call in asked:
        facts = await stage.facts(call)
        reasons = [fact.reason for fact in facts if isinstance(fact, Ended)]
        wanted = "failed" if call.id in dying else "completed"
        if reasons != [wanted]:
            verdict.violations.append(f"{call.number} ended as {reasons}, not as {wanted} once")
        if len(placed := await stage.voice.placed(call.number)) != 1:
            verdict.violations.append(f"{call.number} was placed {len(placed)} times")
    late = [seconds for seconds in took if seconds > 30]
    if late or len(took) < len(dying):
        verdict.violations.append(
            f"{len(late) + len(dying) - len(took)} calls of the killed worker had no end within 30 s"
        )
    verdict.figures["calls of the killed worker"] = f"{len(dying)} of {calls}"
    if took:
        verdict.figures["seconds until their ends were told"] = f"{min(took):.1f} to {max(took):.1f}"


async def _callbacks_over(stage: Stage) -> None:
    async def over() -> bool:
        return all(each["over"] for each in await stage.voice.control("GET", "/exotel/callbacks"))

    await until(over, seconds=60)


def _memory(workers: Sequence[WorkerProcess], verdict: Verdict) -> None:
    """A warm worker's last third against its second one."""
    shown = []
    for n, worker in enumerate(workers):
        warm = [megabytes for age, megabytes in worker.memory if age > WARM_S]
        third = len(warm) // 3
        if third < 5:
            continue
        before, after = (sum(part) / len(part) for part in (warm[third : 2 * third], warm[2 * third :]))
        shown.append(f"{before:.0f} → {after:.0f}")
        if after - before > FLAT_MB:
            verdict.violations.append(f"{worker.name} ({n}) grows: {before:.0f} MB, then {after:.0f} MB")
    verdict.figures["MB of the workers, second and last third of their lives"] = ", ".join(shown) or "too short to tell"
