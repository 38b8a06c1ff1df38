"""`make chaos-voice`: many calls while workers are restarted and killed; prints what was lost, cut or doubled, exits 1 if any."""

import argparse
import asyncio
import json
import logging
import random
import sys
import time

import uvloop

from libs.kit import log
from load import acts
from load.acts import Verdict
from load.stage import stage


async def run(given: argparse.Namespace, seed: int) -> Verdict:
    """The acts that were asked for, one after the other, on one stage."""
    verdict = Verdict()
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {what}", file=sys.stderr, flush=True)

    async with stage(seed=seed, lines=given.lines, tell=tell) as playing:
        if "rolling" in given.acts:
            await acts.rolling(
                playing, calls=given.calls, seconds=given.minutes * 60, longest=given.longest, verdict=verdict
            )
        if "elsewhere" in given.acts:
            await acts.elsewhere(playing, calls=given.calls, verdict=verdict)
        if "killed" in given.acts:
            await acts.killed(playing, calls=min(given.calls, 20), verdict=verdict)
        for worker in playing.house.workers:
            wrong = [line for line in worker.child.log.read_text(errors="replace").splitlines() if "[error" in line]
            verdict.violations += [f"{worker.name} says: {line[:300]}" for line in wrong[:5]]
        if verdict.violations:
            tell("the logs of the workers:")
            for worker in playing.house.workers:
                print(f"--- {worker.name}\n{worker.child.tail(30)}", file=sys.stderr)
    return verdict


def main() -> int:
    """Run as asked; 0 only when nothing was lost, cut or doubled."""
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--calls", type=int, default=50, help="at once (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of rolling restarts (default: %(default)s)")
    parser.add_argument(
        "--longest", type=float, default=180.0, help="seconds of a call, roughly (default: %(default)s)"
    )
    parser.add_argument("--lines", type=int, default=25, help="calls that a worker takes (default: %(default)s)")
    parser.add_argument("--acts", default="rolling,elsewhere,killed", type=lambda text: text.split(","))
    parser.add_argument("--seed", type=int, default=None, help="of the random choices (default: a new one)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    logging.disable(logging.INFO)
    log.configure("console", level="error", stream=sys.stderr)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        verdict = runner.run(run(given, seed))
    passed = not verdict.violations
    if given.json:
        found = {"seed": seed, "passed": passed, "figures": verdict.figures, "violations": verdict.violations}
        print(json.dumps(found, indent=2))
    else:
        print(f"voice under load, seed {seed}")
        for name, value in verdict.figures.items():
            print(f"  {name}: {value}")
        for violation in verdict.violations[:40]:
            print(f"✘ {violation}")
        print(
            "✔ no call was cut, nothing lost or doubled" if passed else f"✘ {len(verdict.violations)} promises broken"
        )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
