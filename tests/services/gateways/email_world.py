"""The gateways with mail alone: the orchestrator in the log, an SMTP server and mail providers on real ports."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from events.base import Cause, Draft, Recorded
from events.conversation import MessageRequested
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
from libs.testkit.nouns import NOON, PRIYA, PRIYA_EMAIL, TENANT
from libs.testkit.servers import StoreOf, part, serving
from services.gateways.app import build
from services.gateways.settings import Settings
from services.sandbox import app as sandbox
from services.sandbox.contact_script import Person
from services.sandbox.settings import MailSettings
from services.sandbox.settings import Settings as SandboxSettings
from tests.libs.kit.effects_world import until
from tests.services.gateways.published import heard

CONVERSATION = "conversation-1"
OPEN = "channels: {email: {enabled: true, provider: smtp}}\n"
PRICES = "prices: [{provider: smtp, unit: message, currency: INR, amount: 0.02, effective: 2026-01-01}]\n"
SECRET = "sandbox-webhook-secret"


def bundle_of(settings: str = OPEN) -> Bundle:
    """The bundle of these tests."""
    loaded = compile_bundle({"settings.yaml": settings, "prices.yaml": PRICES}, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@dataclass
class EmailWorld:
    """The running service as its neighbours see it."""

    origin: str
    sandbox: str
    store: Store
    clock: Clock
    client: httpx.AsyncClient
    own_store: Store
    objects: Objects
    _asked: int = field(default=0)

    async def say(
        self, text: str = "On which date will you pay?", *, to: str = PRIYA_EMAIL, **changes: Any
    ) -> Recorded[MessageRequested]:
        """The orchestrator asks for a mail; `changes` are fields of the intent, `body` those of its body."""
        self._asked += 1
        body = Body(text=text, **changes.pop("body", {}))
        decision = PolicyDecision(verdict="allowed", channel="email", purpose="general", at=self.clock.now())
        intent = MessageRequested(message="", channel="email", to=to, body=body, allowed_by=decision, **changes)
        cause_id = ids.cause_id(TENANT, "test", f"{CONVERSATION} {self._asked}")
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="orchestrator")
        draft = Draft(CONVERSATION, intent, f"contact-{PRIYA}", PRIYA)
        appended = await self.store.append_any(TENANT, CONVERSATION, [draft], cause)
        facts = await self.store.read_stream(TENANT, CONVERSATION, appended.version - 1)
        return facts[0]  # type: ignore[return-value] # what was just appended

    async def told(self, intent: Recorded[Any]) -> list[Recorded[Any]]:
        """The facts about a mail, in order."""
        return list(await self.store.read_stream(TENANT, f"message-{intent.id}"))

    async def until(self, intent: Recorded[Any], *names: str) -> list[str]:
        """The names of the facts about a mail, once all of `names` are among them."""

        async def there() -> list[str]:
            told = [fact.envelope.type.split(".")[1] for fact in await self.told(intent)]
            return told if set(names) <= set(told) else []

        return await until(there)

    async def inbound(self, name: str, number: int = 1) -> list[Any]:
        """The facts of the family `inbound` with this name, once there are so many."""

        async def there() -> list[Any]:
            facts = await self.store.read_log(0, 0, 10_000, families=["inbound"])
            found = [fact.event for fact in facts if fact.envelope.type.split(".")[1] == name]
            return found if len(found) >= number else []

        return await until(there)

    async def facts(self) -> int:
        """How many facts there are."""
        return await self.store.head(0)

    async def sent(self, number: int = 1) -> list[dict[str, Any]]:
        """What was handed over, once it is so much."""

        async def there() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await self.client.get(f"{self.sandbox}/_sandbox/mail/messages")).json()
            return found if len(found) >= number else []

        return await until(there)

    async def count_sent(self) -> int:
        return len((await self.client.get(f"{self.sandbox}/_sandbox/mail/messages")).json())

    async def control(self, path: str, body: Any, method: str = "POST") -> Any:
        """Something that the emulator is asked."""
        answer = await self.client.request(method, f"{self.sandbox}/_sandbox/mail{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def goes_wrong(self, **fault: Any) -> None:
        await self.control("/faults", fault)

    async def priya_writes(self, text: str, **saying: Any) -> str:
        """Priya's mail; its Message-ID."""
        return str((await self.control("/inbound", {"from": PRIYA_EMAIL, "text": text, **saying}))["id"])

    async def quiet(self) -> None:
        """Return when every post of the providers is over."""

        async def over() -> bool:
            found = (await self.client.get(f"{self.sandbox}/_sandbox/mail/webhooks")).json()
            return all(each["over"] for each in found)

        await until(over)

    async def statuses(self, number: int) -> list[int]:
        """How the service answered the providers' posts, once there are so many."""

        async def posted() -> list[int]:
            posts = (await self.client.get(f"{self.sandbox}/_sandbox/mail/webhooks")).json()
            done = len(posts) >= number and all(each["over"] for each in posts)
            return [each["status"] for each in posts] if done else []

        return await until(posted)

    async def post(self, path: str = f"/webhooks/email/{SECRET}", **request: Any) -> httpx.Response:
        """Something that anybody may post."""
        return await self.client.post(self.origin + path, **request)

    async def effect(self, intent: Recorded[Any]) -> dict[str, Any]:
        record = await self.store.pool.fetchrow("SELECT * FROM gateways.effect WHERE id = $1", intent.id)
        return dict(record or {})

    async def hurry(self, intent: Recorded[Any]) -> None:
        """What waits to be tried again is tried now."""
        await self.store.pool.execute("UPDATE gateways.effect SET not_before = now() WHERE id = $1", intent.id)

    async def publish(self, bundle: Bundle) -> None:
        cause_id = ids.cause_id(TENANT, "test", bundle.hash)
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="cli")
        await publish(self.store, TENANT, bundle, cause)
        await heard(self.own_store)


@asynccontextmanager
async def email_world(
    database: str,
    store: Store,
    store_of: StoreOf,
    clock: Clock,
    nats_url: str,
    folder: Path,
    *,
    people: Sequence[Person] = (),
    evidence: timedelta | None = None,
    patience: timedelta = timedelta(minutes=1),
) -> AsyncIterator[EmailWorld]:
    await clock.set(NOON)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(http.client())
        mail = MailSettings(delivered_after=0.01, webhook_backoff=0.02, webhook_attempts=3)
        emulators = sandbox.build(SandboxSettings(mail=mail, people=tuple(people)), now=clock.now)
        sandbox_origin = await stack.enter_async_context(serving(part(emulators, "mail")))
        bus = await Bus.connect(nats_url, name="gateways")
        stack.push_async_callback(bus.close)
        own_store = await store_of(role="converse_gateways")
        settings = Settings(
            environment={},
            sandbox_urls=sandbox.base_urls(sandbox_origin),
            profile="development",
            channels=frozenset({"email"}),
            objects_url=folder.as_uri(),
            origin="http://hooks.acme.example",
        )
        service = await build(settings, store=own_store, bus=bus, clock=clock, timeout=patience, evidence=evidence)
        objects = Objects.at(folder.as_uri(), store.keyring)
        world = EmailWorld("", sandbox_origin, store, clock, client, own_store, objects)
        await world.publish(bundle_of())
        relaying = App("relay", loops=[Loop("relay", Relay(0, url=database, bus=bus, clock=clock).run)])
        world.origin = await stack.enter_async_context(serving(relaying, service))
        await world.control("/callback", {"url": f"{world.origin}/webhooks/email"}, "PUT")
        yield world
