"""Until when a decision holds: what comes later than that is judged anew, however young its decision is."""

from datetime import datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from libs.domain.policy import Allowed, Approach, Hours, Policy, decide, lapsed
from libs.testkit.nouns import NOON
from tests.libs.domain.test_policy import CLOCKS, HOUR, MOMENTS, POLICY, ZONES, changed, clock, judged


@given(MOMENTS, ZONES, CLOCKS, CLOCKS, st.booleans(), st.integers(0, 3 * 1440))
def test_what_is_allowed_may_begin_until_its_decision_says_and_not_from_there_on(
    at: datetime, zone: str, start: int, end: int, wishes: bool, late: int
):
    wish = Hours(start="09:30", end="13:00") if wishes else None
    policy = Policy(hours={"voice": Hours(start=clock(start), end=clock(end))})
    said = decide(policy, Approach(channel="voice", at=at, zone=zone, preferred=wish))
    assume(isinstance(said, Allowed))
    then = at + timedelta(minutes=late)
    open_then = isinstance(decide(policy, Approach(channel="voice", at=then, zone=zone, preferred=wish)), Allowed)
    holds_until = said.decision.holds_until
    if not open_then:
        assert holds_until is not None
        assert at < holds_until <= then
        assert lapsed(policy, said.decision, at=then, begins=True) is not None
    if holds_until is None or then < holds_until:
        assert open_then
        assert lapsed(policy, said.decision, at=then, begins=True) is None


def test_an_answer_holds_for_its_24_hours_whatever_the_hours_are():
    night = NOON.replace(hour=23)
    said = judged(at=night, initiating=False, last_inbound_at=night - HOUR)
    assert said.decision.holds_until == night + 23 * HOUR
    assert lapsed(POLICY, said.decision, at=night + 22 * HOUR, begins=False) is None
    assert lapsed(POLICY, said.decision, at=night + 23 * HOUR, begins=False) is not None


def test_hours_that_the_policy_has_narrowed_since_bind_what_was_allowed_before():
    said = judged(channel="voice", at=NOON)
    narrower = changed(hours={"voice": Hours(start="08:00", end="13:00")})
    assert lapsed(narrower, said.decision, at=NOON.replace(hour=13), begins=True) is not None
    assert lapsed(POLICY, said.decision, at=NOON.replace(hour=13), begins=True) is None
