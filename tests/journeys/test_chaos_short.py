"""The short version of `make chaos`: one fault of each kind, and nothing is lost, doubled or left open."""

import pytest

from tests.chaos.run import Plan, run

SHORT = Plan(faults=12, seed=20, every_s=1.0, matters_per_second=1.5, call_timeout_s=3.0, quiet_within_s=60.0)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nothing_is_lost_or_doubled_when_everything_fails_once():
    verdict = await run(SHORT)
    assert verdict.violations == []
    assert verdict.figures["faults"] == 12
    assert verdict.figures["events accepted (202)"] > 5
