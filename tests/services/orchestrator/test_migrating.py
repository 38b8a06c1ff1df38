"""Moving what runs to another bundle: it goes on where it stood, or stays and says why."""

from events.dialogue import Migrated, MigrationRefused
from libs.config.bundle import Bundle
from services.orchestrator.migrating import migrate
from tests.services.orchestrator.scene import MATTER
from tests.services.orchestrator.visit import BUNDLE, TEXTS, Visit, bundle_of, visit


def bundle(old: str, new: str, file: str = "flows/visit.yaml") -> Bundle:
    return bundle_of({**TEXTS, file: TEXTS[file].replace(old, new)})


def moved_to(scene: Visit, target: Bundle, *only: str) -> list[object]:
    return scene.tells(lambda story: migrate(story, target, list(only)))


def test_a_matter_goes_on_in_the_other_bundle_at_its_state_and_step():
    scene, target = visit(), bundle("max_asks: 2", "max_asks: 5")
    assert moved_to(scene, target) == [Migrated(matter=MATTER, from_bundle=BUNDLE.hash, to_bundle=target.hash)]
    assert scene.conversation.matters[MATTER].bundle == target.hash
    assert scene.place == ("book", "when")


def test_what_is_there_already_is_not_moved_again():
    assert moved_to(visit(), BUNDLE) == []


def test_a_matter_whose_step_is_gone_stays_and_says_why():
    scene, target = visit(), bundle("- id: when", "- id: which_day")
    assert moved_to(scene, target) == [
        MigrationRefused(matter=MATTER, bundle=target.hash, reason="the flow 'book' has no step 'when' there")
    ]
    assert scene.conversation.matters[MATTER].bundle == BUNDLE.hash


def test_a_matter_whose_state_is_gone_stays_and_says_why():
    target = bundle("asked", "invited", "state_maps.yaml")
    [refused] = moved_to(visit(), target)
    assert isinstance(refused, MigrationRefused)
    assert refused.reason == "visit has no state 'asked' there"


def test_a_flow_that_waits_for_another_needs_its_place_too():
    scene = visit("with_budget", process=None)
    target = bundle("id: money", "id: how_dear")
    [refused] = moved_to(scene, target)
    assert isinstance(refused, MigrationRefused)
    assert refused.reason == "the flow 'with_budget' has no step 'money' there"


def test_only_the_matters_asked_for_are_moved():
    assert moved_to(visit(), bundle("max_asks: 2", "max_asks: 5"), "another") == []
