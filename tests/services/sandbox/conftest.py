"""The sandbox on a real port, with a business that hears its webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Request, Response, get, post

from libs.channels import whatsapp
from libs.channels.whatsapp import Inbound, Status
from libs.kit import http
from libs.kit.serve import App, serve
from libs.testkit.servers import part
from services.sandbox.app import base_urls, build
from services.sandbox.settings import ErpSettings, MetaSettings, Settings

SECRET = "s3cret"
VERIFY_TOKEN = "verify-me"
PHONE_ID = "106540352242922"
TOKEN = "token"


@dataclass
class Clock:
    """Business time that stands still until it is moved: 16 February 2026, 10:30 in India."""

    at: datetime = datetime(2026, 2, 16, 5, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Business:
    """The business's side of the webhook: what arrived, in order. `refuses`: how many webhooks get a 503 first."""

    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)
    refuses: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, raw: bytes, signature: str | None) -> int:
        async with self.arrived:
            if self.refuses:
                self.refuses -= 1
                return 503
            self.bodies.append(raw)
            self.signatures.append(signature)
            self.arrived.notify_all()
            return 200

    @property
    def items(self) -> list[Any]:
        """Everything that the webhooks said."""
        return [item for body in self.bodies for item in whatsapp.read(body)]

    @property
    def statuses(self) -> list[Status]:
        return [item for item in self.items if isinstance(item, Status)]

    @property
    def said(self) -> list[Inbound]:
        return [item for item in self.items if isinstance(item, Inbound)]

    async def until(self, true: Callable[["Business"], bool]) -> None:
        """Wait until what arrived makes `true` so."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: true(self))


@dataclass
class Sandbox:
    """A running sandbox, and a client for it."""

    origin: str
    client: httpx.AsyncClient
    business: Business
    clock: Clock

    async def send(
        self, body: dict[str, Any], *, token: str | None = TOKEN, phone_id: str = PHONE_ID
    ) -> httpx.Response:
        """A message to the emulated Graph API."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        url = f"{base_urls(self.origin)['whatsapp']}/v26.0/{phone_id}/messages"
        return await self.client.post(url, json=body, headers=headers)

    async def text(self, text: str, *, to: str = "919876543210", reference: str = "msg_01") -> httpx.Response:
        """Free text to a contact."""
        request = whatsapp.write(whatsapp.TextMessage(text), to=to, account=PHONE_ID, reference=reference)
        assert isinstance(request, whatsapp.Request)
        return await self.send(dict(request.body))

    async def template(
        self,
        name: str = "payment_reminder",
        /,
        *,
        to: str = "919876543210",
        reference: str = "msg_01",
        **parameters: str,
    ) -> httpx.Response:
        """A template to a contact."""
        message = whatsapp.TemplateMessage(name, "en", parameters)
        request = whatsapp.write(message, to=to, account=PHONE_ID, reference=reference)
        assert isinstance(request, whatsapp.Request)
        return await self.send(dict(request.body))

    async def says(self, text: str, *, sender: str = "919876543210", **more: Any) -> str:
        """A contact says something."""
        answer = await self.control("POST", "/meta/inbound", {"from": sender, "text": text, **more})
        return str(answer["id"])

    async def fault(self, **fault: Any) -> None:
        """Something goes wrong with the next send."""
        await self.control("POST", "/meta/faults", fault)

    async def sent(self, reference: str | None = None) -> list[dict[str, Any]]:
        """What was sent over the emulated Graph API."""
        query = f"?reference={reference}" if reference else ""
        messages: list[dict[str, Any]] = await self.control("GET", "/meta/messages" + query)
        return messages

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control of the emulators, which must succeed."""
        answer = await self.client.request(method, f"/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def erp(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A call to the ERP."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, base_urls(self.origin)["backend"] + path, json=body, headers=named)


@pytest.fixture
def settings() -> Settings:
    """The sandbox's settings, for a module or class to override; waits are short."""
    meta = MetaSettings(app_secret=SECRET, delivered_after=0, read_after=0, webhook_backoff=0.01)
    return Settings(meta=meta, erp=ErpSettings())


@pytest.fixture
def business() -> Business:
    return Business()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def needed() -> tuple[str, ...]:
    """The emulators that a module talks with, for it to override: to start all takes longer. None named: all."""
    return ()


@pytest.fixture
async def sandbox(
    settings: Settings, business: Business, clock: Clock, needed: tuple[str, ...]
) -> AsyncIterator[Sandbox]:
    """A running sandbox whose webhooks go to `business`."""

    @get("/hook")
    async def shake(request: Request[Any, Any, Any]) -> Response[str]:
        answer = whatsapp.handshake(request.query_params, VERIFY_TOKEN)
        if isinstance(answer, str):
            return Response(answer, media_type="text/plain")
        return Response(answer.reason, status_code=403, media_type="text/plain")

    @post("/hook")
    async def hear(request: Request[Any, Any, Any]) -> Response[None]:
        status = await business.take(await request.body(), request.headers.get("x-hub-signature-256"))
        return Response(None, status_code=status)

    open_at: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    emulators = build(settings, now=clock.now)
    apps = [part(emulators, *needed) if needed else emulators, App("business", [shake, hear])]
    serving = asyncio.create_task(serve(apps, port=0, on_ready=open_at.set_result))
    try:
        either: list[asyncio.Future[Any]] = [serving, open_at]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # tells why it could not start
        origin = f"http://127.0.0.1:{await open_at}"
        async with http.client(origin) as client:
            running = Sandbox(origin, client, business, clock)
            await running.control("PUT", "/meta/callback", {"url": f"{origin}/hook"})
            yield running
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
