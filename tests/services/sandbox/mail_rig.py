"""Both ends of a mail: the gateways' own adapter over SMTP, and a business that hears what the providers post."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
from litestar import Request, Response, post

from events.base import Envelope, Recorded
from events.conversation import MessageRequested
from events.values import Body, PolicyDecision
from libs.channels import email_events
from libs.channels.email import Malformed, Progress, message_of, read_sendgrid
from libs.channels.email_form import read_form
from libs.channels.email_html import MARKER
from libs.channels.email_verify import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP, verify_sendgrid
from libs.channels.outcome import Outcome, Refused, Retry
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import http
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.serve import App
from libs.kit.store import Store
from libs.testkit.conformance.channel import Delivery, Heard, Told, Trouble
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import part, serving
from services.gateways.email.adapter import Email
from services.gateways.email.door import SANDBOX_SENDGRID_KEY, EmailDoor
from services.gateways.port import Tools
from services.gateways.settings import Settings as GatewaySettings
from services.sandbox.app import base_urls, build
from services.sandbox.settings import MailSettings, Settings

ADDRESS = "rahul@example.com"
NOW = datetime(2026, 2, 16, 5, 0, tzinfo=UTC)
TIMEOUT, HASTY = timedelta(minutes=1), timedelta(seconds=4)
"""How long an answer is waited for, and how long one that does not come."""
ROOT = UUID(int=3)
TROUBLES: dict[Trouble, dict[str, Any]] = {
    "throttled": {"refuse": "451 4.7.1 greylisted, try again later"},
    "refused": {"refuse": "550 5.1.1 no such user"},
    "server_error": {"refuse": "421 4.3.0 out of order", "at": "content"},
    "answer_lost": {"answer": "dropped"},
    "answer_garbled": {"answer": "garbled"},
    "timed_out": {"answer": "hung"},
    "fails_later": {"bounces": "blocked"},
    "statuses_scrambled": {"copies": 2, "order": "backwards"},
    "statuses_late": {"late": 2},
}
BUNDLE = compile_bundle({"settings.yaml": "channels: {email: {provider: smtp}}\n"}, {}, "development").bundle


@dataclass
class Ear:
    """Everything that the providers have posted, in order, each with its signature."""

    calls: list[Delivery] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, call: Delivery) -> None:
        async with self.arrived:
            self.calls.append(call)
            self.arrived.notify_all()

    async def until(self, number: int) -> None:
        """Wait until so many calls have come."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.calls) >= number)


@dataclass
class MailRig:
    """The adapter at one end of the wire, and what the emulator tells at the other."""

    client: httpx.AsyncClient
    adapter: Email
    hasty: Email
    door: EmailDoor
    bundle: Bundle
    ear: Ear
    malformed: type[Exception] = Malformed
    delivered: int = 0
    names: dict[UUID, str] = field(default_factory=dict)

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        request = self.adapter.write(self._asked(text, reference), self.door, self.bundle, NOW)
        assert not isinstance(request, Refused)
        prepared = await self.adapter.prepare(TENANT, request, self.door)
        assert not isinstance(prepared, Refused | Retry)
        return await self.adapter.send(prepared, self.door, 0)

    async def send_template(self, *, reference: str) -> Outcome:
        return await self.send_text("Dear Rahul, your invoice is due.", reference=reference)

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        said = {"from": ADDRESS, "text": text, "answers": quoting, "new": quoting is None, "copies": copies}
        await self.control("POST", "/inbound", said)

    async def trouble(self, trouble: Trouble) -> None:
        if trouble == "no_connection":
            self.door = replace(self.door, discovery=None, host="127.0.0.1", port=9)
        else:
            if trouble == "timed_out":
                self.adapter = self.hasty
            await self.control("POST", "/faults", TROUBLES[trouble])

    async def sent(self, reference: str) -> list[str]:
        ours = str(uuid5(ROOT, reference))
        letters = await self.control("GET", f"/messages?reference={ours}")
        return [words(letter["text"]) for letter in letters]

    async def delivery(self) -> Delivery:
        self.delivered += 1
        await self.ear.until(self.delivered)
        return self.ear.calls[self.delivered - 1]

    def verify(self, raw: bytes, signature: str | None) -> bool:
        timestamp, _, signed = (signature or "").partition(" ")
        headers = {SENDGRID_TIMESTAMP: timestamp, SENDGRID_SIGNATURE: signed}
        return verify_sendgrid(raw, headers, SANDBOX_SENDGRID_KEY)

    def read(self, raw: bytes) -> list[Told | Heard]:
        if raw.startswith(b"--"):
            boundary = raw.partition(b"\r\n")[0][2:].decode("ascii")
            mail = read_sendgrid(read_form(f"multipart/form-data; boundary={boundary}", raw))
            return [Heard(mail.id, mail.text, mail.answers)]
        return [
            Told(told.mail or "", self.names.get(told.reference) if told.reference else None, told.state)
            for told in email_events.read_sendgrid(raw)
            if isinstance(told, Progress)
        ]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Something that the emulator is asked."""
        answer = await self.client.request(method, f"/_sandbox/mail{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def _asked(self, text: str, reference: str) -> Recorded[MessageRequested]:
        id = uuid5(ROOT, reference)
        self.names[id] = reference
        assert message_of(str(id)) == id
        decision = PolicyDecision(verdict="allowed", channel="email", purpose="general", at=NOON)
        intent = MessageRequested(
            message=str(id), channel="email", to=ADDRESS, body=Body(text=text), allowed_by=decision, purpose="answer"
        )
        envelope = Envelope(
            id=id,
            type="conversation.message_requested.v1",
            source="orchestrator",
            stream="conversation-1",
            version=1,
            pos=1,
            tenant=TENANT,
            correlation_id=id,
            occurred_at=NOON,
            recorded_at=NOON,
        )
        return Recorded(intent, envelope)


def words(text: str) -> str:
    """The text of a mail without the line on top, which tells answers from quotes."""
    return text.removeprefix(f"{MARKER}\n\n").removesuffix("\n")


@asynccontextmanager
async def mail_rig(store: Store, clock: Clock) -> AsyncIterator[MailRig]:
    """The adapter and the emulator, with the tenant's keys of a real database to sign addresses with."""
    ear = Ear()

    @post(["/hook/{rest:str}"])
    async def hear(request: Request[Any, Any, Any]) -> Response[None]:
        headers = request.headers
        signature = f"{headers.get(SENDGRID_TIMESTAMP, '')} {headers.get(SENDGRID_SIGNATURE, '')}"
        await ear.take(Delivery(await request.body(), signature))
        return Response(None, status_code=200)

    async with AsyncExitStack() as stack:
        mail = MailSettings(delivered_after=0, webhook_backoff=0.01)
        emulators = build(Settings(mail=mail, people=()), now=lambda: NOW)
        origin = await stack.enter_async_context(serving(part(emulators, "mail"), App("business", [hear])))
        client = await stack.enter_async_context(http.client(origin))
        settings = GatewaySettings(sandbox_urls=base_urls(origin))
        tools = Tools(store, clock, Bundles(store, Bundle.from_json), None)
        adapter, hasty = Email(settings, tools, client, TIMEOUT), Email(settings, tools, client, HASTY)
        assert BUNDLE is not None
        rig = MailRig(client, adapter, hasty, adapter.door(BUNDLE), BUNDLE, ear)
        await rig.control("PUT", "/callback", {"url": f"{origin}/hook"})
        yield rig
