"""People in the web chat: each has a browser tab, a client of our own WebSocket, that hears, answers and reconnects."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import structlog
from litestar import Router, delete, get, post
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from libs.channels import chat, chat_token
from libs.kit.clock import Clock
from services.sandbox.contact import CannotSpeak, Contacts
from services.sandbox.contact_script import Choice, Utterance
from services.sandbox.settings import ChatSettings
from services.sandbox.state import Background

log = structlog.get_logger(__name__)

TOKEN_LASTS = timedelta(hours=1)
AGAIN_S = 0.2
PATIENCE_S = 10.0
FOR_GOOD = frozenset({chat.UNAUTHORIZED, chat.FORBIDDEN, chat.NOT_FOUND})
"""Close codes after which a client does not come back by itself."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A line as a contact saw it. `streamed`: it was read while it was being written."""

    contact: str
    position: int
    id: str
    role: str
    text: str
    choices: list[str]
    streamed: bool


class Tab:
    """One contact's tab: connected as long as it is open."""

    def __init__(self, contact: str) -> None:
        self.contact = contact
        self.lines: list[Shown] = []
        self.stored: set[str] = set()
        self.changed = asyncio.Condition()
        self.socket: ClientConnection | None = None
        self.refused: int | None = None
        self.task: asyncio.Task[None] | None = None
        self._drafts: set[str] = set()

    @property
    def position(self) -> int:
        """Where it has read up to."""
        return self.lines[-1].position if self.lines else 0

    def see(self, frame: dict[str, Any]) -> Shown | None:
        """Take a frame in; the line, where it is one that was not shown before."""
        match frame:
            case {"type": "draft", "id": draft}:
                self._drafts.add(draft)
            case {"type": "status", "status": "stored", "id": id}:
                self.stored.add(id)
            case {"type": "message", "position": position} if position > self.position:
                choices = [each["title"] for each in frame.get("choices", ())]
                shown = Shown(
                    contact=self.contact,
                    position=position,
                    id=frame["id"],
                    role=frame["role"],
                    text=frame["content"],
                    choices=choices,
                    streamed=frame.get("draft") in self._drafts,
                )
                self.lines.append(shown)
                return shown
        return None


class ChatTabs:
    """All open tabs, and the mouth of the channel. A tab opens when somebody speaks in the chat, or is told to."""

    def __init__(self, settings: ChatSettings, *, contacts: Contacts, background: Background) -> None:
        self._settings = settings
        self._contacts = contacts
        self._background = background
        self._clock = Clock()
        self._tabs: dict[str, Tab] = {}
        contacts.speaks("chat", self)

    def reset(self) -> None:
        """Every tab is closed, and nobody has seen anything."""
        for tab in self._tabs.values():
            if tab.task is not None:
                tab.task.cancel()
        self._tabs.clear()

    async def open(self, contact: str) -> Tab:
        """The contact's tab, connected. Raises CannotSpeak."""
        if self._settings.url is None:
            raise CannotSpeak("the sandbox knows no chat: SANDBOX_CHAT_URL says where its WebSocket is")
        tab = self._tabs.setdefault(contact, Tab(contact))
        if tab.task is None or tab.task.done():
            tab.refused = None
            tab.task = self._background.task(self._stay(tab, self._settings.url))
        await self._until(tab, lambda: tab.socket is not None or tab.refused is not None)
        if tab.socket is None:
            raise CannotSpeak(f"the chat let nobody in: close code {tab.refused}")
        return tab

    async def close(self, contact: str) -> None:
        """The contact leaves; what is written meanwhile is caught up with when the tab opens again."""
        tab = self._tabs.get(contact)
        if tab is not None and tab.task is not None:
            tab.task.cancel()
            await asyncio.wait([tab.task])

    async def say(self, utterance: Utterance) -> None:
        """Send it, and once more after a broken connection, until it is stored."""
        if utterance.file is not None:
            raise CannotSpeak("the chat takes no files")
        pressed = utterance.press
        text = pressed.title if pressed else "STOP" if utterance.unsubscribe else utterance.text or ""
        said = chat.Said(content=text, id=f"c-{secrets.token_hex(8)}", choice=pressed.id if pressed else None)
        while True:
            tab = await self.open(utterance.address)
            with suppress(ConnectionClosed, TimeoutError):
                await self._send(tab, said)
                return

    async def _send(self, tab: Tab, said: chat.Said) -> None:
        """Return when it is stored."""
        if tab.socket is not None:
            await tab.socket.send(chat.write(said).decode())
        await self._until(tab, lambda: said.id in tab.stored)

    def shown(self, contact: str | None, role: str | None) -> Sequence[Shown]:
        """The lines that were seen, of one contact and of one role where asked."""
        tabs = [each for each in self._tabs.values() if contact in (None, each.contact)]
        return [line for tab in tabs for line in tab.lines if role in (None, line.role)]

    async def _stay(self, tab: Tab, url: str) -> None:
        """Connect, read until the connection ends, and connect again, until the tab is closed or let in no more."""
        while tab.refused is None:
            token = chat_token.mint(
                tab.contact, self._settings.token_secret, expires_at=self._clock.machine() + TOKEN_LASTS
            )
            address = f"{url}/ws/chat/{quote(tab.contact, safe='')}?token={token}&after={tab.position}"
            try:
                async with connect(address) as socket:
                    await self._read(tab, socket)
            except (OSError, WebSocketException) as error:
                log.debug("a chat was cut", error=type(error).__name__)
            finally:
                tab.socket = None
            await asyncio.sleep(AGAIN_S)

    async def _read(self, tab: Tab, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                frame = msgspec.json.decode(raw)
                line = tab.see(frame)
                if frame["type"] == "status" and frame["status"] == "caught_up":
                    tab.socket = socket
                if line is not None:
                    await socket.send(chat.write(chat.Ack(position=line.position)).decode())
                    await socket.send(chat.write(chat.Reads(position=line.position)).decode())
                    self._hear(line, frame)
                async with tab.changed:
                    tab.changed.notify_all()
        finally:
            if socket.close_code in FOR_GOOD:
                tab.refused = socket.close_code
            async with tab.changed:
                tab.changed.notify_all()

    def _hear(self, line: Shown, frame: dict[str, Any]) -> None:
        if line.role == "contact":
            return
        choices = [Choice(each["id"], each["title"]) for each in frame.get("choices", ())]
        self._contacts.hear("chat", line.contact, line.text, id=line.id, choices=choices)

    async def _until(self, tab: Tab, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), tab.changed:
            await tab.changed.wait_for(true)


def controls(tabs: ChatTabs) -> Router:
    """What a test or a demo asks of the tabs."""

    @post("/{contact:str}/open")
    async def open_tab(contact: FromPath[str]) -> dict[str, int]:
        """The contact opens the page; lines up to the answer's position were shown."""
        try:
            tab = await tabs.open(contact)
        except (CannotSpeak, TimeoutError) as error:
            raise ValidationException(str(error) or "the chat does not answer") from error
        return {"position": tab.position}

    @delete("/{contact:str}/open", status_code=200)
    async def close_tab(contact: FromPath[str]) -> dict[str, str]:
        await tabs.close(contact)
        return {"status": "closed"}

    @get("/messages", sync_to_thread=False)
    def messages(
        to: FromQuery[str | None] = None, role: FromQuery[Literal["contact", "agent", "operator"] | None] = None
    ) -> Sequence[Shown]:
        """The lines that were seen, oldest first."""
        return tabs.shown(to, role)

    return Router("/_sandbox/chat", route_handlers=[open_tab, close_tab, messages], include_in_schema=False)
