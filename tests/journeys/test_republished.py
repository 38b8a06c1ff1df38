"""A changed flow is published while people talk: they finish on theirs, new matters begin on the new one, and one is moved."""

from pathlib import Path

import pytest

from events import config, dialogue, message
from libs.config.load import load_bundle
from services.cli.config import ask_to_move, running
from services.cli.system import publish
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.test_garage import GARAGE, service_due

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED, ASKED_NOW = "In the morning or in the afternoon?", "Before or after noon, that is: morning or afternoon?"
SOON = "2026-02-18"


async def test_what_runs_stays_on_its_bundle_until_it_is_moved_on_purpose(fresh_town: FreshTown, tmp_path: Path):
    town = await fresh_town(config=GARAGE)
    store, clock = town.running.store, town.clock
    asha, bala, chand = [await town.somebody() for _ in range(3)]
    for each in (asha, bala):
        await service_due(each, SOON)
        await each.sees(message.Accepted)

    for file in GARAGE.rglob("*.yaml"):
        target = tmp_path / "changed" / file.relative_to(GARAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text().replace(ASKED, ASKED_NOW))
    changed = load_bundle(tmp_path / "changed", {}, "development").bundle
    assert changed is not None
    await publish(store, clock, changed)

    await service_due(chand, SOON)
    await chand.sees(message.Accepted)
    assert {each.matter.bundle for each in await running(store, "default")} == {town.running.bundle.hash, changed.hash}

    moves = [each for each in await running(store, "default") if each.conversation == await bala.conversation()]
    await ask_to_move(store, clock, "default", changed, moves)
    await bala.sees(dialogue.Migrated)
    assert await asha.facts(dialogue.Migrated) == []
    assert len([fact for fact in await town.log.now() if isinstance(fact.event, config.MigrationRequested)]) == 1

    assert await question_of(asha) == ASKED
    assert await question_of(bala) == ASKED_NOW
    assert await question_of(chand) == ASKED_NOW


async def question_of(person: Person) -> str:
    """Which of the two questions somebody is asked after they named a day."""
    await person.says("20 February")
    await person.sees(message.Accepted, times=2)
    text = (await person.received())[-1]["text"]
    return next(each for each in (ASKED_NOW, ASKED) if each in text)
