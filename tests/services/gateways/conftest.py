"""The gateways on a real port, with Postgres, NATS, the relay, and Meta's emulator on another one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.base import Cause, Draft, Event, Recorded
from events.conversation import MessageRequested
from events.inbound import Received
from events.refs import ref_of
from events.values import Body, PolicyDecision
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import http, ids
from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.objects import Objects
from libs.kit.relay import Relay
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, NOON, PRIYA, PRIYA_PHONE, TENANT
from libs.testkit.servers import StoreOf, part, serving
from services.gateways.app import build
from services.gateways.desk import Desk
from services.gateways.settings import Settings
from services.gateways.whatsapp.door import sandbox_door
from services.sandbox import app as sandbox
from services.sandbox.settings import MetaSettings
from services.sandbox.settings import Settings as SandboxSettings
from tests.libs.kit.effects_world import until
from tests.services.gateways.published import heard

CONVERSATION = "conversation-1"
HASTY = timedelta(seconds=2)
"""How long the gateways wait for a provider in a test in which one does not answer."""

BUNDLE = {
    "settings.yaml": "channels: {whatsapp: {enabled: true, provider: meta}}\n",
    "prices.yaml": """prices:
  - {provider: meta, unit: message, category: utility, currency: INR, amount: 0.1150, effective: 2026-01-01}
  - {provider: meta, unit: message, category: service, currency: INR, amount: 0, effective: 2026-01-01}
""",
    "templates/whatsapp.yaml": """templates:
  - {id: payment_reminder, name: payment_reminder_v1, language: en, category: utility, body: "Invoice {{invoice_number}} is open."}
""",
    "policy.yaml": "policy: {timezone: Asia/Kolkata, hours: {whatsapp: {from: '08:00', to: '21:00'}}}\n",
}


def bundle_of(**files: str) -> Bundle:
    """The bundle of these tests; a file is replaced by its name without its ending."""
    texts = {name: files.get(name.removesuffix(".yaml"), text) for name, text in BUNDLE.items()}
    loaded = compile_bundle(texts, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@dataclass
class Gateways:
    """The running service as its neighbours see it: the orchestrator through the log, Meta through HTTP."""

    origin: str
    sandbox: str
    store: Store
    clock: Clock
    client: httpx.AsyncClient
    own_store: Store
    objects: Objects
    _asked: int = field(default=0)

    async def say(
        self,
        text: str = "",
        *,
        gates: Sequence[str] = (),
        then: Sequence[Event] = (),
        to: str = PRIYA_PHONE,
        body: Body | None = None,
    ) -> Recorded[MessageRequested]:
        """The orchestrator asks for a message: free text, or the payment reminder without one. `then`: in one append."""
        body = body or (Body(text=text) if text else REMINDER)
        decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=self.clock.now())
        intent = MessageRequested(
            message="", channel="whatsapp", to=to, body=body, allowed_by=decision, gates=list(gates)
        )
        facts = await self.happens(intent, *then)
        return facts[0]

    async def happens(self, *events: Event) -> list[Recorded[Any]]:
        """The orchestrator appends facts to the conversation, in one transaction."""
        self._asked += 1
        cause_id = ids.cause_id(TENANT, "test", f"{CONVERSATION} {self._asked}")
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="orchestrator")
        drafts = [Draft(CONVERSATION, event, f"contact-{PRIYA}", PRIYA) for event in events]
        appended = await self.store.append_any(TENANT, CONVERSATION, drafts, cause)
        return list(await self.store.read_stream(TENANT, CONVERSATION, appended.version - len(drafts)))

    async def heard(self, channel: str, id: str) -> str:
        """Priya's message came in under this id of its provider's; its stream."""
        stream = Desk.stream(channel, id)
        received = Received(
            channel=channel,
            account="1",
            digest="d",
            sender=PRIYA_PHONE,
            text="hello",
            provider_ref=ref_of(id),
            provider_id=id,
        )
        cause_id = ids.cause_id(TENANT, channel, id)
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="gateways")
        await self.store.append(TENANT, stream, 0, [Draft(stream, received)], cause)
        return stream

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control of the emulators, which must succeed."""
        answer = await self.client.request(method, f"{self.sandbox}/_sandbox{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    async def told(self, intent: Recorded[Any]) -> list[Recorded[Any]]:
        """The facts about a message, in order."""
        return list(await self.store.read_stream(TENANT, f"message-{intent.id}"))

    async def until(self, intent: Recorded[Any], *names: str) -> list[str]:
        """The names of the facts about a message, once all of `names` are among them."""

        async def there() -> list[str]:
            told = [fact.envelope.type.split(".")[1] for fact in await self.told(intent)]
            return told if set(names) <= set(told) else []

        return await until(there)

    async def inbound(self, name: str, number: int = 1) -> list[Recorded[Any]]:
        """The facts of the family `inbound` with this name, once there are so many."""

        async def there() -> list[Recorded[Any]]:
            facts = await self.store.read_log(0, 0, 10_000, families=["inbound"])
            found = [fact for fact in facts if fact.envelope.type.split(".")[1] == name]
            return found if len(found) >= number else []

        return await until(there)

    async def quiet(self) -> None:
        """Return when every webhook was taken and every fact heard."""

        async def delivered() -> bool:
            deliveries = (await self.client.get(f"{self.sandbox}/_sandbox/meta/webhooks")).json()
            return all(each["status"] == 200 for each in deliveries)

        await until(delivered)
        head = await self.store.head(0)

        async def heard() -> bool:
            return await self.store.watermark("gateways", 0) >= head or head == await self._last_examined()

        await until(heard)

    async def _last_examined(self) -> int:
        health = (await self.client.get(f"{self.origin}/metrics")).text
        line = next(line for line in health.splitlines() if line.startswith("converse_reactor_position{"))
        return int(float(line.rpartition(" ")[2]))

    async def goes_wrong(self, **fault: Any) -> None:
        """What happens to the next send."""
        (await self.client.post(f"{self.sandbox}/_sandbox/meta/faults", json=fault)).raise_for_status()

    async def priya_says(self, text: str, **saying: Any) -> str:
        answer = await self.client.post(
            f"{self.sandbox}/_sandbox/meta/inbound", json={"from": PRIYA_PHONE, "text": text, **saying}
        )
        answer.raise_for_status()
        wamid: str = answer.json()["id"]
        return wamid

    async def sent(self) -> list[dict[str, Any]]:
        """What Meta sent to contacts."""
        messages: list[dict[str, Any]] = (await self.client.get(f"{self.sandbox}/_sandbox/meta/messages")).json()
        return messages

    async def effect(self, intent: Recorded[Any]) -> dict[str, Any]:
        record = await self.store.pool.fetchrow("SELECT * FROM gateways.effect WHERE id = $1", intent.id)
        return dict(record or {})

    async def publish(self, bundle: Bundle) -> None:
        cause_id = ids.cause_id(TENANT, "test", bundle.hash)
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="cli")
        await publish(self.store, TENANT, bundle, cause)
        await heard(self.own_store)


REMINDER = Body(
    text=f"Invoice {INVOICE} is open.",
    template="payment_reminder",
    template_name="payment_reminder_v1",
    language="en",
    variables={"invoice_number": INVOICE},
)


@pytest.fixture
def patience() -> timedelta:
    """How long the gateways wait for a provider: longer than any machine takes."""
    return timedelta(minutes=1)


@pytest.fixture
async def gateways(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, tmp_path: Path, patience: timedelta
) -> AsyncIterator[Gateways]:
    await clock.set(NOON)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(http.client())
        meta = MetaSettings(delivered_after=0.02, read_after=0.02)
        emulators = sandbox.build(SandboxSettings(meta=meta, people=()), now=clock.now)
        sandbox_origin = await stack.enter_async_context(serving(part(emulators, "meta", "sms", "deepgram")))
        bus = await Bus.connect(nats_url, name="gateways")
        stack.push_async_callback(bus.close)
        relay = Relay(0, url=database, bus=bus, clock=clock)
        settings = Settings(
            environment={},
            sandbox_urls=sandbox.base_urls(sandbox_origin),
            profile="development",
            objects_url=tmp_path.as_uri(),
        )
        own_store = await store_of(role="converse_gateways")
        service = await build(settings, store=own_store, bus=bus, clock=clock, timeout=patience)
        objects = Objects.at(tmp_path.as_uri(), store.keyring)
        world = Gateways("", sandbox_origin, store, clock, client, own_store, objects)
        await world.publish(bundle_of())
        relaying = App("relay", loops=[Loop("relay", relay.run)])
        world.origin = await stack.enter_async_context(serving(relaying, service))
        callback = {"url": f"{world.origin}/webhooks/whatsapp", "verify_token": sandbox_door("").verify_token}
        subscribed = await client.put(f"{sandbox_origin}/_sandbox/meta/callback", json=callback)
        assert subscribed.json() == {"subscribed": True}
        yield world
