"""What contacts notice of a provider that fails in mid-turn: each sort of fault once; `python -m faults` makes 500 calls of it."""

import itertools

import pytest
from faults import verdict
from faults.kinds import KINDS, SHORT
from faults.run import Outcome, run
from rich.console import Console
from voice_world import Voice


async def test_no_call_ends_and_nobody_waits_for_more_than_two_seconds(voice: Voice, request: pytest.FixtureRequest):
    option = request.config.getoption
    named = [kind for kind in KINDS if option("--only") in kind.name]
    kinds = [kind for kind in named if kind.name in SHORT or option("--calls") or option("--only")]
    calls = option("--calls") or len(kinds)
    console = Console(stderr=True, width=160)
    done: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        done.append(outcome)
        if len(done) % 25 == 0 or calls <= len(KINDS):
            console.print(f"{len(done)} of {calls} calls · {outcome.kind}: {outcome.reason}, {outcome.longest:.1f} s")

    chosen = list(itertools.islice(itertools.cycle(kinds), calls))
    outcomes = await run(voice, chosen, at_once=option("--at-once"), done=tell)
    console.print(verdict.table(outcomes))
    assert not (broken := verdict.broken(outcomes)), "\n".join(broken)
