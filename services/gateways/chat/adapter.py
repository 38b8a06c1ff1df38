"""Chat over our own WebSocket: what the log holds is read to whoever is there, and what they write is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from litestar import WebSocket, websocket
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels import chat, chat_token
from libs.channels.outcome import Accepted, Outcome, Refused
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.kit import ids
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.buckets import Limits
from libs.kit.bus import Bus, BusAway
from libs.kit.clock import Clock
from libs.kit.failures import passes
from libs.kit.problems import Problem
from libs.kit.serve import Loop
from libs.kit.store import Store
from services.gateways.chat import lines as chat_lines
from services.gateways.chat.page import pages
from services.gateways.chat.room import Rooms, Tab
from services.gateways.chat.talk import Talk
from services.gateways.desk import Desk
from services.gateways.settings import CHAT, Settings, recipients_allow

log = structlog.get_logger(__name__)

AnySocket = WebSocket[Any, Any, Any]

AGAIN_S = 1.0
PRESENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class ChatDoor:
    """A tenant's chat: what signs its tokens, from which web pages it may be opened (None: from any), and for whom."""

    mode: ChannelMode
    token_secret: str = field(repr=False)
    allowed_origins: frozenset[str] | None = None
    test_recipients: tuple[str, ...] | None = None

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)


class NotAdmitted(Exception):
    """The connection may not stay; `code` is the WebSocket's close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Chat:
    """The adapter of the chat. Being accepted means being in the log: from there each replica reads it to the contact."""

    channel = CHAT
    limits = Limits(rate=500, burst=500, concurrency=200)
    evidence = None

    def __init__(self, settings: Settings, *, store: Store, bus: Bus, clock: Clock) -> None:
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._replica = ids.fresh().hex[:8]
        self._rooms = Rooms()
        self._lines = chat_lines.Lines(store)
        self._undo = store.listener.on(chat_lines.CHANNEL, self._rooms.hear)

    def door(self, bundle: Bundle) -> ChatDoor:
        mode = self._settings.mode(bundle, CHAT)
        origins = bundle.settings.channels[CHAT].options.get("allowed_origins")
        secret = chat_token.SANDBOX_SECRET
        if mode == "live":
            secret = self._settings.credentials(bundle, CHAT)["token_secret"]
        return ChatDoor(
            mode=mode,
            token_secret=secret,
            allowed_origins=frozenset(origins) if origins is not None else None,
            test_recipients=self._settings.test_recipients(bundle, CHAT) if mode == "live" else None,
        )

    def write(self, intent: Recorded[MessageRequested], door: ChatDoor, bundle: Bundle, now: datetime) -> str | Refused:
        """The reference under which clients know the message: our own id."""
        body = intent.event.body
        if not body.text.strip() and not body.choices:
            return Refused(code=0, reason="a message without words cannot be shown", scope="message")
        return str(intent.id)

    async def send(self, request: str, door: ChatDoor, attempt: int) -> Outcome:
        return Accepted(request)

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        """`/ws/chat/{contact_id}` for the only tenant, `/ws/{tenant}/chat/{contact_id}` for several, and the widget."""

        @websocket(["/ws/chat/{contact_id:str}", "/ws/{tenant:str}/chat/{contact_id:str}"])
        async def talk(socket: AnySocket, contact_id: FromPath[str], tenant: FromPath[str] = DEFAULT_TENANT) -> None:
            await socket.accept()
            try:
                entry = await self._admit(socket, desk, tenant, contact_id)
            except NotAdmitted as no:
                log.info("a chat was not opened", code=no.code, reason=no.reason)
                await socket.close(no.code, no.reason)
                return
            tab = Tab(tenant, contact_id, _position(socket.query_params.get("after")))
            await self._stay(socket, desk, tab, entry)

        return [talk, *pages(desk, self.door, self._clock)]

    def loops(self) -> Sequence[Loop]:
        return (Loop("chat signals", self._hear_signals), Loop("chat presence", self._tell_presence))

    def drain(self) -> None:
        """The clients reconnect elsewhere, and catch up there."""
        self._rooms.close(chat.RESTART, "this server is going: connect again and catch up")

    async def close(self) -> None:
        self._undo()
        await self._lines.close()

    async def _admit(self, socket: AnySocket, desk: Desk, tenant: str, contact: str) -> chat_token.Entry:
        """Who comes in. Raises NotAdmitted."""
        try:
            door = await desk.door(tenant, self.door)
        except Problem as nothing:
            raise NotAdmitted(chat.NOT_FOUND, "there is no chat here") from nothing
        origin = socket.headers.get("origin")
        if door.allowed_origins is not None and origin is not None and origin not in door.allowed_origins:
            raise NotAdmitted(chat.FORBIDDEN, "the chat may not be opened from this origin")
        token = socket.query_params.get("token") or ""
        try:
            entry = chat_token.verify(
                token, door.token_secret, contact=contact, tenant=tenant, now=self._clock.machine()
            )
        except chat_token.BadToken as bad:
            raise NotAdmitted(chat.UNAUTHORIZED, str(bad)) from bad
        if not door.may_write_to(contact):
            raise NotAdmitted(chat.FORBIDDEN, "the contact is none of the channel's test recipients")
        return entry

    async def _stay(self, socket: AnySocket, desk: Desk, tab: Tab, entry: chat_token.Entry) -> None:
        """Read and write until the client goes, or has to."""
        left = (entry.expires_at + chat_token.LEEWAY - self._clock.machine()).total_seconds()
        expiry = asyncio.get_running_loop().call_later(left, tab.leave, chat.UNAUTHORIZED, "the token has expired")
        published = asyncio.Event()
        undo = desk.store.listener.on("bundle", lambda _: published.set())
        admitting = asyncio.create_task(self._admit_again(socket, desk, tab, published), name="chat-admits-again")
        talk = Talk(tab, desk, self._lines, self._bus, self.door)
        if self._rooms.join(tab):
            await self._presence(tab.tenant, tab.contact, there=True)
        work = [
            asyncio.create_task(talk.read(socket), name="chat-read"),
            asyncio.create_task(
                tab.write(self._lines, lambda raw: _send(socket, raw), socket.close), name="chat-write"
            ),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            expiry.cancel()
            undo()
            for each in (admitting, *work):
                each.cancel()
            ended = await asyncio.gather(admitting, *work, return_exceptions=True)
            if self._rooms.part(tab):
                await self._presence(tab.tenant, tab.contact, there=False)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, OSError):  # a client that is gone is an OSError
                raise error

    async def _admit_again(self, socket: AnySocket, desk: Desk, tab: Tab, published: asyncio.Event) -> None:
        """A published bundle holds for who is here too: whom it would not let in has to go."""
        while True:
            await published.wait()
            published.clear()
            try:
                await self._admit(socket, desk, tab.tenant, tab.contact)
            except NotAdmitted as no:
                tab.leave(no.code, no.reason)
            except Exception as error:
                if not passes(error):
                    raise
                published.set()
                await asyncio.sleep(AGAIN_S)

    async def _presence(self, tenant: str, contact: str, *, there: bool) -> None:
        frame = chat.Presence(who="contact", there=there, by=self._replica)
        await self._bus.signal(chat.from_contact(tenant, contact), chat.write(frame))

    async def _tell_presence(self) -> None:
        """Say again and again who is here: signals may be lost, and so may we. One by one, spread over the round."""
        while True:
            occupied = self._rooms.occupied
            if not occupied:
                await asyncio.sleep(PRESENCE_S)
            for room in occupied:
                await asyncio.sleep(PRESENCE_S / len(occupied))
                if room in self._rooms:
                    await self._presence(*room, there=True)

    async def _hear_signals(self) -> None:
        """Pass drafts and signs of life on to whoever is in that room here."""
        prefix = len(chat.TO_CONTACTS) - 1

        def hear(subject: str, body: bytes) -> None:
            if frame := chat.passing(body):
                self._rooms.show(subject[prefix:], frame)

        stop = None
        while stop is None:
            await self._bus.until_connected()
            try:
                stop = await self._bus.listen(chat.TO_CONTACTS, hear)
            except BusAway:
                continue
        try:
            await asyncio.Event().wait()
        finally:
            await stop()


async def _send(socket: AnySocket, raw: bytes) -> None:
    await socket.send_text(raw.decode())


def _position(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
