"""A person takes over in a call: within their hours, by a line that leads to them, and with a word before they talk."""

import pytest

from events import call
from events.conversation import Escalated, MessageRequested
from events.phone import TransferHeard, TransferRequested
from libs.config.bundle import Bundle
from libs.testkit.nouns import INVOICE
from tests.libs.config.shipped import TEXTS
from tests.services.orchestrator.errand import bundle_of
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import CONVERSATION

WANTS = ("Manager se baat karao", "wants a manager")


def staffed(start: str = "08:00", end: str = "18:00", flow: bool = True) -> Bundle:
    """The shipped bundle, with somebody who takes over; MORNING is half past nine in India."""
    settings = TEXTS["settings.yaml"]
    if flow:
        settings = settings.replace(
            "      telephony_account_sid:", '      telephony_flow_id: "4711"\n      telephony_account_sid:', 1
        )
    voice = f'voice:\n  transfer: {{numbers: ["+918047491899"], hours: {{from: "{start}", to: "{end}"}}}}\n'
    return bundle_of({**TEXTS, "settings.yaml": f"{settings}\n{voice}"})


def asks_for_a_person(scene: Phoned) -> list[object]:
    return scene.asks_for("transfer", WANTS[0], reason=WANTS[1])


def is_over(scene: Phoned, outcome: str, call_id: str, seconds: int = 0) -> list[object]:
    fact = call.TransferOver(conversation=CONVERSATION, at=scene.now, outcome=outcome, seconds=seconds)  # type: ignore[arg-type] # one of them
    return scene.happens(fact, call_id)


def test_who_wants_a_person_is_handed_over_and_the_person_hears_first_who_it_is_and_why():
    scene = Phoned(bundle=staffed()).talks()
    asks_for_a_person(scene)
    asked: TransferRequested = scene.last(TransferRequested)
    assert asked.call == scene.asked.call
    assert all(word in asked.whisper for word in ("Priya", INVOICE, "wants a manager"))
    assert "takes over now" in scene.answer()["note"]
    assert "wants a manager" in scene.last(Escalated).reason, "the console shows it meanwhile"


def test_whoever_has_not_said_who_they_are_is_handed_over_without_a_word_of_the_debt():
    scene = Phoned(bundle=staffed()).dials()
    scene.picks_up()
    asks_for_a_person(scene)
    whisper = scene.last(TransferRequested).whisper
    assert not [word for word in ("Priya", INVOICE) if word in whisper]


@pytest.mark.parametrize(
    "bundle", [staffed("18:00", "20:00"), staffed(flow=False), None], ids=["hours", "no flow", "nobody"]
)
def test_where_nobody_can_be_rung_a_person_is_told_and_nobody_says_that_they_are_connected(bundle: Bundle | None):
    scene = Phoned(bundle=bundle).talks()
    asks_for_a_person(scene)
    assert not scene.all(TransferRequested)
    assert "Nobody takes over now" in scene.answer()["note"]
    assert "wants a manager" in scene.last(Escalated).reason


def test_a_call_that_came_in_goes_through_a_flow_by_itself():
    scene = Phoned(bundle=staffed(flow=False))
    scene.calls_us()
    scene.picks_up()
    asks_for_a_person(scene)
    assert scene.last(TransferRequested).call == "in-1"


def test_a_talk_with_a_person_is_the_outcome_and_nothing_is_written_after_it():
    scene = Phoned(bundle=staffed()).talks()
    asks_for_a_person(scene)
    id_ = scene.asked.call
    scene.exchange(*WANTS)
    said = [*scene.ends("transferred"), *is_over(scene, "talked", id_, 190)]
    heard: TransferHeard = scene.last(TransferHeard)
    assert (heard.outcome, heard.seconds) == ("talked", 190)
    assert scene.outcome == "talked"
    assert not [event for event in said if isinstance(event, MessageRequested | Escalated)]
    assert is_over(scene, "talked", id_) == [], "what is told twice changes nothing"


def test_whom_nobody_took_comes_back_is_known_and_is_called_when_it_suits_them():
    scene = Phoned(bundle=staffed()).talks()
    asks_for_a_person(scene)
    id_ = scene.asked.call
    scene.exchange(*WANTS)
    scene.ends("transferred")
    is_over(scene, "nobody", id_)
    assert "nobody took the call" in scene.last(Escalated).reason
    scene.calls_us("back-1", returns=id_)
    taken: call.CallTaken = scene.last(call.CallTaken)
    assert (taken.returned, taken.identifies) == (True, False)
    assert "call karein" in taken.opening
    assert "schedule_callback" in taken.instructions
    scene.picks_up()
    scene.asks_for("schedule_callback", "Kal das baje", at="2026-02-17T10:00")
    assert scene.answer()["at"] == "2026-02-17T10:00+05:30"
