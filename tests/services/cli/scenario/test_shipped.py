"""The shipped scenarios, played: what people say comes to what the files expect, and nothing of the processes is left out."""

from typing import Any

import pytest

from events.base import Recorded
from libs.config.scenario import Scenario
from services.cli.scenario.coverage import coverage
from services.cli.scenario.judge import differences
from services.cli.scenario.play import play
from services.cli.scenario.report import transcript
from services.cli.scenario.stage import Stage
from tests.services.cli.scenario.conftest import BUNDLE, SCENARIOS

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Plays:
    """What was played so far: the counting below plays what is missing."""

    def __init__(self, here: Stage) -> None:
        self._here = here
        self.facts: dict[str, list[Recorded[Any]]] = {}

    async def play(self, scenario: Scenario):
        played = await play(scenario, self._here)
        self.facts[scenario.name] = played.facts
        return played


@pytest.fixture(scope="module")
def plays(here: Stage) -> Plays:
    return Plays(here)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_it_goes_as_the_scenario_says(scenario: Scenario, plays: Plays):
    played = await plays.play(scenario)
    found = differences(played)
    assert not found, "\n".join([*found, "what happened:", *transcript(played.facts, BUNDLE)])


async def test_every_transition_and_step_of_the_processes_is_taken(plays: Plays):
    for scenario in SCENARIOS:
        if scenario.name not in plays.facts:
            await plays.play(scenario)
    covered = coverage(BUNDLE, plays.facts.values())
    assert {each.process for each in covered} == {"payment_collection", "order_fulfillment"}
    assert {each.process: each.missing for each in covered} == {each.process: [] for each in covered}


async def test_there_are_forty_and_a_third_of_them_is_in_hinglish():
    hinglish = [each for each in SCENARIOS if each.language == "hinglish"]
    assert len(SCENARIOS) >= 40
    assert 3 * len(hinglish) >= len(SCENARIOS)
    assert any(each.language == "hi" for each in SCENARIOS)
