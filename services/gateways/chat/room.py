"""Who is in the chat on this replica: each connection with what it has seen, what waits for it, and why it ends."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from libs.channels import chat
from libs.kit import telemetry
from libs.kit.failures import passes
from services.gateways.chat.lines import FIRST, PAGE, Lines

log = structlog.get_logger(__name__)

SLOW_S = 10.0
"""So long a client may take to read what was sent, before it is told to come back."""
FAREWELL_S = 20.0
"""So long a slow client may take to read that it should come back."""
AGAIN_S = 1.0
ANSWERS = 64
"""Answers to a client's frames that may wait for it."""
PASSING = 32
"""Drafts and signs that may wait for it; of each only the newest."""
TABS = 20
"""Connections that one contact may have on a replica."""

_TABS = telemetry.gauge("chat_connections", "Connections of contacts that are open.")
_CLOSED = telemetry.counter("chat_closed", "Connections that we closed, by code.", "code")
_LINES = telemetry.counter("chat_lines_sent", "Lines written to connections.")

Send = Callable[[bytes], Awaitable[None]]
Close = Callable[[int, str], Awaitable[None]]


class TooSlow(Exception):
    """The client has not read what was sent."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """Why we close a connection."""

    code: int
    reason: str


class Tab:
    """One connection of a contact. Lines are read from the log as fast as the client takes them: nothing piles up here."""

    __slots__ = ("_answers", "_caught_up", "_passing", "_wake", "contact", "farewell", "seen", "tenant")

    def __init__(self, tenant: str, contact: str, seen: int | None) -> None:
        self.tenant = tenant
        self.contact = contact
        self.seen = seen
        """The position of the last line that was written; None: the newest FIRST are wanted."""
        self.farewell: Farewell | None = None
        self._caught_up = False
        self._wake = asyncio.Event()
        self._wake.set()
        self._answers: deque[bytes] = deque()
        self._passing: dict[str, bytes] = {}

    @property
    def place(self) -> str:
        return chat.place(self.tenant, self.contact)

    def wake(self) -> None:
        """There may be new lines."""
        self._wake.set()

    def answer(self, frame: chat.Frame) -> None:
        """Tell the client something about its own frame; one that does not listen to the answers is closed."""
        if len(self._answers) >= ANSWERS:
            self.leave(chat.TOO_SLOW, "too many answers wait to be read")
            return
        self._answers.append(chat.write(frame))
        self._wake.set()

    def show(self, frame: chat.Passing, raw: bytes) -> None:
        """Tell the client something that is no state: the newest of its kind replaces what still waits."""
        key = frame.id if isinstance(frame, chat.Drafted | chat.Retracted) else frame.__struct_config__.tag
        self._passing.pop(str(key), None)
        if len(self._passing) < PASSING:
            self._passing[str(key)] = raw
        self._wake.set()

    def leave(self, code: int, reason: str) -> None:
        """Close the connection soon; the first reason counts."""
        self.farewell = self.farewell or Farewell(code, reason)
        self._wake.set()

    async def write(self, lines: Lines, send: Send, close: Close) -> None:
        """Write to the client until it has to leave; then say why, and return."""
        while self.farewell is None:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_all(lines, send)
            except TooSlow:
                self.leave(chat.TOO_SLOW, "reading takes too long: connect again and catch up")
        _CLOSED.labels(self.farewell.code).inc()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await close(self.farewell.code, self.farewell.reason)

    async def _write_all(self, lines: Lines, send: Send) -> None:
        while self._answers:
            await _patiently(send, self._answers.popleft())
        page = PAGE
        while page == PAGE and self.farewell is None:
            try:
                new = await self._new(lines)
            except Exception as error:
                if not passes(error):
                    raise
                log.info("the chat cannot be read now", error=type(error).__name__)
                asyncio.get_running_loop().call_later(AGAIN_S, self.wake)
                return
            for line in new:
                await _patiently(send, chat.write(line))
                self.seen = line.position
            _LINES.inc(len(new))
            page = len(new)
        if not self._caught_up:
            self._caught_up = True
            await _patiently(send, chat.write(chat.Status(status="caught_up", position=self.seen)))
        passing, self._passing = self._passing, {}
        for raw in passing.values():
            await _patiently(send, raw)

    async def _new(self, lines: Lines) -> list[chat.Line]:
        if not self._caught_up:
            last = await lines.last(self.tenant, self.contact)
            if self.seen is None or self.seen > last:
                self.seen = max(0, last - FIRST)
        return await lines.after(self.tenant, self.contact, self.seen or 0)


async def _patiently(send: Send, raw: bytes) -> None:
    try:
        async with asyncio.timeout(SLOW_S):
            await send(raw)
    except TimeoutError as error:
        raise TooSlow from error


class Rooms:
    """Every connection on this replica, by the place that it is in."""

    def __init__(self) -> None:
        self._tabs: dict[str, set[Tab]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._tabs.values()))

    def __contains__(self, room: tuple[str, str]) -> bool:
        return chat.place(*room) in self._tabs

    @property
    def occupied(self) -> list[tuple[str, str]]:
        """Tenant and contact of every room in which somebody is."""
        return [(tab.tenant, tab.contact) for tabs in self._tabs.values() for tab in list(tabs)[:1]]

    def join(self, tab: Tab) -> bool:
        """True for the first connection of a contact here."""
        tabs = self._tabs.setdefault(tab.place, set())
        if len(tabs) >= TABS:
            tab.leave(chat.TOO_MANY, f"a contact has at most {TABS} connections")
        tabs.add(tab)
        _TABS.inc()
        return len(tabs) == 1

    def part(self, tab: Tab) -> bool:
        """True when the last connection of a contact is gone from here."""
        tabs = self._tabs.get(tab.place, set())
        tabs.discard(tab)
        _TABS.dec()
        if not tabs:
            self._tabs.pop(tab.place, None)
        return not tabs

    def hear(self, payload: str | None) -> None:
        """Postgres tells of a new line, or what to tell in a room; None: that we may have missed something."""
        if payload is None:
            for tab in self._everybody():
                tab.wake()
            return
        place, _, told = payload.partition(" ")
        if frame := chat.passing(told.encode()):
            self.show(place, frame)
            return
        for tab in self._tabs.get(place, ()):
            tab.wake()

    def show(self, place: str, frame: chat.Passing) -> None:
        """Tell everybody in a room something that is no state."""
        tabs = self._tabs.get(place)
        if tabs:
            raw = chat.write(frame)
            for tab in tabs:
                tab.show(frame, raw)

    def close(self, code: int, reason: str) -> None:
        """Everybody has to leave."""
        for tab in self._everybody():
            tab.leave(code, reason)

    def _everybody(self) -> Iterable[Tab]:
        return [tab for tabs in self._tabs.values() for tab in tabs]
