"""How long it is remembered who reads at an address, and what makes it void."""

from typing import Any

import pytest

from events.contact import Address, Profile
from events.conversation import DraftDropped, MessageRequested
from events.reach import AddressFailed, ConfirmationVoided, PersonDenied
from libs.domain.contact import evolve_reach
from libs.testkit.nouns import INVOICE, MORNING, PRIYA, PRIYA_PHONE
from services.orchestrator import person
from services.orchestrator.person import CONFIRMS
from tests.services.orchestrator.scene import MATTER, Scene
from tests.services.orchestrator.test_right_person import asked, leaks, said


def confirmed() -> Scene:
    scene = asked()
    scene.priya_says("haan")
    scene.claude_answers(draft=None, intents=[CONFIRMS])
    return scene


def is_asked_again(scene: Scene) -> bool:
    found: list[Any] = []
    scene.tells(lambda story: found.extend(person.hidden(story, "whatsapp", PRIYA_PHONE)))
    return found == [MATTER]


def test_a_confirmation_is_remembered_for_the_policys_time():
    scene = confirmed()
    assert not is_asked_again(scene)
    scene.later(days=180)
    assert not is_asked_again(scene)
    scene.later(seconds=1)
    assert is_asked_again(scene)


@pytest.mark.parametrize(
    "event",
    [
        AddressFailed(contact_id=PRIYA, channel="whatsapp", address=PRIYA_PHONE, message="m", reason="gone"),
        PersonDenied(contact_id=PRIYA, channel="whatsapp", address=PRIYA_PHONE, evidence="no"),
        ConfirmationVoided(contact_id=PRIYA, channel="whatsapp", reason="it changed hands"),
    ],
)
def test_a_confirmation_is_void_when_the_number_fails_or_changes_hands(event: Any):
    scene = confirmed()
    scene.reach = evolve_reach(scene.reach, event)
    assert is_asked_again(scene)


def test_a_confirmation_of_another_channel_stays():
    scene = confirmed()
    scene.reach = evolve_reach(
        scene.reach, ConfirmationVoided(contact_id=PRIYA, channel="email", reason="it changed hands")
    )
    assert not is_asked_again(scene)


def test_a_confirmation_is_void_when_the_erp_no_longer_registers_the_address():
    scene = confirmed()
    moved = Profile(
        name="Priya",
        channels=[
            Address(channel="whatsapp", address="+919800000001", consent_at=MORNING, consent_evidence="order form")
        ],
    )
    scene.contact = scene.contact.__class__(id=PRIYA, profile=moved, known_to_erp=True)
    assert is_asked_again(scene)


def test_who_unsubscribes_is_asked_again_when_they_come_back():
    scene = confirmed()
    scene.priya_unsubscribes("whatsapp")
    assert scene.last(ConfirmationVoided).channel == "whatsapp"
    assert is_asked_again(scene)


def test_a_stop_voids_what_was_confirmed():
    scene = confirmed()
    scene.claude_answers("Invoice …")
    scene.priya_says("stop")
    assert scene.last(ConfirmationVoided).reason == "the contact said stop"


def test_a_draft_that_was_written_for_somebody_known_is_not_said_to_somebody_unknown():
    scene = confirmed()
    scene.reach = evolve_reach(
        scene.reach, ConfirmationVoided(contact_id=PRIYA, channel="whatsapp", reason="it changed hands")
    )
    scene.later(minutes=1)
    scene.claude_answers(f"Invoice {INVOICE} of 52400 is open.")
    assert scene.last(DraftDropped).reason == "unconfirmed"
    assert leaks(said(scene)) == []
    assert scene.last(MessageRequested).identifies
