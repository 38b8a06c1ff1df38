"""The chat keeps what every channel promises: the gateways at one end of a real WebSocket, an emulated browser at the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from events.message import Rejected
from libs.channels import chat
from libs.channels.outcome import Accepted, Outcome, Refused
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.conformance.channel import ChannelConformance, Delivery, Features, Heard, Rig, Told, Trouble
from libs.testkit.nouns import PRIYA, TENANT
from libs.testkit.servers import StoreOf
from services.gateways import chat_talk
from services.sandbox.chat import Browser, Visitors
from services.sandbox.contact import Contacts
from services.sandbox.contact_people import SILENT
from services.sandbox.settings import ChatSettings
from services.sandbox.state import Background
from tests.libs.kit.effects_world import until
from tests.services.gateways.chat_world import ChatWorld, chat_world

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


@dataclass
class ChatRig:
    """Speaks as the orchestrator does, hears the frames that the gateways get from the browser."""

    world: ChatWorld
    browser: Browser
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
        await self.browser.say(text, reply_to=quoting, copies=copies)

    async def trouble(self, trouble: Trouble) -> None:
        match trouble:
            case "refused":
                self.wordless = True
            case "statuses_scrambled":
                self.browser.tells = ("read", "ack", "read", "ack")
            case "statuses_late":
                self.browser.late = 1
            case _:
                raise NotImplementedError(trouble)

    async def sent(self, reference: str) -> list[str]:
        known = [id for id, each in self.references.items() if each == reference]
        if self.wordless:
            return [frame["content"] for frame in self.lines if frame["id"] in known]
        return await until(lambda: self._shown(known))

    async def _shown(self, known: list[str]) -> list[str]:
        return [frame["content"] for frame in self.lines if frame["id"] in known]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [frame for frame in self.browser.frames if frame["type"] == "message"]

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
        ids = [frame["id"] for frame in self.lines if frame["position"] == position and frame["role"] != "contact"]
        return [Told(id, self.references.get(id), state) for id in ids]


class TestChat(ChannelConformance):
    features = FEATURES

    @pytest.fixture
    async def rig(
        self,
        database: str,
        store: Store,
        store_of: StoreOf,
        clock: Clock,
        nats_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> AsyncIterator[Rig]:
        async with chat_world(database, store, store_of, clock, nats_url, replicas=1) as world:
            background = Background()
            contacts = Contacts((), anyone=SILENT, background=background)
            visitors = Visitors(ChatSettings(origin=world.origins[0]), contacts=contacts, background=background)
            rig = ChatRig(world, visitors.open(PRIYA))

            class Tapped:
                """The codec, and a copy of every frame that the gateways read."""

                def __getattr__(self, name: str) -> Any:
                    return getattr(chat, name)

                @staticmethod
                def read(raw: str | bytes) -> chat.Incoming:
                    rig.deliveries.put_nowait(Delivery(raw.encode() if isinstance(raw, str) else raw, None))
                    return chat.read(raw)

            monkeypatch.setattr(chat_talk, "chat", Tapped())
            yield rig
            await background.stop()
