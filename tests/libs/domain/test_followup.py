"""A follow-up folded: what is remembered of a matter, from its opening to its outcome."""

from datetime import timedelta

import pytest

from events.base import Event
from events.conversation import Released
from events.followup import (
    AttemptStarted,
    AttemptUnanswered,
    Cancelled,
    ContactRequested,
    Deferred,
    Exhausted,
    Joined,
    Opened,
    Resolved,
)
from events.values import PolicyDecision
from libs.domain.followup import Followup, evolve
from libs.testkit.nouns import NOON, PRIYA

ALLOWED = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
OPENED = Opened(contact_id=PRIYA, reason="overdue", origin="rule")
FIRST = AttemptStarted(number=1, channel="whatsapp", allowed_by=ALLOWED)
SECOND = AttemptStarted(number=2, channel="email", allowed_by=ALLOWED)


def after(*facts: Event) -> Followup:
    state = Followup()
    for fact in facts:
        state = evolve(state, fact)
    return state


def test_before_it_is_opened_it_is_nothing():
    assert (after().status, after().settled, after().opened) == ("new", False, None)


def test_an_opened_follow_up_is_open_and_remembers_what_it_is_about():
    assert (after(OPENED).status, after(OPENED).opened) == ("open", OPENED)


def test_it_remembers_its_conversation():
    assert after(OPENED, Joined(conversation="c")).conversation == "c"


def test_attempts_are_counted_with_their_channels():
    state = after(OPENED, FIRST, SECOND)
    assert (state.attempts, state.tried) == (2, ("whatsapp", "email"))


def test_a_deferral_is_over_with_the_next_attempt():
    deferred = Deferred(until=NOON + timedelta(days=1), decisions=[])
    assert after(OPENED, deferred).deferred_until == NOON + timedelta(days=1)
    assert after(OPENED, deferred).status == "deferred"
    assert (after(OPENED, deferred, FIRST).status, after(OPENED, deferred, FIRST).deferred_until) == ("open", None)


def test_only_a_failed_message_rules_its_channel_out():
    silent = AttemptUnanswered(number=1, channel="whatsapp")
    failed = AttemptUnanswered(number=1, channel="whatsapp", reason="message_failed")
    assert after(OPENED, FIRST, silent).failed == ()
    assert after(OPENED, FIRST, failed).failed == ("whatsapp",)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (Resolved(outcome="paid"), "resolved"),
        (Exhausted(reason="used up"), "exhausted"),
        (Cancelled(reason="pointless"), "cancelled"),
    ],
)
def test_each_end_settles_it(end: Event, status: str):
    assert (after(OPENED, end).status, after(OPENED, end).settled) == (status, True)


@pytest.mark.parametrize("other", [ContactRequested(contact_id=PRIYA), Released(operator="Meera")])
def test_other_facts_change_nothing(other: Event):
    assert after(OPENED, other) == after(OPENED)
