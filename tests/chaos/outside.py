"""The outside world, in a process that no fault touches: `python -m tests.chaos.outside`.

The emulators of services/sandbox, slowed down so that calls are open when something dies, and a courier that takes each
webhook from them and delivers it three times, in random order, to whichever gateway answers, until each was accepted.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec
import uvloop
from litestar import Request, Router, get, post
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from libs.kit import http, log, postgres
from libs.kit.clock import Clock
from libs.kit.listen import Listener
from libs.kit.serve import App, serve
from services.sandbox import app as sandbox
from services.sandbox.settings import MetaSettings, Settings
from services.sandbox.state import Background

COPIES = 3
SPREAD_S = 1.2
"""The copies of a webhook leave within this time, each at a random moment."""
HANDS = 24
"""So many deliveries are under way at once; httpx becomes slow when hundreds wait for a connection."""
PATIENCE_S = 5.0
SLOWEST_S = 0.25
"""An emulator's answer is held back up to this long, half of it before anything is done and half after."""


class Taken(msgspec.Struct):
    """What the gateways accepted: how many times each item of a webhook, by its provider's id; and what is on its way.

    `webhooks` were to be delivered so far; `items` are the ids that they tell of.
    """

    webhooks: int
    items: list[str]
    accepted: dict[str, int]
    answers: dict[str, int]
    pending: int


class Count(msgspec.Struct):
    """How many webhooks were to be delivered so far, and how many deliveries are on their way."""

    webhooks: int
    pending: int


class Courier:
    """Delivers webhooks until they are taken."""

    def __init__(self, doors: Sequence[str], client: httpx.AsyncClient) -> None:
        self._doors = doors
        self._client = client
        self._background = Background()
        self._hands = asyncio.Semaphore(HANDS)
        self.webhooks = 0
        self.items: set[str] = set()
        self.accepted: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def take(self, raw: bytes, signature: str) -> None:
        self.webhooks += 1
        self.items.update(items(msgspec.json.decode(raw)))
        for _ in range(COPIES):
            self._background.start(self._deliver(raw, signature))

    @property
    def state(self) -> Taken:
        return Taken(self.webhooks, sorted(self.items), dict(self.accepted), dict(self.answers), len(self._background))

    @property
    def count(self) -> Count:
        return Count(self.webhooks, len(self._background))

    async def stop(self) -> None:
        await self._background.stop()

    async def _deliver(self, raw: bytes, signature: str) -> None:
        headers = {"content-type": "application/json", "x-hub-signature-256": signature}
        pause = random.uniform(0, SPREAD_S)
        while True:
            await asyncio.sleep(pause)
            try:
                async with self._hands:
                    door = random.choice(self._doors)
                    answer = await self._client.post(door, content=raw, headers=headers, timeout=PATIENCE_S)
            except httpx.HTTPError:
                self.answers["none"] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == 200:
                    self.accepted.update(items(msgspec.json.decode(raw)))
                    return
            pause = random.uniform(0.5, 2.0)


def items(body: dict[str, Any]) -> list[str]:
    """What a webhook tells, by the ids under which gateways keeps it."""
    values = [change["value"] for entry in body["entry"] for change in entry["changes"]]
    said = [message["id"] for value in values for message in value.get("messages", ())]
    return said + [f"{part['id']} {part['status']}" for value in values for part in value.get("statuses", ())]


def slowed(app: ASGIApp) -> ASGIApp:
    """The emulators take their time; their controls do not."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith("/sandbox/"):
            await app(scope, receive, send)
            return

        async def late(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(random.uniform(0, SLOWEST_S / 2))
            await send(message)

        await asyncio.sleep(random.uniform(0, SLOWEST_S / 2))
        await app(scope, receive, late)

    return call


def build(now: Any, courier: Courier, origin: str) -> App:
    """The emulators and the courier as one application."""
    settings = Settings(
        meta=MetaSettings(callback_url=f"{origin}/_chaos/courier", delivered_after=0.1, read_after=0.1),
        people=(),
    )
    emulators = sandbox.build(settings, now=now)

    @post("/_chaos/courier", status_code=200)
    async def take(request: Request[Any, Any, Any]) -> None:
        courier.take(await request.body(), request.headers["x-hub-signature-256"])

    @get("/_chaos/courier", sync_to_thread=False)
    def state() -> Taken:
        return courier.state

    @get("/_chaos/courier/count", sync_to_thread=False)
    def count() -> Count:
        return courier.count

    async def close() -> None:
        await courier.stop()
        if emulators.close is not None:
            await emulators.close()

    routes = Router("/", route_handlers=[*emulators.routes, take, state, count], middleware=[slowed])
    return App("outside", routes=[routes], close=close)


async def run(database_url: str, port: int, doors: Sequence[str]) -> None:
    """Serve until told to end; business time is the database's."""
    pool = await postgres.pool(database_url, size=2, name="outside")
    async with Listener(database_url, name="outside-clock") as listener, Clock.open(pool, listener) as clock:

        def now() -> datetime:
            return clock.now()

        courier = Courier(doors, http.client())
        await serve([build(now, courier, f"http://127.0.0.1:{port}")], "127.0.0.1", port)


if __name__ == "__main__":
    log.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        doors = os.environ["CHAOS_DOORS"].split(",")
        runner.run(run(os.environ["CONVERSE_DATABASE_URL"], int(os.environ["CONVERSE_PORT"]), doors))
