"""People who have the chat open in a browser: each with a real WebSocket to the gateways, a token, and a memory of what came."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from libs.channels import chat, chat_token
from libs.kit import ids
from libs.kit.clock import Clock
from services.sandbox.contact import CannotSpeak, Contacts
from services.sandbox.contact_script import Choice, Utterance
from services.sandbox.settings import ChatSettings
from services.sandbox.state import Background

log = structlog.get_logger(__name__)

TOKEN_LASTS = timedelta(hours=12)
AGAIN_S = 0.3
KEPT = 1000
"""Frames that a browser remembers."""

Frame = dict[str, Any]


class Visitors:
    """Everybody who has the chat open, by contact id. Who speaks opens it first, and stays."""

    def __init__(self, settings: ChatSettings, *, contacts: Contacts, background: Background) -> None:
        self._settings = settings
        self._contacts = contacts
        self._background = background
        self._browsers: dict[str, Browser] = {}
        contacts.speaks("chat", self)

    async def arrive(self) -> None:
        """Those who are there from the start open the chat."""
        for contact in self._settings.visitors:
            self.open(contact)

    def open(self, contact: str) -> "Browser":
        """This contact has the chat open from now on. Raises CannotSpeak where there is none."""
        if self._settings.origin is None:
            raise CannotSpeak("the sandbox does not know where the chat is: set SANDBOX_CHAT_ORIGIN")
        known = self._browsers.get(contact)
        if known is None:
            known = self._browsers[contact] = Browser(contact, self._settings, self._hear)
            self._background.start(known.run())
        return known

    def leave(self, contact: str) -> None:
        """This contact closes the page; what comes meanwhile is there when it is opened again."""
        if browser := self._browsers.pop(contact, None):
            browser.leave()

    def frames(self, contact: str) -> list[Frame]:
        """All that a contact's browser got since it was opened."""
        browser = self._browsers.get(contact)
        return list(browser.frames) if browser else []

    def reset(self) -> None:
        """Nobody has the chat open but those who had it at the start."""
        for contact in list(self._browsers):
            self.leave(contact)
        if self._settings.origin is not None:
            for contact in self._settings.visitors:
                self.open(contact)

    async def say(self, utterance: Utterance) -> None:
        """Returns once the gateways have stored it."""
        if utterance.file is not None:
            raise CannotSpeak("nobody can send a file in the chat")
        content, choice = utterance.text or "STOP", None
        if utterance.press is not None:
            content, choice = utterance.press.title, utterance.press.id
        answers = utterance.answers.id if utterance.answers and choice else None
        await self.open(utterance.address).say(content, choice=choice, reply_to=answers)

    def _hear(self, contact: str, line: Frame) -> None:
        choices = [Choice(each["id"], each["title"]) for each in line.get("choices", ())]
        self._contacts.hear("chat", contact, line["content"], id=line["id"], choices=choices)


class Browser:
    """A contact's page with the chat: comes back when the connection breaks, and sends until it is stored."""

    def __init__(self, contact: str, settings: ChatSettings, hear: Callable[[str, Frame], None]) -> None:
        self.frames: list[Frame] = []
        self.tells: tuple[str, ...] = ("ack", "read")
        """What it says of a line of ours, in this order."""
        self.late = 0
        """Of how many lines it says so only after it has said so of the next one."""
        self._untold: list[int] = []
        self._contact = contact
        self._settings = settings
        self._hear = hear
        self._seen = 0
        self._unanswered: list[Frame] = []
        self._unsent: dict[str, tuple[Frame, asyncio.Future[None]]] = {}
        self._socket: ClientConnection | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Keep the chat open until the contact leaves."""
        self._task = asyncio.current_task()
        while True:
            try:
                async with connect(self._address()) as socket:
                    await self._stay(socket)
            except (OSError, WebSocketException) as error:
                log.debug("the chat is not there", error=type(error).__name__)
            finally:
                self._socket = None
                self._ready.clear()
            await asyncio.sleep(AGAIN_S)

    def leave(self) -> None:
        """Close the page."""
        if self._task is not None:
            self._task.cancel()

    async def say(
        self, content: str, *, choice: str | None = None, reply_to: str | None = None, copies: int = 1
    ) -> None:
        """Write something, `copies` times under one id, once the chat is there; returns once it is stored."""
        await self._ready.wait()
        given = {"content": content, "choice": choice, "reply_to": reply_to}
        frame: Frame = {"type": "message", "id": ids.fresh().hex}
        frame |= {name: value for name, value in given.items() if value is not None}
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unsent[frame["id"]] = frame, stored
        for _ in range(copies):
            await self._send(frame)
        await stored

    async def _stay(self, socket: ClientConnection) -> None:
        async for raw in socket:
            frame: Frame = msgspec.json.decode(raw)
            self.frames = [*self.frames[1 - KEPT :], frame]
            match frame:
                case {"type": "status", "status": "caught_up"}:
                    self._socket = socket
                    self._ready.set()
                    unanswered, self._unanswered = self._unanswered, []
                    for line in unanswered:
                        self._hear(self._contact, line)
                    for unsent, _ in list(self._unsent.values()):
                        await self._send(unsent)
                case {"type": "status", "status": "stored", "id": id}:
                    _, stored = self._unsent.pop(id, (None, None))
                    if stored is not None and not stored.done():
                        stored.set_result(None)
                case {"type": "message", "position": position, "role": role}:
                    self._seen = position
                    if role == "contact":
                        self._unanswered.clear()
                        continue
                    await self._saw(socket, position)
                    if self._socket is None:  # still catching up: only what nobody has answered is news
                        self._unanswered.append(frame)
                    else:
                        self._hear(self._contact, frame)

    async def _send(self, frame: Frame) -> None:
        if self._socket is not None:
            with suppress(WebSocketException):  # what is not stored is sent again over the next connection
                await self._socket.send(msgspec.json.encode(frame).decode())

    async def _saw(self, socket: ClientConnection, position: int) -> None:
        if self.late:
            self.late -= 1
            self._untold.append(position)
            return
        for place in (position, *self._untold):
            for kind in self.tells:
                frame = chat.Ack(position=place) if kind == "ack" else chat.Reads(position=place)
                await socket.send(chat.write(frame).decode())
        self._untold.clear()

    def _address(self) -> str:
        assert self._settings.origin is not None
        expires_at = Clock().machine() + TOKEN_LASTS
        token = chat_token.mint(
            self._contact, self._settings.token_secret, tenant=self._settings.tenant, expires_at=expires_at
        )
        path = "/ws/chat" if self._settings.tenant == chat_token.DEFAULT_TENANT else f"/ws/{self._settings.tenant}/chat"
        origin = self._settings.origin.replace("http", "ws", 1)
        return f"{origin}{path}/{quote(self._contact, safe='')}?token={token}&after={self._seen}"
