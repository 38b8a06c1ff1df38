"""What the dialogue beside LangGraph is configured with: one intent, one tool, one reply."""

from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle

MODEL = "claude-haiku-5-5"

BUNDLE = {
    "settings.yaml": f"""
backend: {{type: rest, endpoints: {{record_promise: {{method: POST, path: "/promises"}}}}}}
llm: {{model: {MODEL}, fallback_model: {MODEL}, max_tokens: 600}}
channels: {{whatsapp: {{enabled: true, provider: meta, default_template: hello}}}}
""",
    "prices.yaml": "prices: []\n",
    "policy.yaml": """
policy:
  timezone: Asia/Kolkata
  hours: {whatsapp: {from: "00:00", to: "24:00"}}
  consent: {whatsapp: implied}
  turns_without_progress: 1000
""",
    "state_maps.yaml": """
state_maps:
  - process_type: talk
    states: [new, promised, over]
    initial_state: new
    terminal_states: [over]
    intents: {promise_to_pay: says when they will pay}
    transitions:
      - from_states: [new, promised]
        to_state: promised
        trigger: {type: intent, values: [promise_to_pay]}
        actions: [{type: start_flow, flow: note}]
      - {from_states: [new, promised], to_state: over, trigger: {type: manual, values: [close]}}
""",
    "flows/talk.yaml": """
flows:
  - id: hello
    steps:
      - {id: hello, type: say, text: "Namaste {{contact_name}}", templates: {whatsapp: hello}}
  - id: note
    steps:
      - {id: record, type: tool_call, tool: {endpoint: record_promise, payload_template: {invoice: entity_id}, result_key: promise}}
      - {id: confirm, type: generate, system_prompt: Thank them and confirm the day., max_words: 40}
""",
    "templates/whatsapp.yaml": """
templates:
  - {id: hello, name: hello_v1, language: en, category: utility, body: "Namaste {{contact_name}}"}
""",
}


def compiled() -> Bundle:
    """The bundle of the dialogue."""
    loaded = compile_bundle(BUNDLE, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle
