"""Playing and judging: whatever a scenario gets wrong is found, and time goes by as it should."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from events.conversation import MessageRequested
from events.followup import AttemptStarted, Exhausted
from libs.config.bundle import Bundle
from libs.config.model import Content
from libs.config.scenario import Called, Event, Expect, Limits, Never, Scenario, Sent, Step
from libs.kit.store import Store
from services.cli.scenario.coverage import coverage
from services.cli.scenario.judge import differences
from services.cli.scenario.play import play
from services.cli.scenario.stage import Stage, isolated, stage
from tests.services.cli.scenario.conftest import BUNDLE, BY_NAME

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMISE = BY_NAME["payment_collection/promises_a_day_and_pays"]
SILENT = BY_NAME["payment_collection/silent_for_a_month"]


async def found(scenario: Scenario, here: Stage) -> list[str]:
    return differences(await play(scenario, here))


def after_her_promise(**expected: Any) -> Scenario:
    """Priya's promise, of which something else is expected."""
    return replace(PROMISE, story=(replace(PROMISE.story[0], expect=Expect(**expected)),), expect=Expect())


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"state": "overdue"}, "the state should be overdue, and is promised"),
        ({"states": ("pending", "promised")}, "and were pending → reminded → promised"),
        ({"outcome": "resolved"}, "the follow-up should be resolved, and is open"),
        ({"intents": ("dispute_invoice",)}, "the intent dispute_invoice should be understood; there were promise_to_pay"),
        ({"info": {"payment_date": "2026-02-21"}}, "understood as 2026-02-21; it was 2026-02-20"),
        ({"words": {"payment_date": "kal"}}, "should come from the words 'kal'"),
        ({"tools": (Called(endpoint="record_promise", payload={"promised_date": "2026-03-01"}),)}, "there is no call like"),
        ({"tools": (Called(endpoint="record_promise"), Called(endpoint="record_promise"))}, "there is no call like"),
        ({"messages": (Sent(contains="21 February"),)}, "there is no message like contains '21 February'"),
        ({"messages": (Sent(channel="email"),)}, "there is no message like channel 'email'"),
        ({"silent": True}, "nothing should be said"),
        ({"queue": "collections"}, "a person of collections should be called; there was nobody"),
        ({"stopped": True}, "understood to say stop"),
    ],
)  # fmt: skip
async def test_what_is_otherwise_than_expected_is_told(expected: dict[str, Any], told: str, here: Stage):
    differs = await found(after_her_promise(**expected), here)
    assert len(differs) == 1
    assert differs[0].startswith("after step 1 (line ")
    assert told in differs[0]


@pytest.mark.parametrize(
    ("never", "told"),
    [
        (Never(kind="says", value="₹52,400"), "says '₹52,400'"),
        (Never(kind="tool", value="record_promise"), "tool 'record_promise'"),
        (Never(kind="state", value="promised"), "state 'promised'"),
        (Never(kind="template", value="payment_reminder"), "template 'payment_reminder'"),
        (Never(kind="channel", value="whatsapp"), "channel 'whatsapp'"),
        (Never(kind="intent", value="promise_to_pay"), "intent 'promise_to_pay'"),
        (Never(kind="says", value="₹52,400", until="promised"), "before the state promised"),
    ],
)
async def test_what_must_not_happen_is_told_when_it_does(never: Never, told: str, here: Stage):
    (differs,) = await found(replace(PROMISE, never=(never,)), here)
    assert told in differs


async def test_what_must_not_happen_before_a_state_may_happen_after_it(here: Stage):
    later = Never(kind="tool", value="record_promise", until="promised")
    assert await found(replace(PROMISE, never=(later,)), here) == []


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(words=5), "a message has more than 5 words"),
        (Limits(messages=2), "at most 2 messages are allowed, and there were 3"),
        (Limits(turns=1), "at most 1 turns with Claude"),
        (Limits(tokens=10), "at most 10 tokens"),
        (Limits(money={"INR": 1}), "at most 1 minor units of INR"),
    ],
)
async def test_limits_bind_words_messages_turns_tokens_and_money(limits: Limits, told: str, here: Stage):
    (differs,) = await found(replace(PROMISE, limits=limits), here)
    assert told in differs


async def test_a_story_that_cannot_be_played_says_where_it_broke(here: Stage):
    by_hand = replace(PROMISE, story=(Step(by_hand="no_such_trigger"),), expect=Expect(), limits=Limits())
    (differs,) = await found(by_hand, here)
    assert "it broke: the manual trigger 'no_such_trigger' is refused" in differs
    unknown = replace(PROMISE, story=(Step(pays=("INV-1", None)),), expect=Expect(), limits=Limits())
    (differs,) = await found(unknown, here)
    assert "there is no invoice 'INV-1' in the ERP's books" in differs


async def test_books_that_the_emulated_erp_cannot_keep_are_told(here: Stage):
    (differs, *_) = await found(replace(PROMISE, books={"invoices": [{"id": "X", "due_date": "soon"}]}), here)
    assert "it broke: books.invoices" in differs


async def test_what_was_not_taken_is_counted_by_its_name(here: Stage):
    (payment,) = [each for each in coverage(BUNDLE, []) if each.process == "payment_collection"]
    assert len(payment.missing) == len(payment.transitions) + len(payment.steps)
    played = await play(PROMISE, here)
    (taken,) = [each for each in coverage(BUNDLE, [played.facts]) if each.process == "payment_collection"]
    assert not any("→ promised on intent" in name and name.startswith("reminded →") for name in taken.missing)
    assert "step second_reminder.remind_again" in taken.missing


async def test_a_scenario_starts_with_nothing_of_the_one_before(here: Stage):
    first, second = await play(PROMISE, here), await play(PROMISE, here)
    assert [fact.type for fact in first.facts] == [fact.type for fact in second.facts]
    assert not {fact.id for fact in first.facts} & {fact.id for fact in second.facts}


async def test_a_scenario_never_reaches_the_real_erp_nor_claude():
    content = msgspec.json.decode(BUNDLE.to_json(), type=Content)
    settings = msgspec.structs.replace(
        content.settings,
        backend=msgspec.structs.replace(content.settings.backend, base_url="https://erp.example.com"),
        llm=msgspec.structs.replace(content.settings.llm, base_url="https://claude.example.com"),
    )
    live = Bundle.of(msgspec.structs.replace(content, settings=settings))
    assert isolated(live, "emulated").settings.backend.base_url is None
    assert isolated(live, "emulated").settings.llm.base_url is None
    assert isolated(live, "real").settings.backend.base_url is None
    assert isolated(live, "real").settings.llm.base_url == "https://claude.example.com"


async def test_a_ladder_of_thirty_days_is_climbed_to_its_end(scenario_store: Store):
    """Four days for an answer make of eight attempts a month."""
    content = msgspec.json.decode(BUNDLE.to_json(), type=Content)
    patient = msgspec.structs.replace(content.policy, no_reply_minutes=4 * 24 * 60)
    bundle = Bundle.of(msgspec.structs.replace(content, policy=patient))
    month = replace(SILENT, story=(Step(waits_s=40 * 86_400),), expect=Expect(), limits=Limits())
    async with stage(scenario_store, bundle, {}, "emulated") as here:
        played = await play(month, here)
    attempts = [fact for fact in played.facts if isinstance(fact.event, AttemptStarted)]
    (exhausted,) = [fact for fact in played.facts if isinstance(fact.event, Exhausted)]
    assert len(attempts) == bundle.policy.attempts.per_matter
    assert exhausted.envelope.occurred_at - attempts[0].envelope.occurred_at >= timedelta(days=30)
    assert {fact.event.channel for fact in played.facts if isinstance(fact.event, MessageRequested)} == {
        "whatsapp",
        "email",
    }


async def test_an_event_that_nobody_hears_leads_to_nothing(here: Stage):
    quiet = replace(PROMISE, event=Event(name="weather_changed"), story=(), expect=Expect(silent=True), limits=Limits())
    assert await found(quiet, here) == []
