"""Runs every bench: `python -m bench [NAME …] [--json]`; ends in 1 when a bar is missed."""

import argparse
import asyncio
import importlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

RUN = "\nasync def run("


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `bar` is what it has to reach."""

    bench: str
    name: str
    value: float
    unit: str
    bar: str
    ok: bool


class Table:
    """Collects figures and prints each as it comes."""

    def __init__(self, *, quiet: bool) -> None:
        self.figures: list[Figure] = []
        self.bench = ""
        self._quiet = quiet

    def __call__(self, name: str, value: float, unit: str, *, bar: str = "", ok: bool = True) -> None:
        figure = Figure(self.bench, name, value, unit, bar, ok)
        self.figures.append(figure)
        if not self._quiet:
            number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
            verdict = f"{bar:<10} {'pass' if ok else 'MISSED'}" if bar else ""
            print(f"  {name:<56} {number:>12} {unit:<9} {verdict}".rstrip(), flush=True)


def benches() -> list[str]:
    """The modules of this package that have an `async def run(report)`; found by their text, so that only what runs is loaded."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path != Path(__file__) and RUN in path.read_text())


async def run(names: list[str], table: Table) -> None:
    """One bench after the other; each has the machine to itself."""
    for name in names:
        table.bench = name
        if not table._quiet:
            print(f"\n{name}", flush=True)
        await importlib.import_module(f"bench.{name}").run(table)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benches())}; all without")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - set(benches()):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(benches())}")
    table = Table(quiet=wanted.json)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(wanted.names or benches(), table))
    missed = [figure for figure in table.figures if not figure.ok]
    if wanted.json:
        print(json.dumps([asdict(figure) for figure in table.figures], indent=2))
    else:
        print(f"\n{len(missed)} of {sum(bool(figure.bar) for figure in table.figures)} bars missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
