"""Whether the promises were kept, and the figures by kind of fault."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from faults.run import Outcome

SILENCE_S = 2.0
"""The contact hears something within this."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind's calls. `ended`: for another reason than that all was said."""

    kind: str
    calls: int
    struck: int
    ended: int
    longest: float
    p99: float
    lost: int
    doubled: int


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """By kind, and all together last."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        by_kind[each.kind].append(each)
    return [_row(kind, found) for kind, found in by_kind.items()] + [_row("all", outcomes)]


def broken(outcomes: Sequence[Outcome]) -> list[str]:
    """What was not kept, call by call; and kinds that never struck, as they prove nothing."""
    found = []
    for each in outcomes:
        if each.reason != "completed":
            found.append(f"{each.kind}: ended as {each.reason} {each.wrong}".rstrip())
        if each.longest > SILENCE_S:
            found.append(f"{each.kind}: {each.longest:.1f} s of silence ({', '.join(each.switches) or 'no switch'})")
        found += [f"{each.kind}: lost: {what}" for what in each.lost]
        found += [f"{each.kind}: doubled: {what}" for what in each.doubled]
    quiet = [row.kind for row in rows(outcomes) if row.kind not in ("all", "none") and not row.struck]
    return found + [f"{kind}: never made anybody switch" for kind in quiet]


def table(outcomes: Sequence[Outcome]) -> Table:
    """The figures, for people."""
    shown = Table(title="Faults in mid-turn")
    shown.add_column("fault")
    for name in ("calls", "switched", "ended by it", "longest silence", "p99 silence", "turns lost", "turns doubled"):
        shown.add_column(name, justify="right")
    for row in rows(outcomes):
        figures = (row.calls, row.struck, row.ended, f"{row.longest:.1f} s", f"{row.p99:.1f} s", row.lost, row.doubled)
        shown.add_row(row.kind, *map(str, figures), end_section=row.kind == "none")
    return shown


def _row(kind: str, found: Sequence[Outcome]) -> Row:
    silences = sorted(silence for each in found for silence in each.silences) or [0.0]
    return Row(
        kind=kind,
        calls=len(found),
        struck=sum(1 for each in found if each.switches),
        ended=sum(1 for each in found if each.reason != "completed"),
        longest=silences[-1],
        p99=silences[min(len(silences) - 1, len(silences) * 99 // 100)],
        lost=sum(len(each.lost) for each in found),
        doubled=sum(len(each.doubled) for each in found),
    )
