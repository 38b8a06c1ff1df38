"""The LLM worker's pure part: what Claude is asked, and what its answer costs and becomes."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from events.base import Envelope, Recorded
from events.conversation import TurnRequested
from events.turn import Completed, Failed, Withheld
from events.turn import Usage as TurnUsage
from events.values import Cost
from libs.config.bundle import Bundle
from libs.config.model import Content, Price
from libs.config.providers import PriceUnit
from libs.domain.flow import Flow, Generate
from libs.llm.turn import ModelCall, TurnRequest, TurnResult, Usage
from libs.testkit.nouns import NOON, PRIYA, TENANT
from services.orchestrator import claude
from tests.services.orchestrator.errand import BUNDLE, about, errand, with_flows
from tests.services.orchestrator.scene import CONVERSATION, Scene

TURN = UUID("00000000-0000-0000-0000-00000000a5ed")


def request_of(scene: Scene) -> TurnRequest:
    asked: TurnRequested = scene.last(TurnRequested)
    return claude.request_for(asked, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")


def test_claude_reads_what_is_unread_after_what_was_said_before():
    scene = Scene().reminded()
    scene.priya_says("kitna baaki hai?")
    request = request_of(scene)
    assert [line.text for line in request.unread] == ["kitna baaki hai?"]
    assert [line.role for line in request.history] == ["agent"]
    assert "₹52,400" in request.history[0].text
    assert {offer.name for offer in request.intents} >= {"promise_to_pay", "dispute_invoice"}
    assert (request.wants, request.channel, request.now) == ("both", "whatsapp", scene.now)


def test_what_came_after_the_turn_was_asked_is_not_in_it():
    scene = Scene().reminded()
    scene.priya_says("kal")
    scene.priya_says("nahi, parson")
    request = request_of(scene)
    assert [line.text for line in request.unread] == ["kal"]
    assert "nahi, parson" not in {line.text for line in request.history}


def test_a_turn_that_only_writes_has_everything_as_history():
    scene = Scene().reminded()
    scene.priya_says("20 tak")
    scene.claude_answers(intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-20"})
    request = request_of(scene)
    assert request.wants == "draft"
    assert request.unread == ()
    assert request.history[-1].text == "20 tak"
    assert "2026-02-20" in request.instructions


def test_names_that_are_not_known_read_unknown_in_a_prompt_and_are_recorded():
    asking = Flow(id="errand", steps=(Generate(id="ask", system_prompt="Ask {{contact_name}} for {{nobody_knows}}."),))
    scene = errand("chat", with_flows(BUNDLE.flows["chat"], asking))
    scene.priya_says("haan")
    scene.claude_answers()
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    asked: TurnRequested = scene.last(TurnRequested)
    assert asked.instructions == "Ask Priya Sharma for (unknown)."
    assert asked.undefined == ["nobody_knows"]


def intent() -> Recorded[Any]:
    envelope = Envelope(
        id=TURN,
        type="conversation.turn_requested.v1",
        source="orchestrator",
        stream=f"conversation-{CONVERSATION}",
        version=1,
        pos=1,
        tenant=TENANT,
        correlation_id=TURN,
        occurred_at=NOON,
        recorded_at=NOON,
        subject=PRIYA,
    )
    return Recorded(TurnRequested(turn=str(TURN), upto=0, instructions=""), envelope)


@pytest.mark.parametrize(("tell", "kind"), [(claude.failed, Failed), (claude.withheld, Withheld)])
def test_a_turn_that_came_to_nothing_says_why(tell: Any, kind: type[Any]):
    [draft] = tell(intent(), "because")
    assert draft.event == kind(conversation=CONVERSATION, reason="because")
    assert (draft.stream, draft.key, draft.subject) == (f"turn-{TURN}", f"contact-{PRIYA}", PRIYA)


RATES: tuple[tuple[PriceUnit, str, str], ...] = (
    ("token_in", "haiku", "1"),
    ("token_out", "haiku", "5"),
    ("token_in", "haiku:cache_read", "0.10"),
    ("token_in", "haiku:cache_write", "1.25"),
)
PRICES = tuple(
    Price(
        provider="anthropic",
        unit=unit,
        currency="USD",
        amount=Decimal(amount),
        effective=date(2026, 1, 1),
        per=1_000_000,
        category=category,
    )
    for unit, category, amount in RATES
)
PRICED = Bundle.of(Content(settings=BUNDLE.settings, prices=PRICES))


def call(model: str = "haiku", **tokens: int) -> ModelCall:
    return ModelCall(
        model=model, usage=Usage(**tokens), stop_reason="end_turn", request_id=None, first_token_ms=None, total_ms=1
    )


def result(*calls: ModelCall) -> TurnResult:
    return TurnResult(understanding=None, reply="Theek hai.", reply_language="hi", calls=calls)


def test_a_turn_costs_what_its_calls_cost_in_millionths():
    took = result(call(input=1000, output=200, cache_read=3000, cache_write=100))
    assert claude.cost_of(took.calls, PRICED, NOON) == Cost(currency="USD", micros=1000 + 1000 + 300 + 125)


def test_every_call_of_a_turn_is_paid_the_failed_ones_too():
    assert claude.cost_of(result(call(input=1000), call(output=200)).calls, PRICED, NOON) == Cost(
        currency="USD", micros=2000
    )


def test_a_model_without_a_price_makes_the_cost_unknown_and_not_too_small():
    assert claude.cost_of(result(call(input=1000), call("opus", input=1)).calls, PRICED, NOON) is None


def test_before_a_price_is_effective_there_is_none():
    assert claude.cost_of(result(call(input=1000)).calls, PRICED, NOON.replace(year=2025)) is None


def test_a_completed_turn_keeps_the_draft_the_tokens_and_the_model():
    [draft] = claude.completed(intent(), result(call(input=10, output=2)), PRICED, NOON)
    assert draft.event == Completed(
        conversation=CONVERSATION,
        model="haiku",
        language="hi",
        draft="Theek hai.",
        usage=TurnUsage(input=10, output=2),
        cost=Cost(currency="USD", micros=20),
    )
