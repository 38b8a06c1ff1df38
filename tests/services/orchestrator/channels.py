"""Two errands and a delivery of one contact whom all four text channels reach, so that they could mix."""

from typing import Any

from events.contact import Address, Profile
from events.conversation import MessageRequested
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator.story import Door
from tests.services.orchestrator.errand import TEXTS, about, bundle_of
from tests.services.orchestrator.scene import Scene

LADDER = ["whatsapp", "email", "sms", "chat"]
FIRST, SECOND, DELIVERY = "matter-1", "matter-2", "matter-3"

BUNDLE = bundle_of(
    TEXTS
    | {
        "settings.yaml": """
backend: {type: rest, endpoints: {look: "/errands/{errand}", tell: {method: POST, path: "/errands/{errand}/notes"}}}
channels:
  whatsapp: {enabled: true, provider: meta}
  email: {enabled: true, provider: smtp, from_address: accounts@acme.example}
  sms: {enabled: true, provider: sns, region: ap-south-1, default_template: plain}
  chat: {enabled: true, provider: websocket}
""",
        "templates/sms.yaml": """
templates:
  - {id: plain, name: plain, language: en, category: utility, body: "Please look at {{entity_id}}."}
""",
        "state_maps.yaml": TEXTS["state_maps.yaml"]
        + """
  - process_type: delivery
    states: [coming, fine, late]
    initial_state: coming
    terminal_states: [fine]
    intents: {delivery_fine: "says that the delivery is fine", ask_help: wants help}
    transitions:
      - from_states: [coming]
        to_state: fine
        trigger: {type: intent, values: [delivery_fine]}
        conditions: [{field: extracted_info.delivery_date, operator: exists}]
      - {from_states: [coming], to_state: late, trigger: {type: intent, values: [ask_help]}}
      - {from_states: [late], to_state: fine, trigger: {type: manual, values: [finish]}}
""",
        "flows/errand.yaml": TEXTS["flows/errand.yaml"]
        + """
  - id: delivery
    steps:
      - {id: tell, type: generate, system_prompt: "Tell {{contact_name}} of {{entity_id}}.", templates: {whatsapp: ask}}
""",
    }
)
EVERYWHERE = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
        Address(channel="email", address=PRIYA_EMAIL),
        Address(channel="sms", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
        Address(channel="chat", address=PRIYA),
    ],
)


def everywhere(**changes: Any) -> Scene:
    """Priya's errand E-7 has been opened, along a ladder of all four channels; the WhatsApp message is on its way."""
    scene = nobody()
    scene.opens(about(channel_priority=LADDER, **changes))
    return scene


def nobody() -> Scene:
    """Nothing has been opened."""
    scene = Scene(EVERYWHERE, BUNDLE)
    scene.doors = {channel: Door("sandbox") for channel in LADDER}
    return scene


def two_errands(second: str = "whatsapp") -> Scene:
    """Priya was asked about E-7 on WhatsApp, and four hours later about E-8, on WhatsApp or another channel."""
    scene = everywhere()
    scene.message_is("accepted", ref="wamid.E-7")
    scene.later(hours=4)
    scene.opens(about(entity_id="E-8", channel_priority=[second]), matter=SECOND)
    if second == "email":
        scene.claude_answers("Dear Priya, errand E-8 …")
    scene.message_is("accepted", ref=f"{second}.E-8")
    scene.later(minutes=5)
    return scene


def errand_and_delivery() -> Scene:
    """Priya was asked about the errand E-7, and then told of the delivery D-1."""
    scene = everywhere()
    scene.message_is("accepted", ref="wamid.E-7")
    scene.later(hours=4)
    delivery = about("delivery", process_type="delivery", entity_type="delivery", entity_id="D-1")
    scene.opens(delivery, matter=DELIVERY)
    scene.message_is("accepted", ref="wamid.D-1")
    scene.later(minutes=5)
    return scene


def sent(scene: Scene, matter: str) -> list[MessageRequested]:
    """What was said about a matter."""
    return [each for each in scene.all(MessageRequested) if each.matter == matter]


def state_of(scene: Scene, matter: str) -> str | None:
    return scene.conversation.matters[matter].state


def known_of(scene: Scene, matter: str) -> dict[str, Any]:
    """What the contact told about a matter."""
    return dict(scene.conversation.matters[matter].extracted_info)
