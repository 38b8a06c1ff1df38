"""Whether a call may still be dialled, and what its end is where its process could not tell it: decisions alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from voice_world import bundle

from events.base import Recorded
from events.call import CallRequested
from events.values import Cost, PolicyDecision
from libs.channels.call_status import Status
from libs.testkit.nouns import NOON, PRIYA_PHONE
from voice_service import decide
from voice_service.decide import ToldEnd, Used

ID = UUID(int=7)


class Open:
    def may_call(self, number: str) -> bool:
        return True


class Closed:
    def may_call(self, number: str) -> bool:
        return False


def asked(at: datetime, zone: str | None = None, purpose: Any = "approach", **decision: Any) -> Recorded[CallRequested]:
    allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=at, zone=zone, **decision)
    event = CallRequested(
        call="", to=PRIYA_PHONE, opening="Namaste", instructions="Ask.", allowed_by=allowed, purpose=purpose
    )
    return Recorded(envelope=Any, event=event)  # type: ignore[arg-type] # nobody looks at it


def test_the_hours_count_when_it_is_dialled_however_young_its_decision_is():
    late = NOON.astimezone(UTC).replace(hour=16)  # 21:30 in India
    assert decide.veto(asked(late), Open(), bundle(), late) == "the hours in which it was allowed are over"
    assert decide.veto(asked(NOON), Open(), bundle(), NOON + timedelta(minutes=10)) is None
    assert decide.veto(asked(NOON), Open(), bundle(), late) == "the hours in which it was allowed are over"


def test_who_asked_to_be_called_is_called_for_a_day_and_no_longer():
    late = NOON.astimezone(UTC).replace(hour=16)
    answer = asked(late, purpose="answer", holds_until=late + timedelta(hours=24))
    assert decide.veto(answer, Open(), bundle(), late + timedelta(hours=2)) is None
    assert decide.veto(answer, Open(), bundle(), late + timedelta(hours=24)) is not None


def test_the_hours_are_those_of_the_contacts_own_zone():
    evening = NOON.astimezone(UTC).replace(hour=13, minute=0)  # 18:30 in India, 21:00 in Singapore
    earlier = evening - timedelta(hours=3)
    assert decide.veto(asked(earlier), Open(), bundle(), evening) is None
    abroad = asked(earlier, "Asia/Singapore")
    assert decide.veto(abroad, Open(), bundle(), evening) == "the hours in which it was allowed are over"


def test_a_number_that_is_none_of_the_test_recipients_is_not_dialled():
    assert decide.veto(asked(NOON), Closed(), bundle(), NOON) is not None


def test_a_call_that_died_with_its_process_has_failed_with_what_is_known():
    rupee = Cost(currency="INR", micros=1_000_000)
    used = Used(seconds=41, turns=3, costs={"telephony": rupee})
    ended = decide.cut_off("1", used, ToldEnd(reason="completed", seconds=44))
    assert (ended.reason, ended.seconds, ended.turns, ended.costs) == ("failed", 44, 3, {"telephony": rupee})
    assert decide.cut_off("1", used, None).seconds == 41


def test_who_hears_a_mailbox_says_so_and_ringing_is_no_end():
    machine = Status(ref="r", state="completed", at=NOON, seconds=9, machine=True)
    assert decide.told_end(machine) == ToldEnd(reason="voicemail", seconds=9)
    assert decide.over(machine)
    assert not decide.over(Status(ref="r", state="ringing", at=NOON))
