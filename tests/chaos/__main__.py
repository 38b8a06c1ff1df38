"""`python -m tests.chaos`: prints what was lost or doubled, and exits 1 if anything was."""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.kit import log
from tests.chaos import webhooks
from tests.chaos.run import Plan, Scene, Watch, run
from tests.chaos.verdict import Verdict


def main() -> int:
    """Run as asked; 0 only when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many faults fall (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the random choices (default: a new one)")
    parser.add_argument("--minutes", type=float, default=None, help="let faults fall for so long instead of a number")
    parser.add_argument(
        "--webhooks", type=int, default=None, help="so many webhooks, while only gateways are killed and paused"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and data although nothing was broken")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed

    def work(watch: Watch) -> Coroutine[Any, Any, Verdict]:
        if given.webhooks is not None:
            return webhooks.run(webhooks.Plan(webhooks=given.webhooks, seed=seed), watch)
        return run(Plan(faults=given.faults, minutes=given.minutes, seed=seed, keep=given.keep), watch)

    log.configure("console", level="error", stream=sys.stderr)
    console = Console(stderr=given.json)
    if not console.is_terminal:
        console = Console(stderr=given.json, width=160)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        shown = progress.add_task("starting", total=None if given.minutes or given.webhooks else given.faults)
        said = {""}

        def watch(scene: Scene) -> None:
            what = f"{scene.phase} · {scene.matters} matters, {scene.accepted} events accepted"
            progress.update(shown, completed=scene.faults, description=f"{what} · {scene.last}" if scene.last else what)
            milestone = f"{scene.faults // 20 * 20} faults · {scene.phase}"
            if not console.is_terminal and milestone not in said:
                said.add(milestone)
                console.print(f"{scene.faults} faults · {what}", soft_wrap=True)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(work(watch))
    if given.json:
        sys.stdout.write(json.dumps(as_json(found, seed), indent=2) + "\n")
    else:
        show(found, seed, console)
    return 0 if found.passed else 1


def as_json(found: Verdict, seed: int) -> dict[str, object]:
    """The verdict for a machine."""
    return {
        "seed": seed,
        "passed": found.passed,
        "figures": found.figures,
        "violations": found.violations,
        "notes": found.notes,
    }


def show(found: Verdict, seed: int, console: Console) -> None:
    """The verdict for a person."""
    table = Table(title=f"chaos, seed {seed}", show_header=False, title_justify="left")
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for name, value in found.figures.items():
        table.add_row(name, str(value))
    console.print(table)
    for note in found.notes:
        console.print(f"  {note}", style="dim", highlight=False)
    for violation in found.violations:
        console.print(f"✘ {violation}", style="bold red", highlight=False)
    if found.passed:
        console.print("✔ nothing was lost, doubled or left open", style="bold green")


if __name__ == "__main__":
    sys.exit(main())
