"""A small process of its own, made so that each action, step and trigger can be seen alone."""

from collections.abc import Mapping
from typing import Any

from events.contact import Address, Profile
from events.followup import Opened
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.config.model import Content
from libs.domain.flow import Flow
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator.story import Door
from tests.services.orchestrator.scene import Scene

ERRAND_ID = "E-7"
TEXTS = {
    "settings.yaml": """
backend: {type: rest, endpoints: {look: "/errands/{errand}", tell: {method: POST, path: "/errands/{errand}/notes"}}}
channels: {whatsapp: {enabled: true, provider: meta}, email: {enabled: true, provider: smtp, from_address: accounts@acme.example}}
""",
    "templates/whatsapp.yaml": """
templates:
  - {id: ask, name: ask_v1, language: en, category: utility, body: "Errand {{entity_id}}: shall we?"}
  - {id: tip, name: tip_v1, language: en, category: utility, body: "Tip about {{nobody_knows}}."}
""",
    "policy.yaml": """
policy:
  timezone: Asia/Kolkata
  hours: {whatsapp: {from: "08:00", to: "21:00"}, email: {from: "08:00", to: "21:00"}}
  holidays: {extra: ["2026-02-17"]}
  consent: {whatsapp: implied, email: implied}
  minimum_gap_minutes: 60
""",
    "state_maps.yaml": """
state_maps:
  - process_type: errand
    states: [new, asked, agreed, stuck, done]
    initial_state: new
    terminal_states: [done]
    intents: {agree: agrees, ask_help: wants help}
    transitions:
      - {from_states: [new], to_state: asked, trigger: {type: outcome, values: [message_sent]}}
      - {from_states: [asked], to_state: agreed, trigger: {type: intent, values: [agree]}, actions: [{type: schedule_check, delay_minutes: 60}]}
      - {from_states: [new, asked], to_state: stuck, trigger: {type: manual, values: [give_up]}}
      - from_states: [new, asked, agreed, stuck]
        to_state: stuck
        trigger: {type: intent, values: [ask_help]}
        actions:
          - {type: escalate, reason: "{{contact_name}} needs help with {{entity_id}}", queue: helpers}
      - from_states: [new, asked, agreed, stuck]
        to_state: agreed
        trigger: {type: event, values: [errand_changed], match: {entity_id: "{{errand}}"}}
        actions:
          - {type: send_message, text: "Errand {{entity_id}} has changed."}
      - from_states: [agreed]
        to_state: agreed
        trigger: {type: manual, values: [again]}
        actions:
          - type: create_followup
            contact_id: "{{contact.id}}"
            reason: "Again: {{entity_id}}"
            priority: low
            channel_priority: [email]
            flow: chat
      - from_states: [agreed]
        to_state: agreed
        trigger: {type: timer, values: [check]}
        actions: [{type: send_message, text: "Still on {{nobody_knows}}."}]
      - from_states: [stuck]
        to_state: done
        trigger: {type: manual, values: [finish]}
      - from_states: [asked, agreed]
        to_state: agreed
        trigger: {type: manual, values: [other_channel]}
        actions: [{type: switch_channel, channel: next}, {type: send_message, text: "Here we are."}]
      - from_states: [asked, agreed]
        to_state: agreed
        trigger: {type: manual, values: [drop]}
        actions: [{type: close, reason: no longer wanted}]
    on_resolved: {endpoint: tell, payload: {errand: "{{entity_id}}", note: "{{state}}"}}
""",
    "flows/errand.yaml": """
flows:
  - id: errand
    steps:
      - {id: ask, type: generate, system_prompt: "Ask {{contact_name}} about {{entity_id}}.", templates: {whatsapp: ask}}
      - {id: thanks, type: say, text: "Thank you, {{contact_name}}.", templates: {whatsapp: ask}}
  - id: look_first
    steps:
      - {id: look, type: tool_call, tool: {endpoint: look, payload_template: {errand: entity_id}, result_key: seen}}
      - {id: ask, type: generate, system_prompt: "Ask.", templates: {whatsapp: ask}}
  - id: patient
    steps:
      - {id: tell, type: say, text: "We wait.", templates: {whatsapp: ask}}
      - {id: pause, type: wait, timeout: 2h, on_timeout: gave_up}
      - {id: heard, type: say, text: "You are back.", templates: {whatsapp: ask}}
      - {id: over, type: end}
      - {id: gave_up, type: transition, trigger_value: give_up}
  - id: broken
    steps:
      - {id: tip, type: say, text: "About {{nobody_knows}}.", templates: {whatsapp: tip}}
  - id: chat
    steps:
      - {id: open, type: generate, system_prompt: "Chat.", templates: {whatsapp: ask}}
      - {id: close, type: generate, system_prompt: "Say thanks.", templates: {whatsapp: ask}}
""",
}
ERRAND = Opened(
    contact_id=PRIYA,
    reason="an errand",
    origin="rule",
    channel_priority=["whatsapp", "email"],
    process_type="errand",
    entity_type="errand",
    entity_id=ERRAND_ID,
    flow="errand",
    business_context={"errand": ERRAND_ID},
)
ON_BOTH_CHANNELS = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
        Address(channel="email", address=PRIYA_EMAIL),
    ],
)


def bundle_of(texts: Mapping[str, str] = TEXTS) -> Bundle:
    loaded = compile_bundle(texts, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


BUNDLE = bundle_of()


def with_flows(*flows: Flow) -> Bundle:
    """The errand's bundle with flows that no check has seen."""
    return Bundle.of(
        Content(
            settings=BUNDLE.settings,
            state_maps=tuple(BUNDLE.state_maps.values()),
            flows=flows,
            templates={channel: tuple(known.values()) for channel, known in BUNDLE.templates.items()},
            policy=BUNDLE.policy,
        )
    )


def errand(flow: str = "errand", bundle: Bundle = BUNDLE, **changes: Any) -> Scene:
    """Priya's errand has been opened; WhatsApp and email are on."""
    scene = Scene(ON_BOTH_CHANNELS, bundle)
    scene.doors = {"whatsapp": Door("sandbox"), "email": Door("sandbox")}
    scene.opens(about(flow, **changes))
    return scene


def about(flow: str = "errand", **changes: Any) -> Opened:
    known = {field: getattr(ERRAND, field) for field in ERRAND.__struct_fields__}
    return Opened(**{**known, "flow": flow, **changes})
