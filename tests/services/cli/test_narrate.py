"""Why was it sent, or not: what the trace says of a decision of the contact policy."""

from pathlib import Path

import pytest

from events.contact import Address, Profile
from events.followup import AttemptStarted, Deferred, Exhausted
from libs.testkit.nouns import MORNING, PRIYA_PHONE
from services.cli.narrate import TELLERS
from tests.services.orchestrator.scene import PRIYA_IS, Scene
from tools.guards.generated import read_sample, sample_files

ROOT = Path(__file__).resolve().parents[3]


def approached(profile: Profile) -> Scene:
    scene = Scene(profile)
    scene.opens()
    scene.erp_answers({"paid": False})
    return scene


def told(scene: Scene, kind: type) -> str:
    return TELLERS[kind](scene.last(kind))


def test_the_trace_says_by_which_rule_it_waits_with_source_and_date():
    scene = Scene()
    scene.now = MORNING.replace(hour=20)
    scene.opens()
    scene.erp_answers({"paid": False})
    assert "whatsapp hours [rbi-hours, since 2022-08-12] deferred: 20:30 is outside 08:00-19:00 Asia/Kolkata" in told(
        scene, Deferred
    )


def test_the_trace_says_why_nobody_may_be_approached():
    scene = approached(Profile(name="Priya", channels=[Address(channel="whatsapp", address=PRIYA_PHONE)]))
    said = told(scene, Exhausted)
    assert (
        "whatsapp consent [whatsapp-opt-in, since 2024-01-01] refused: whatsapp requires a consent, and none is known"
        in said
    )


def test_the_trace_says_why_it_was_sent():
    said = told(approached(PRIYA_IS), AttemptStarted)
    assert "right_person [rbi-hours, since 2022-08-12]: the ERP registered this address for the contact" in said


@pytest.mark.parametrize("path", sample_files(ROOT), ids=lambda path: path.stem)
def test_each_fact_that_has_a_teller_is_told_in_one_line(path: Path):
    event = read_sample(path)
    teller = TELLERS.get(type(event))
    assert teller is None or "\n" not in teller(event)


def test_the_trace_says_when_the_sender_says_that_it_happened():
    sample = ROOT / "proto-schemas/samples/business.event_received.v1.json"
    event = read_sample(sample)
    assert TELLERS[type(event)](event) == "invoice_overdue as erp-evt-000017, happened at 2026-02-16T06:30+00:00"
