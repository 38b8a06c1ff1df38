"""A visit to be agreed on: a process whose flows collect slots, call each other and are interrupted."""

from typing import Any

import msgspec

from events.conversation import TurnRequested
from events.followup import Opened
from events.values import ToolChoice
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.domain.slots import Filled
from libs.llm.planning import chosen, plan_body
from libs.llm.prompts import REPORT_UNDERSTANDING, WRITE_REPLY, asked_tools, request_body
from libs.llm.understanding import understood, written
from libs.testkit.nouns import PRIYA
from services.orchestrator import claude
from services.orchestrator.story import Door
from services.sandbox.claude_prompt import read_request
from services.sandbox.claude_tools import Mind
from tests.services.orchestrator.errand import ON_BOTH_CHANNELS
from tests.services.orchestrator.scene import MATTER, Scene

TEXTS = {
    "settings.yaml": """
backend: {type: rest, endpoints: {book: {method: POST, path: "/visits/{visit}"}, route: "/visits/{visit}/route"}}
channels: {whatsapp: {enabled: true, provider: meta, default_template: hello}, email: {enabled: true, provider: smtp, from_address: accounts@acme.example}}
""",
    "templates/whatsapp.yaml": """
templates:
  - {id: hello, name: hello_v1, language: en, category: utility, body: "About visit {{entity_id}}: when may we come?"}
""",
    "policy.yaml": """
policy:
  timezone: Asia/Kolkata
  hours: {whatsapp: {from: "08:00", to: "21:00"}, email: {from: "08:00", to: "21:00"}}
  consent: {whatsapp: implied, email: implied}
  minimum_gap_minutes: 60
""",
    "state_maps.yaml": """
state_maps:
  - process_type: visit
    states: [new, asked, booked, called_off]
    initial_state: new
    terminal_states: [booked, called_off]
    intents:
      cancel_visit: does not want the visit any more
      ask_way: asks which way the engineer takes
      speak_to_person: wants to speak with a person
    transitions:
      - {from_states: [new], to_state: asked, trigger: {type: outcome, values: [message_sent]}}
      - {from_states: [new, asked], to_state: booked, trigger: {type: manual, values: [agreed]},
         actions: [{type: update_backend, endpoint: book, payload: {visit: "{{entity_id}}", on: "{{slots.visit_date}}", part: "{{slots.part_of_day}}"}}]}
      - {from_states: [new, asked], to_state: called_off, trigger: {type: intent, values: [cancel_visit]}}
      - {from_states: [asked], to_state: asked, trigger: {type: intent, values: [ask_way]},
         actions: [{type: start_flow, flow: tell_way}]}
      - {from_states: [new, asked], to_state: called_off, trigger: {type: intent, values: [speak_to_person]},
         actions: [{type: escalate, reason: wants a person}]}
""",
    "flows/visit.yaml": """
flows:
  - id: book
    steps:
      - id: when
        type: collect
        max_asks: 2
        slots:
          - name: visit_date
            type: date
            ask: "On which day may we come, {{contact_name}}?"
            valid: [{field: slots.visit_date, operator: after, value: today}]
          - {name: part_of_day, type: choice, choices: [morning, afternoon], ask: "In the morning or in the afternoon?"}
          - {name: phone, type: phone, required: false}
        on_error: person
      - {id: agree, type: transition, trigger_value: agreed}
      - {id: over, type: end}
      - {id: person, type: handoff, reason: "cannot agree on a day with {{contact_name}}", queue: visits}
  - id: tell_way
    steps:
      - {id: way, type: generate, system_prompt: "Tell them that the engineer comes by train."}
  - id: with_budget
    steps:
      - {id: hello, type: say, text: "Namaste {{contact_name}}."}
      - {id: money, type: subflow, flow: budget}
      - {id: note, type: collect, slots: [{name: remark, type: text, ask: "Anything else that we should know?"}], on_cancel: over}
      - {id: noted, type: generate, system_prompt: "Thank them for {{slots.budget}}."}
      - {id: over, type: end}
  - id: budget
    steps:
      - {id: how_much, type: collect, slots: [{name: budget, type: amount, ask: "How much may it cost?"}]}
""",
}


def bundle_of(texts: dict[str, str] = TEXTS) -> Bundle:
    loaded = compile_bundle(texts, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


BUNDLE = bundle_of()


class Visit(Scene):
    """Priya's visit, with an emulated Claude that reads what the real one would be sent."""

    def claude_thinks(self) -> list[Any]:
        """Ask the emulated Claude for the turn that was asked for last, and hear what it says."""
        asked: TurnRequested = self.last(TurnRequested)
        request = claude.request_for(asked, self.conversation, self.bundle, now=self.now, zone="Asia/Kolkata")
        body = msgspec.json.decode(msgspec.json.encode(request_body(request, "claude-haiku-5-5", 600)))
        mind = Mind(read_request(body, self.now))
        inputs = {tool["name"]: mind.fill(tool) for tool in body["tools"]}
        wanted = asked_tools(request)
        meant = understood(inputs[REPORT_UNDERSTANDING], request) if REPORT_UNDERSTANDING in wanted else None
        draft = written(inputs[WRITE_REPLY], request)[0] if WRITE_REPLY in wanted else None
        if meant is None:
            return self.claude_answers(draft)
        return self.claude_answers(
            draft,
            intents=meant.intent_names,
            extracted_info=dict(meant.extracted_info),
            words=dict(meant.words),
            language=meant.language,
            slots={slot.name: slot.value for slot in meant.slots},
            breaks_off=meant.breaks_off,
        )

    def claude_plans(self) -> list[Any]:
        """Ask the emulated Claude which tool is next."""
        asked: TurnRequested = self.last(TurnRequested)
        request = claude.request_for(asked, self.conversation, self.bundle, now=self.now, zone="Asia/Kolkata")
        body = msgspec.json.decode(msgspec.json.encode(plan_body(request, "claude-haiku-5-5", 600)))
        mind = Mind(read_request(body, self.now))
        [tool] = mind.tool_calls(body["tool_choice"])
        choice = chosen({tool["name"]: mind.fill(tool)})
        return self.claude_answers(None, choice=ToolChoice(tool=choice.tool, inputs=choice.inputs))

    def hears(self, text: str) -> list[Any]:
        """Priya writes, and Claude is asked until nobody thinks any more."""
        told = self.priya_says(text)
        while self.conversation.turn is not None:
            told += self.claude_thinks()
        return told

    @property
    def slots(self) -> dict[str, Any]:
        return {name: filled.value for name, filled in self._filled.items()}

    @property
    def place(self) -> tuple[str | None, str | None]:
        matter = self.conversation.matters[MATTER]
        return matter.flow, matter.step

    @property
    def _filled(self) -> dict[str, Filled]:
        return dict(self.conversation.matters[MATTER].course.slots)


def visit(
    flow: str = "book", bundle: Bundle = BUNDLE, *, process: str | None = "visit", asked: bool = True, **context: Any
) -> Visit:
    """Priya has been written to about visit V-1; with `asked` the provider took it."""
    scene = Visit(ON_BOTH_CHANNELS, bundle)
    scene.doors = {"whatsapp": Door("sandbox"), "email": Door("off")}
    scene.opens(
        Opened(
            contact_id=PRIYA,
            reason="a visit",
            origin="rule",
            channel_priority=["whatsapp"],
            process_type=process,
            entity_type="visit",
            entity_id="V-1",
            flow=flow,
            business_context={"visit": "V-1", **context},
        )
    )
    if asked:
        scene.message_is("accepted")
    return scene
