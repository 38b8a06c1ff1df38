"""The chat keeps what every channel promises: the gateways at one end of a real WebSocket, a browser's client at the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from events.message import Rejected
from libs.channels import chat
from libs.channels.outcome import Accepted, Outcome, Refused
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.conformance.channel import ChannelConformance, Delivery, Features, Heard, Rig, Told, Trouble
from libs.testkit.conformance.mutants import MUTANTS, Mutant, MutationConformance
from libs.testkit.nouns import TENANT
from libs.testkit.servers import StoreOf
from services.gateways.chat import talk as chat_talk
from tests.libs.kit.effects_world import until
from tests.services.gateways.chat_world import ChatWorld, Client, Frame, chat_world

OURSELVES = "we are the provider: nothing lies between the log and the socket"
FEATURES = Features(
    states=("delivered", "read"),
    signed=False,  # a token opens the socket; its frames are not signed one by one
    lacks={
        "throttled": OURSELVES,
        "throttled_for": OURSELVES,
        "server_error": OURSELVES,
        "answer_lost": OURSELVES,
        "answer_garbled": OURSELVES,
        "timed_out": OURSELVES,
        "no_connection": "a contact who is not there finds the message later",
        "fails_later": "what is in the log can be read for ever",
        "numeric_ids": "ids are texts by the codec",
    },
)


class Screen:
    """The contact's browser: says of each line of ours what `tells` has, of the `late` first ones only after the next."""

    def __init__(self, client: Client) -> None:
        self.lines: list[Frame] = []
        self.tells: tuple[str, ...] = ("ack", "read")
        self.late = 0
        self._client = client
        self._untold: list[int] = []

    async def look(self) -> None:
        """Read until the connection ends."""
        async for raw in self._client.socket:
            frame: Frame = json.loads(raw)
            if frame["type"] != "message":
                continue
            self.lines.append(frame)
            if frame["role"] == "contact":
                continue
            self._untold.insert(0, frame["position"])
            if self.late:
                self.late -= 1
                continue
            for position in self._untold:
                for kind in self.tells:
                    await self._client.send(type=kind, position=position)
            self._untold.clear()


@dataclass
class ChatRig:
    """Speaks as the orchestrator does, hears the frames that the gateways get from the browser."""

    world: ChatWorld
    client: Client
    screen: Screen
    malformed: type[Exception] = chat.Malformed
    deliveries: "asyncio.Queue[Delivery]" = field(default_factory=asyncio.Queue)
    references: dict[str, str] = field(default_factory=dict)
    wordless: bool = False

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        intent = await self.world.say("" if self.wordless else text)
        self.references[str(intent.id)] = reference
        facts = await until(lambda: self.world.store.read_stream(TENANT, f"message-{intent.id}"))
        event: Any = facts[0].event
        if isinstance(event, Rejected):
            return Refused(code=int(event.code), reason=event.reason, scope=event.scope)
        return Accepted(event.provider_ref)

    async def send_template(self, *, reference: str) -> Outcome:
        return await self.send_text("a registered text", reference=reference)

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        said = {"content": text, "id": ids.fresh().hex} | ({"reply_to": quoting} if quoting else {})
        for _ in range(copies):
            await self.client.send(type="message", **said)

    async def trouble(self, trouble: Trouble) -> None:
        match trouble:
            case "refused":
                self.wordless = True
            case "statuses_scrambled":
                self.screen.tells = ("read", "ack", "read", "ack")
            case "statuses_late":
                self.screen.late = 1
            case _:
                raise NotImplementedError(trouble)

    async def sent(self, reference: str) -> list[str]:
        known = [id for id, each in self.references.items() if each == reference]
        return await self._shown(known) if self.wordless else await until(lambda: self._shown(known))

    async def _shown(self, known: list[str]) -> list[str]:
        return [frame["content"] for frame in self.screen.lines if frame["id"] in known]

    async def delivery(self) -> Delivery:
        return await self.deliveries.get()

    def verify(self, raw: bytes, signature: str | None) -> bool:
        raise NotImplementedError

    def read(self, raw: bytes) -> list[Told | Heard]:
        match chat.read(raw):
            case chat.Said(id=str(id), content=content, reply_to=quoted):
                return [Heard(id, content, quoted)]
            case chat.Ack(position=position):
                return self._told(position, "delivered")
            case chat.Reads(position=position):
                return self._told(position, "read")
            case _:
                return []

    def _told(self, position: int, state: Any) -> list[Told | Heard]:
        ours = [frame for frame in self.screen.lines if frame["position"] == position and frame["role"] != "contact"]
        return [Told(frame["id"], self.references.get(frame["id"]), state) for frame in ours]


@pytest.fixture
async def rig(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rig]:
    async with chat_world(database, store, store_of, clock, nats_url, replicas=1) as world, world.client() as client:
        await client.next("status")
        screen = Screen(client)
        rig = ChatRig(world, client, screen)

        class Tapped:
            """The codec, and a copy of every frame that the gateways read."""

            def __getattr__(self, name: str) -> Any:
                return getattr(chat, name)

            @staticmethod
            def read(raw: str | bytes) -> chat.Incoming:
                rig.deliveries.put_nowait(Delivery(raw.encode() if isinstance(raw, str) else raw, None))
                return chat.read(raw)

        monkeypatch.setattr(chat_talk, "chat", Tapped())
        looking = asyncio.create_task(screen.look())
        yield rig
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


class TestChat(ChannelConformance):
    features = FEATURES


def _said_at_any_rate(rig: Rig, patch: pytest.MonkeyPatch) -> Rig:
    patch.setattr("services.gateways.chat.adapter.Chat.write", lambda self, intent, door, bundle, now: str(intent.id))
    return rig


class TestChatMutants(MutationConformance):
    suite = TestChat
    mutants = (
        *MUTANTS,
        Mutant(
            "the refusal of blank words",
            _said_at_any_rate,
            ("what_was_not_sent_is_said_so[refused]",),
        ),
    )
