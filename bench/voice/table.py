"""The rows as they are printed, and the bars that ours has to reach at fifty calls."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.voice.runs import Result, percentile

OURS = "ours"
RECORDS = "ours, recording"
FLUX = "ours, Flux 260/120"
HASTY = "ours, no preset's wait"

_COLUMNS = (
    f"{'who':<23} {'calls':>5} {'turns':>5} {'missed':>6} │ {'total p50':>9} {'p90':>6} {'p99':>6} │ "
    f"{'added p50':>9} {'p90':>6} {'p99':>6} │ {'clear p50':>9} │ {'core':>6} {'MB':>6} │ {'waited':>6} {'load':>6}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure beside what it has to reach; `stretch` is what it would like to."""

    name: str
    value: float
    bar: float
    unit: str
    stretch: float | None = None

    @property
    def met(self) -> bool:
        return self.value <= self.bar

    def row(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "met": self.met}


def quiet(_: Result) -> None:
    """Print nothing."""


def header() -> Callable[[Result], None]:
    """Print the head of the table; what prints a row."""
    print(_COLUMNS)
    print(
        "  times in ms at the caller's side; core: % of one core a call; MB: a call; waited: % without a core",
        flush=True,
    )

    def show(run: Result) -> None:
        total, added = ([percentile(each, part) for part in (50, 90, 99)] for each in (run.total, run.added))
        print(
            f"{run.who:<23} {run.calls:>5} {run.turns:>5} {run.missed:>6} │ {total[0]:>9.0f} {total[1]:>6.0f} {total[2]:>6.0f} │ "
            f"{added[0]:>9.0f} {added[1]:>6.0f} {added[2]:>6.0f} │ {percentile(run.cleared, 50):>9.0f} │ "
            f"{run.core:>6.2f} {run.megabytes:>6.2f} │ {run.waited:>6.1f} {run.load_core:>6.1f}",
            flush=True,
        )
        for remark in _remarks(run):
            print(f"{'':<23}   {remark}", flush=True)

    return show


def bars(found: Sequence[Result]) -> list[Bar]:
    """What the issue asks of ours, at the most calls that were measured."""
    rows = {name: max((r for r in found if r.who == name), key=lambda r: r.calls, default=None) for name in _JUDGED}
    judged: list[Bar] = []
    for name in (OURS, RECORDS):
        run = rows[name]
        if run is None:
            continue
        at = f"{name}, {run.calls} calls"
        judged += [
            Bar(name=f"{at}: added p50", value=percentile(run.added, 50), bar=50, unit="ms"),
            Bar(name=f"{at}: added p90", value=percentile(run.added, 90), bar=90, unit="ms", stretch=60),
            Bar(name=f"{at}: added p99", value=percentile(run.added, 99), bar=200, unit="ms"),
            Bar(name=f"{at}: a core a call", value=run.core, bar=1.6, unit="%", stretch=1.2),
            Bar(name=f"{at}: memory a call", value=run.megabytes, bar=3, unit="MB"),
            Bar(name=f"{at}: turns missed, of {run.turns}", value=_lost(run), bar=0, unit=""),
            Bar(name=f"{at}: barge-in to clear p50", value=percentile(run.cleared, 50), bar=125, unit="ms"),
        ]
    if flux := rows[FLUX]:
        name = f"{FLUX}, {flux.calls} calls: total p90"
        judged.append(Bar(name=name, value=percentile(flux.total, 90), bar=600, unit="ms"))
    return judged


def judge(judged: Sequence[Bar]) -> None:
    """Print each bar."""
    print()
    for each in judged:
        stretch = (
            ""
            if each.stretch is None
            else f"(stretch {each.stretch:g}: {'yes' if each.value <= each.stretch else 'no'})"
        )
        verdict = "pass" if each.met else "MISSED"
        print(f"  {each.name:<48} {each.value:>8.2f} {each.unit:<3} ≤ {each.bar:<6g} {verdict:<7}{stretch}".rstrip())
    print(f"\n{sum(not each.met for each in judged)} of {len(judged)} bars missed")


_JUDGED = (OURS, RECORDS, FLUX)


def _lost(run: Result) -> float:
    """Turns without an answer, and calls that never had one or broke off."""
    return run.missed + (run.calls - run.talking) + len(run.broke)


def _remarks(run: Result) -> list[str]:
    found = []
    if run.talking < run.calls:
        found.append(f"{run.calls - run.talking} calls were never answered")
    if run.broke:
        found.append(f"{len(run.broke)} calls broke off: {run.broke[0]}")
    if run.stale:
        found.append(f"in {run.stale} turns sound of an older answer came after the turn's end")
    if run.small:
        found.append(f"{run.small} chunks of sizes that Exotel does not take")
    if run.interrupted and len(run.cleared) < run.interrupted:
        found.append(
            f"{run.interrupted - len(run.cleared)} of {run.interrupted} interruptions cleared nothing while they lasted"
        )
    return found
