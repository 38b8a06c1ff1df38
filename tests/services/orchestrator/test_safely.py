"""When Claude fails or costs too much: the bundle's own words, a person, and it is on record why."""

import msgspec
import pytest

from events.conversation import Escalated, MessageRequested, TurnRequested
from events.turn import Usage
from events.values import Cost
from libs.config.bundle import Bundle
from libs.config.model import LlmBudget
from services.orchestrator import turns
from tests.services.orchestrator.scene import Scene


def limited(**limits: object) -> Bundle:
    """The shipped bundle with a budget."""
    shipped = msgspec.json.decode(Scene.shipped.to_json())
    shipped["settings"]["llm"]["budget"] = msgspec.to_builtins(LlmBudget(**limits))  # type: ignore[arg-type]
    return Bundle.from_json(msgspec.json.encode(shipped))


def asked(scene: Scene) -> int:
    return len(scene.all(TurnRequested))


@pytest.mark.parametrize("limits", [{"tokens": 1000}, {"tokens": None, "money": {"USD": 300}}])
def test_a_conversation_that_has_used_up_its_budget_says_the_safe_text_and_calls_a_person(limits: dict[str, object]):
    scene = Scene(bundle=limited(**limits)).reminded()
    scene.priya_says("kitna hai?")
    scene.claude_answers("₹52,400.", usage=Usage(input=900, output=100), cost=Cost(currency="USD", micros=300))
    before = asked(scene)
    told = scene.priya_says("aur kab tak?")
    assert asked(scene) == before
    said = [fact for fact in told if isinstance(fact, MessageRequested)]
    assert [each.body.template for each in said] == ["payment_reminder"]
    assert "has used up what Claude may cost it" in scene.last(Escalated).reason
    assert scene.last(Escalated).silences


def test_after_that_it_is_silent_until_a_person_has_looked():
    scene = Scene(bundle=limited(tokens=10)).reminded()
    scene.priya_says("kitna hai?")
    scene.claude_answers("₹52,400.", usage=Usage(input=10))
    scene.priya_says("hello?")
    escalations = len(scene.all(Escalated))
    assert not any(isinstance(fact, MessageRequested) for fact in scene.priya_says("hello??"))
    assert len(scene.all(Escalated)) == escalations


def test_within_its_budget_a_conversation_goes_on():
    scene = Scene(bundle=limited(tokens=1001)).reminded()
    scene.priya_says("kitna hai?")
    scene.claude_answers("₹52,400.", usage=Usage(input=900, output=100))
    before = asked(scene)
    scene.priya_says("aur kab tak?")
    assert asked(scene) == before + 1


def test_turns_that_failed_and_turns_that_only_wrote_are_counted_too():
    scene = Scene().reminded()
    scene.priya_says("20 February tak")
    scene.claude_answers(
        intents=["promise_to_pay"],
        extracted_info={"payment_date": "2026-02-20"},
        usage=Usage(input=100, cache_read=1000),
        cost=Cost(currency="USD", micros=20),
    )
    scene.claude_answers("Note kar liya.", usage=Usage(output=50), cost=Cost(currency="USD", micros=30))
    assert (scene.conversation.tokens, scene.conversation.micros) == (1150, {"USD": 50})
    scene.message_is("accepted")
    scene.priya_says("ok?")
    turn = scene.last(TurnRequested).turn
    scene.tells(lambda story: turns.after_failed_turn(story, turn, "Refused", Cost(currency="USD", micros=7)))
    assert scene.conversation.micros == {"USD": 57}
