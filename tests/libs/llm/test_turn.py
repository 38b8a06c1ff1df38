import pytest

from libs.llm.turn import ModelCall, TurnResult, Usage
from tests.libs.llm.nouns import MORNING, turn


def test_a_turn_without_a_zone_in_its_now_is_refused():
    with pytest.raises(ValueError, match="zone-aware"):
        turn("haan", now=MORNING.replace(tzinfo=None))


@pytest.mark.parametrize("zone", ["Mumbai", "../etc/passwd", ""])
def test_a_turn_in_an_unknown_zone_is_refused(zone):
    with pytest.raises(ValueError, match="IANA name such as Asia/Kolkata"):
        turn("haan", timezone=zone)


def test_understanding_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one unread message"):
        turn(wants="understand")


def test_now_is_told_on_the_contacts_own_clock():
    assert turn("kal", timezone="Asia/Dubai").local_now.isoformat() == "2026-02-16T09:00:00+04:00"


def test_a_result_adds_up_the_tokens_of_all_its_calls():
    failed = ModelCall(
        model="claude-haiku-5-5",
        usage=Usage(input=10, output=1),
        stop_reason=None,
        request_id=None,
        first_token_ms=None,
        total_ms=9,
    )
    good = ModelCall(
        model="claude-sonnet-5-5",
        usage=Usage(input=5, output=7, cache_read=600, cache_write=2),
        stop_reason="tool_use",
        request_id="req_1",
        first_token_ms=3,
        total_ms=8,
        emulated=True,
    )
    result = TurnResult(understanding=None, reply="Namaste", reply_language="hi-Latn", calls=(failed, good))
    assert result.usage == Usage(input=15, output=8, cache_read=600, cache_write=2)
    assert (result.model, result.stop_reason, result.emulated) == ("claude-sonnet-5-5", "tool_use", True)
