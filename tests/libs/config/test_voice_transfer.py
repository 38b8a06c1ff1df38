"""Who takes over in a call: what the check says of `voice.transfer`, and when somebody is there."""

from datetime import datetime

import pytest

from libs.config.compile import compile_bundle
from libs.domain.transfer import somebody_is_there, transfer_of
from tests.libs.config.shipped import TEXTS

TELEPHONY = '      telephony_account_sid: "${EXOTEL_SID}"'


def findings(transfer: str, *, flow: bool = True) -> list[str]:
    settings = TEXTS["settings.yaml"]
    if flow:
        settings = settings.replace(TELEPHONY, f'      telephony_flow_id: "4711"\n{TELEPHONY}', 1)
    loaded = compile_bundle(
        {**TEXTS, "settings.yaml": f"{settings}\nvoice:\n  transfer: {transfer}\n"}, {}, "development"
    )
    return [each.message for each in loaded.findings if "transfer" in each.path]


def test_numbers_hours_and_ringing_are_all_it_needs():
    assert findings('{numbers: ["+918047491899"], hours: {from: "09:30", to: "18:00"}, ring_seconds: 25}') == []


@pytest.mark.parametrize(
    ("transfer", "says"),
    [
        ('{numbers: ["1800"]}', "no number that can be rung"),
        ("{ring_seconds: 25}", "nobody is named who takes over"),
        ('{numbers: ["+918047491899"], hours: {from: "9", to: "18:00"}}', "no time of day"),
        ('{numbers: ["+918047491899"], who: me}', "who"),
    ],
)
def test_what_cannot_be_is_found(transfer: str, says: str):
    assert any(says in message for message in findings(transfer)), findings(transfer)


def test_without_a_flow_only_calls_that_come_in_can_be_handed_over():
    [warning] = findings('{numbers: ["+918047491899"]}', flow=False)
    assert "only those that come in" in warning


@pytest.mark.parametrize(("hour", "there"), [(9, False), (10, True), (17, True), (18, False)])
def test_somebody_is_there_within_their_hours_of_the_tenants_zone(hour: int, there: bool):
    terms = transfer_of({"transfer": {"numbers": ["+918047491899"], "hours": {"from": "10:00", "to": "18:00"}}})
    at = datetime.fromisoformat(f"2026-02-16T{hour:02}:00+05:30")
    assert somebody_is_there(terms, at, "Asia/Kolkata") is there


def test_nobody_is_there_where_nobody_is_named():
    assert not somebody_is_there(transfer_of({}), datetime.fromisoformat("2026-02-16T12:00+05:30"), "Asia/Kolkata")
