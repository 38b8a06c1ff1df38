"""One run: so many calls with one agent, and what it took."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.voice.processes import Load, Used
from bench.voice.script import Pace

SETTLES_S = 2.0
FIRST_ANSWER_S = 60.0

Ring = Callable[[int], Awaitable[None]]
"""`ring(n)` makes n more calls come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was seen of one agent at one number of calls. Times in ms; `added` is beyond `Pace.floor`; lists are sorted."""

    who: str
    calls: int
    talking: int
    turns: int
    missed: int
    stale: int
    added: Sequence[float]
    heard: Sequence[float]
    total: Sequence[float]
    cleared: Sequence[float]
    interrupted: int
    claude: int
    core: float
    """Percent of one core a call."""
    megabytes: float
    """A call."""
    base_megabytes: float
    waited: float
    """Percent of the time in which the agent could have run and had no core."""
    load_core: float
    broke: Sequence[str] = ()
    small: int = 0

    def row(self) -> dict[str, Any]:
        """For machines: percentiles in place of lists."""
        shown = asdict(self)
        for name in ("added", "heard", "total", "cleared"):
            values = shown.pop(name)
            shown |= {f"{name}_p{part}": percentile(values, part) for part in (50, 90, 99)}
        return shown


async def measured(who: str, load: Load, pid: int, ring: Ring, calls: int, pace: Pace, seconds: float) -> Result:
    """One call to warm up, then `calls` at once, watched for `seconds` after each has been answered once."""
    await load.do("pace", pace=asdict(pace))
    await ring(1)
    warmed = await load.do("talking", calls=1, within_s=FIRST_ANSWER_S)
    await load.do("hang_up")
    await asyncio.sleep(SETTLES_S)
    base = Used.of(pid)
    await ring(calls)
    talking = await load.do("talking", calls=calls, within_s=FIRST_ANSWER_S) if warmed else 0
    before = Used.of(pid)
    saw, after = await asyncio.gather(load.do("measure", seconds=seconds), _later(pid, seconds))
    await load.do("hang_up")
    span = after.at - before.at
    return Result(
        who=who,
        calls=calls,
        talking=talking,
        turns=saw["turns"],
        missed=saw["missed"],
        stale=saw["stale"],
        added=sorted(saw["added"]),
        heard=sorted(saw["heard"]),
        total=sorted(saw["total"]),
        cleared=sorted(saw["cleared"]),
        interrupted=saw["interrupted"],
        claude=saw["claude"],
        core=100 * (after.core_s - before.core_s) / span / calls,
        megabytes=(after.megabytes - base.megabytes) / calls,
        base_megabytes=base.megabytes,
        waited=100 * (after.waited_s - before.waited_s) / span,
        load_core=100 * saw["cpu"],
        broke=saw["broke"],
        small=saw["small"],
    )


def percentile(ordered: Sequence[float], part: int) -> float:
    """NaN where nothing was measured."""
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)] if ordered else float("nan")


async def _later(pid: int, seconds: float) -> Used:
    await asyncio.sleep(seconds)
    return Used.of(pid)
