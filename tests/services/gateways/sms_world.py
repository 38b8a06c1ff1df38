"""The gateways with a provider of SMS: the orchestrator at one end, the emulated provider and contact at the other."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from events.base import Cause, Draft, Recorded
from events.conversation import MessageRequested
from events.values import Body, PolicyDecision
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import ids
from libs.testkit.nouns import INVOICE, PRIYA, PRIYA_PHONE, TENANT
from services.gateways.sms import aws as sms_aws
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import CONVERSATION, Gateways

ENTITY, TEMPLATE = "1101456324585245458", "1107165432198765432"
TEXT = f"Dear Priya, invoice {INVOICE} of Rs 52,400 is due. Acme"
VARIABLES = {"contact_name": "Priya", "invoice_number": INVOICE, "amount": "Rs 52,400"}
REMINDER = Body(text=TEXT, template="reminder", template_name="reminder_v1", language="en", variables=VARIABLES)
REGISTERED = {
    "entity_id": ENTITY,
    "template_id": TEMPLATE,
    "body": "Dear {#var#}, invoice {#var#} of {#var#} is due. Acme",
}

CHANNELS: Mapping[str, str] = {
    "exotel": "{provider: exotel, sender_id: ACMECO}",
    "sns": "{provider: sns, sender_id: ACMECO, region: ap-south-1}",
    "pinpoint": "{provider: pinpoint, sender_id: ACMECO, region: ap-south-1, free_text_to: ['+44']}",
}
PRICES = """prices:
  - {provider: exotel, unit: segment, currency: INR, amount: 0.20, effective: 2026-01-01}
  - {provider: exotel, unit: segment, currency: INR, amount: 0.25, effective: 2026-11-01}
  - {provider: sns, unit: segment, currency: USD, amount: 0.00278, effective: 2026-01-01}
  - {provider: pinpoint, unit: segment, currency: USD, amount: 0.00278, effective: 2026-01-01}
"""
TEMPLATES = f"""templates:
  - id: reminder
    name: reminder_v1
    language: en
    category: utility
    body: "Dear {{{{contact_name}}}}, invoice {{{{invoice_number}}}} of {{{{amount|inr_ascii}}}} is due. Acme"
    dlt: {{entity_id: "{ENTITY}", template_id: "{TEMPLATE}"}}
"""


def bundle_of(provider: str, *, templates: str = TEMPLATES, settings: str | None = None) -> Bundle:
    """A bundle with nothing but SMS."""
    texts = {
        "settings.yaml": settings or f"channels: {{sms: {CHANNELS[provider]}}}\n",
        "prices.yaml": PRICES,
        "templates/sms.yaml": templates,
        "policy.yaml": "policy: {timezone: Asia/Kolkata, hours: {sms: {from: '08:00', to: '21:00'}}}\n",
    }
    loaded = compile_bundle(texts, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@dataclass
class SmsGateways:
    """What happens by SMS."""

    gateways: Gateways
    provider: str
    _asked: int = field(default=0)

    @classmethod
    async def of(cls, gateways: Gateways, provider: str) -> "SmsGateways":
        """Publish the provider's bundle and let the emulator call back."""
        await asyncio.to_thread(sms_aws.warm)  # else the first message would spend a short time-out on it
        world = cls(gateways, provider)
        await gateways.publish(bundle_of(provider))
        callback = {"url": f"{gateways.origin}/webhooks/sms", "subscribe": provider != "exotel"}
        assert await world.control("PUT", "/callback", callback) == {"subscribed": True}
        return world

    async def say(self, body: Body = REMINDER, *, to: str = PRIYA_PHONE) -> Recorded[MessageRequested]:
        """The orchestrator asks for a message."""
        self._asked += 1
        store, clock = self.gateways.store, self.gateways.clock
        decision = PolicyDecision(verdict="allowed", channel="sms", purpose="general", at=clock.now())
        cause_id = ids.cause_id(TENANT, "test", f"{CONVERSATION} sms {self._asked}")
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=clock.now(), source="orchestrator")
        intent = MessageRequested(message="", channel="sms", to=to, body=body, allowed_by=decision)
        appended = await store.append_any(
            TENANT, CONVERSATION, [Draft(CONVERSATION, intent, f"contact-{PRIYA}", PRIYA)], cause
        )
        facts = await store.read_stream(TENANT, CONVERSATION, appended.version - 1)
        return facts[0]  # type: ignore[return-value] # what was just appended

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.gateways.sandbox}/_sandbox/sms{path}"
        answer = await self.gateways.client.request(method, url, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def goes_wrong(self, **fault: Any) -> None:
        """What happens to the next send."""
        await self.control("POST", "/faults", fault)

    async def priya_says(self, text: str, **saying: Any) -> None:
        await self.control("POST", "/inbound", {"from": PRIYA_PHONE, "text": text, "provider": self.provider, **saying})

    async def sent(self) -> list[dict[str, Any]]:
        """What the provider took."""
        messages: list[dict[str, Any]] = await self.control("GET", "/messages")
        return messages

    async def requests(self) -> int:
        """How many calls the provider had, refused ones too."""
        return int((await self.control("GET", "/requests"))["requests"])

    async def webhook(self, contains: str = "") -> dict[str, Any]:
        """The newest call of the provider's that was taken and has this in its body."""

        async def there() -> dict[str, Any]:
            calls = [each["call"] for each in await self.control("GET", "/webhooks") if each["status"] == 200]
            found = [each for each in calls if contains in each["body"] or contains in each["url"]]
            return found[-1] if found else {}

        return await until(there)

    async def post(self, body: bytes | str, path: str = "/webhooks/sms", **headers: str) -> httpx.Response:
        """Somebody posts to a webhook."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.gateways.client.post(self.gateways.origin + path, content=body, headers=named)

    async def head(self) -> int:
        return await self.gateways.store.head(0)
