"""Two replicas of the gateways with one Postgres and one NATS, and clients who chat with them over real WebSockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import websockets
from websockets.asyncio.client import ClientConnection, connect

from events.base import Cause, Draft, Event, Recorded
from events.conversation import MessageRequested
from events.values import Body, PolicyDecision
from libs.channels import chat, chat_token
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import ids
from libs.kit.bundles import publish
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.relay import Relay
from libs.kit.serve import App, Loop
from libs.kit.store import Store
from libs.testkit.nouns import NOON, PRIYA, TENANT
from libs.testkit.servers import StoreOf, serving
from services.gateways.app import build
from services.gateways.chat import facts as chat_facts
from services.gateways.settings import Settings
from tests.libs.kit.effects_world import until
from tests.services.gateways.published import heard

CONVERSATION = "conversation-1"
OPEN = "channels: {chat: {enabled: true, provider: websocket}}\n"
PATIENCE_S = 60.0

Frame = dict[str, Any]


def bundle_of(settings: str = OPEN) -> Bundle:
    """A bundle with a chat."""
    loaded = compile_bundle({"settings.yaml": settings, "policy.yaml": "policy: {}\n"}, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@dataclass
class Client:
    """A contact's browser: sends frames and keeps all that it gets."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self, kind: str | None = None, **wanted: Any) -> Frame:
        """The next frame, or the next one that is like this."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: Frame = json.loads(await self.socket.recv())
                self.frames.append(frame)
                if kind in (None, frame["type"]) and wanted.items() <= frame.items():
                    return frame

    async def lines(self, number: int) -> list[Frame]:
        """All lines so far, once there are so many."""
        while len(self.said) < number:
            await self.next("message")
        return self.said

    @property
    def said(self) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == "message"]

    async def closed(self) -> int:
        """With which code the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    self.frames.append(json.loads(await self.socket.recv()))
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


@dataclass
class ChatWorld:
    """What the chat looks like from outside: replicas by origin, the log, and a bus of the orchestrator's."""

    origins: list[str]
    apps: list[App]
    store: Store
    clock: Clock
    bus: Bus
    stores: list[Store] = field(default_factory=list)
    """The replicas' own."""
    _asked: int = 0

    async def publish(self, bundle: Bundle) -> None:
        cause_id = ids.cause_id(TENANT, "test", bundle.hash)
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="cli")
        await publish(self.store, TENANT, bundle, cause)
        for own in self.stores:
            await heard(own)

    def token(
        self, contact: str = PRIYA, *, secret: str = chat_token.SANDBOX_SECRET, hours: float = 1, **more: Any
    ) -> str:
        expires_at = self.clock.machine() + timedelta(hours=hours)
        return chat_token.mint(contact, secret, expires_at=expires_at, **more)

    @asynccontextmanager
    async def client(
        self,
        contact: str = PRIYA,
        *,
        replica: int = 0,
        token: str | None = None,
        after: int | None = None,
        tenant: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Client]:
        """A browser on one of the replicas."""
        origin = self.origins[replica].replace("http", "ws")
        path = f"/ws/{tenant}/chat" if tenant else "/ws/chat"
        query = f"token={token if token is not None else self.token(contact)}"
        if after is not None:
            query += f"&after={after}"
        async with connect(f"{origin}{path}/{quote(contact)}?{query}", **options) as socket:
            yield Client(socket)

    async def say(
        self,
        text: str,
        *,
        contact: str = PRIYA,
        gates: Sequence[str] = (),
        then: Sequence[Event] = (),
        purpose: Any = "answer",
        **more: Any,
    ) -> Recorded[MessageRequested]:
        """The orchestrator asks for a line."""
        self._asked += 1
        decision = PolicyDecision(verdict="allowed", channel="chat", purpose="general", at=self.clock.now())
        cause_id = ids.cause_id(TENANT, "test", f"{CONVERSATION} {self._asked}")
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="orchestrator")
        body = more.pop("body", None) or Body(text=text)
        intent = MessageRequested(
            message="",
            channel="chat",
            to=contact,
            body=body,
            allowed_by=decision,
            purpose=purpose,
            gates=list(gates),
            **more,
        )
        drafts = [Draft(CONVERSATION, event, f"contact-{contact}", contact) for event in (intent, *then)]
        appended = await self.store.append_any(TENANT, CONVERSATION, drafts, cause)
        facts = await self.store.read_stream(TENANT, CONVERSATION, appended.version - len(drafts))
        return facts[0]  # type: ignore[return-value] # what was just appended

    async def history(self, lines: int, text: str = "line") -> None:
        """A chat of so many lines, all the contact's."""
        digest = (await self.store.keyring.lookup(TENANT, "chat", PRIYA)).hex()

        async def write(number: int) -> None:
            fact = chat_facts.received(chat.Said(content=text), f"h-{number}", PRIYA, digest, self.clock.now())
            cause_id = ids.cause_id(TENANT, "chat", f"h-{number}")
            cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=self.clock.now(), source="gateways")
            stream = f"inbound-chat-h{number}"
            await self.store.append(TENANT, stream, 0, [Draft(stream, fact)], cause)

        await asyncio.gather(*map(write, range(lines)))
        await self.shown(lines)

    async def told(self, intent: Recorded[Any], *names: str) -> list[str]:
        """The names of the facts about a message, once all of `names` are among them."""

        async def there() -> list[str]:
            facts = await self.store.read_stream(TENANT, f"message-{intent.id}")
            told = [fact.envelope.type.split(".")[1] for fact in facts]
            return told if set(names) <= set(told) else []

        return await until(there)

    async def shown(self, number: int, contact: str = PRIYA) -> None:
        """Return when a contact's chat has so many lines."""

        async def there() -> bool:
            asked = "SELECT max(number) FROM gateways.chat_line WHERE room = $1"
            return bool(await self.store.pool.fetchval(asked, chat.room(contact)) == number)

        await until(there)

    async def heard(self) -> list[Recorded[Any]]:
        """Everything that contacts wrote."""
        facts = await self.store.read_log(0, 0, 10_000, families=["inbound"])
        return [fact for fact in facts if fact.envelope.type.startswith("inbound.received")]


@asynccontextmanager
async def chat_world(
    database: str,
    store: Store,
    store_of: StoreOf,
    clock: Clock,
    nats_url: str,
    *,
    replicas: int = 2,
    env: dict[str, str] | None = None,
) -> AsyncIterator[ChatWorld]:
    """The replicas; the first one also runs the relay."""
    await clock.set(NOON)
    async with AsyncExitStack() as stack:

        async def bus(name: str) -> Bus:
            connected = await Bus.connect(nats_url, name=name)
            stack.push_async_callback(connected.close)
            return connected

        world = ChatWorld([], [], store, clock, await bus("orchestrator"))
        await world.publish(bundle_of())
        relay = Relay(0, url=database, bus=await bus("relay"), clock=clock)
        await stack.enter_async_context(serving(App("relay", loops=[Loop("relay", relay.run)])))
        settings = Settings(environment=env or {}, profile="development")
        for _ in range(replicas):
            own = await store_of(role="converse_gateways", name="gateways")
            app = await build(settings, store=own, bus=await bus("gateways"), clock=clock)
            world.apps.append(app)
            world.stores.append(own)
            world.origins.append(await stack.enter_async_context(serving(app)))
        yield world
