"""What the machine does meanwhile: processor time of the processes that a bench started, and of everybody else's."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds up to a moment: of our processes by what they are, and of the whole machine."""

    ours: Mapping[str, float]
    machine: float

    def since(self, before: "Spent") -> "Spent":
        ours = {name: seconds - before.ours.get(name, 0.0) for name, seconds in self.ours.items()}
        return Spent(ours, self.machine - before.machine)

    @property
    def others(self) -> float:
        """What was spent by processes that are none of ours: it disturbs the figures."""
        return max(0.0, self.machine - sum(self.ours.values()))


def spent() -> Spent:
    """Processor time so far; empty where there is no /proc."""
    if not (PROC / "stat").exists():
        return Spent({}, 0.0)
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    names: dict[int, str] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) * TICK_S  # with its children that have ended
        names[pid] = _name([word.decode(errors="replace") for word in words])
    ours: dict[str, float] = defaultdict(float)
    for pid, name in names.items():
        above = pid
        while above and above != os.getpid():
            above = parents.get(above, 0)
        if above:
            ours["the bench" if pid == os.getpid() else name] += seconds[pid]
    user, nice, system, _, _, irq, softirq, *_ = (PROC / "stat").read_text().splitlines()[0].split()[1:]
    return Spent(ours, sum(map(int, (user, nice, system, irq, softirq))) * TICK_S)


def _name(words: list[str]) -> str:
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1].removeprefix("services.")
    return words[0].partition(":")[0].rpartition("/")[2]
