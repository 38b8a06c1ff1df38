"""Facts of a bundle's own, from what its files use, through Claude's request, to conditions, templates and payloads."""

from typing import get_type_hints

from events.conversation import MessageRequested, TurnRequested, Understood
from events.errand import WritebackRequested
from events.values import PersonalData
from libs.llm import calls
from libs.llm.prompts import REPORT_UNDERSTANDING, request_body
from libs.llm.understanding import understood
from services.orchestrator import claude
from services.sandbox.claude_prompt import read_request
from services.sandbox.claude_tools import Mind
from tests.libs.config.shipped import changed
from tests.services.orchestrator.errand import TEXTS, bundle_of, errand
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import Scene

PROMISED = "          - {field: extracted_info.payment_date, operator: exists}\n"
VISIT = {
    **TEXTS,
    "facts.yaml": """
facts:
  visit_date: {type: date, description: the day on which the engineer may come}
  part_of_day: {type: choice, description: when on that day, choices: [morning, evening]}
""",
    "state_maps.yaml": """
state_maps:
  - process_type: errand
    states: [new, asked, booked, done]
    initial_state: new
    terminal_states: [done]
    intents: {agree_visit: agrees that the engineer comes}
    transitions:
      - {from_states: [new], to_state: asked, trigger: {type: outcome, values: [message_sent]}}
      - from_states: [asked]
        to_state: booked
        trigger: {type: intent, values: [agree_visit]}
        conditions:
          - {field: extracted_info.visit_date, operator: after, value: today}
          - {field: extracted_info.part_of_day, operator: in, value: [morning, evening]}
        actions:
          - type: update_backend
            endpoint: tell
            payload: {errand: "{{entity_id}}", note: "{{extracted_info.visit_date}}", model: "{{extracted_info.machine_model}}"}
          - {type: send_message, text: "We come on {{extracted_info.visit_date|date_in}} in the {{extracted_info.part_of_day}}."}
      - {from_states: [booked], to_state: done, trigger: {type: manual, values: [finish]}}
""",
}


def priya_answers(scene: Scene, text: str) -> dict[str, str | int]:
    """Priya writes, and the emulated Claude reads it from the very request that a turn makes; what it extracted."""
    scene.priya_says(text)
    asked = scene.last(TurnRequested)
    request = claude.request_for(asked, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
    body = request_body(request, "claude-haiku-5-5", 600)
    tool = next(each for each in body["tools"] if each["name"] == REPORT_UNDERSTANDING)
    meant = understood(Mind(read_request(body, scene.now)).fill(tool), request)
    scene.claude_answers("Ji.", intents=meant.intent_names, extracted_info=meant.extracted_info, words=meant.words)
    return meant.extracted_info


def visit() -> Scene:
    scene = errand(bundle=bundle_of(VISIT)).later(minutes=1)
    scene.message_is("accepted")
    return scene.later(minutes=5)


def test_what_a_process_uses_is_asked_of_claude_and_moves_it_with_typed_values():
    scene = visit()
    said = "yes I agree, the engineer comes tomorrow morning, the machine model is Bosch GWS"
    assert priya_answers(scene, said) == {
        "visit_date": "2026-02-17",
        "part_of_day": "morning",
        "machine_model": "Bosch GWS",
    }
    assert scene.state == "booked"
    assert scene.last(WritebackRequested).payload == {"errand": "E-7", "note": "2026-02-17", "model": "Bosch GWS"}
    assert scene.last(MessageRequested).body.text == "We come on 17 February 2026 in the morning."


def test_what_no_condition_holds_of_moves_nothing():
    scene = visit()
    assert priya_answers(scene, "yes I agree, the engineer comes tomorrow") == {"visit_date": "2026-02-17"}
    assert scene.state == "asked"


def test_the_facts_of_another_process_are_not_asked_for():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    assert scene.last(TurnRequested).facts == []


def test_what_is_extracted_is_sealed_whatever_its_name():
    assert get_type_hints(Understood, include_extras=True)["extracted_info"] == PersonalData


def test_on_the_phone_they_are_asked_for_and_count_as_well():
    texts, _ = changed(
        "state_maps.yaml",
        PROMISED,
        f"{PROMISED}          - {{field: extracted_info.how, operator: in, value: [upi, cheque]}}\n",
    )
    scene = Phoned(bundle=bundle_of(texts))
    scene.talks()
    assert [(fact.name, fact.kind, fact.choices) for fact in scene.guided.facts] == [
        ("how", "choice", ["upi", "cheque"])
    ]
    offered = next(
        tool
        for tool in calls.tools(scene.guided.intents, (), {}, scene.guided.facts)
        if tool["name"] == calls.REPORT_INTENT
    )
    assert offered["properties"]["extracted_info"]["properties"]["how"]["enum"] == ["upi", "cheque", None]
    scene.reports("promise_to_pay", "20 February tak, cheque se", payment_date="2026-02-20", how="cash")
    assert scene.state == "reminded"
    scene.reports("promise_to_pay", "20 February tak, cheque se", payment_date="2026-02-20", how="Cheque")
    assert scene.state == "promised"
    assert scene.last(Understood).extracted_info == {"payment_date": "2026-02-20", "how": "cheque"}
