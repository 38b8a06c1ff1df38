"""What a client sends: messages are stored once and answered, positions become states of our messages, the rest is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from litestar import WebSocket

from events.inbound import Received
from libs.channels import chat
from libs.config.bundle import Bundle
from libs.kit import ids, telemetry
from libs.kit.bus import Bus
from libs.kit.failures import passes
from libs.kit.problems import Problem
from services.gateways.chat import facts as chat_facts
from services.gateways.chat.lines import Lines
from services.gateways.chat.room import Tab
from services.gateways.desk import Desk, findable
from services.gateways.settings import CHAT

log = structlog.get_logger(__name__)

BURST = 20
"""Frames that a client may send at once."""
RATE = 5.0
"""Frames a second that it may go on sending."""

_FRAMES = telemetry.counter("chat_frames", "Frames that clients sent, by what they were.", "kind")


@dataclass(slots=True)
class Allowance:
    """How much a client may still send: a token bucket."""

    tokens: float = BURST
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether one more frame is allowed at `now` (seconds of any clock that only goes forward)."""
        self.tokens = min(BURST, self.tokens + (now - self.at) * RATE) if self.at else BURST
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Talk:
    """One client's side of the conversation."""

    def __init__(self, tab: Tab, desk: Desk, lines: Lines, bus: Bus, door_of: Callable[[Bundle], Any]) -> None:
        self._tab = tab
        self._desk = desk
        self._lines = lines
        self._bus = bus
        self._door_of = door_of
        self._digest: str | None = None
        self._allowance = Allowance()
        self._told = {"delivered": 0, "read": 0}

    async def read(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Take the client's frames, one after the other, until it goes."""
        if self._tab.seen:  # what it has seen has arrived, even if it could not say so any more
            await self._guarded(chat.Ack(position=self._tab.seen))
        now = asyncio.get_running_loop().time
        while True:
            event: dict[str, Any] = dict(await socket.receive())
            if event["type"] == "websocket.disconnect":
                return
            raw: str | bytes = event.get("text") or event.get("bytes") or b""
            if not self._allowance.take(now()):
                self._refuse("slow_down", f"at most {RATE:g} frames a second, {BURST} at once", _id_of(raw))
                continue
            try:
                frame = chat.read(raw)
            except chat.Malformed as malformed:
                self._refuse(malformed.code, str(malformed), malformed.id)
                continue
            _FRAMES.labels(str(frame.__struct_config__.tag)).inc()
            await self._guarded(frame)

    async def _guarded(self, frame: chat.Incoming) -> None:
        try:
            await self._take(frame)
        except Problem as off:
            self._tab.leave(chat.NOT_FOUND, off.title)
        except Exception as error:
            if not passes(error):
                raise
            log.info("a frame cannot be taken now", error=type(error).__name__)
            self._refuse("try_again", "this cannot be stored now", frame.id if isinstance(frame, chat.Said) else None)

    async def _take(self, frame: chat.Incoming) -> None:
        match frame:
            case chat.Said():
                await self._store(frame)
            case chat.Ack(position=position):
                await self._reached(position, "delivered")
            case chat.Reads(position=position):
                await self._reached(position, "read")
            case chat.Types():
                subject = chat.from_contact(self._tab.tenant, self._tab.contact)
                await self._bus.signal(subject, chat.write(frame))
            case chat.Ping():
                self._tab.answer(chat.Pong())
            case chat.Pong():
                pass

    async def _store(self, said: chat.Said) -> None:
        """Durable, once for each id, before the client hears of it."""
        tenant, contact = self._tab.tenant, self._tab.contact
        await self._desk.door(tenant, self._door_of)  # the channel may have been switched off
        if self._digest is None:
            self._digest = await self._desk.digest(tenant, CHAT, contact)
        id = said.id or ids.fresh().hex
        fact = chat_facts.received(said, id, contact, self._digest, self._desk.clock.now())
        if not await self._desk.take(tenant, CHAT, f"{contact}/{id}", fact) and await self._is_another(fact, id):
            self._refuse("malformed", "another message had this `id`: give each its own, for ever", id)
            return
        self._tab.answer(chat.Status(status="stored", id=id))

    async def _is_another(self, said: Received, id: str) -> bool:
        """Whether what is kept under this id says something else: telling its sender that this is stored would lose it."""
        stream = Desk.stream(CHAT, f"{self._tab.contact}/{id}")
        kept = (await self._desk.store.read_stream(self._tab.tenant, stream))[0].event
        return isinstance(kept, Received) and (kept.text, kept.choice) != (said.text, findable(said).choice)

    async def _reached(self, position: int, state: str) -> None:
        """Everything up to a position has arrived, or was looked at."""
        if position <= self._told[state]:
            return
        tenant = self._tab.tenant
        news = await self._lines.outstanding(tenant, self._tab.contact, position, chat_facts.STATUS_OF[state])
        now = self._desk.clock.now()
        await asyncio.gather(
            *(
                self._desk.take(tenant, CHAT, f"{message} {state}", chat_facts.status(message, state, now))
                for message in news
            )
        )
        self._told[state] = position

    def _refuse(self, code: chat.ErrorCode, detail: str, id: str | None = None) -> None:
        Desk.refuse(CHAT, code)
        self._tab.answer(chat.Error(code=code, detail=detail, id=id))


def _id_of(raw: str | bytes) -> str | None:
    """The id of a message that is not even looked at, so that its sender knows which to send again."""
    try:
        frame = chat.read(raw)
    except chat.Malformed:
        return None
    return frame.id if isinstance(frame, chat.Said) else None
