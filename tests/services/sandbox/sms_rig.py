"""Both ends of an SMS: the gateways' own adapter, and a business that hears what the emulated providers tell."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from litestar import HttpMethod, Request, Response, route

from libs.channels import sms, sms_exotel, sms_pinpoint, sms_sns
from libs.channels.outcome import Outcome, Refused
from libs.channels.sms_envelope import read as read_envelope
from libs.channels.sms_items import Inbound, Malformed, Status
from libs.config.sms import SmsOptions
from libs.kit import http
from libs.kit.serve import App
from libs.testkit.conformance.channel import RETRY_AFTER_S, Delivery, Heard, Told, Trouble
from libs.testkit.servers import part, serving
from services.gateways.settings import Settings as GatewaySettings
from services.gateways.sms import aws as sms_aws
from services.gateways.sms.adapter import Sms
from services.gateways.sms.door import AwsDoor, ExotelDoor, SmsDoor, sandbox_door
from services.sandbox.app import base_urls, build
from services.sandbox.settings import Settings, SmsSettings
from tests.services.sandbox.conftest import Clock

PHONE = "+919812345678"
NOW = datetime(2026, 2, 16, 5, 0, tzinfo=UTC)
TIMEOUT, HASTY = timedelta(minutes=1), timedelta(seconds=3)
"""How long an answer is waited for, and how long one that does not come."""
ENTITY, TEMPLATE = "1101456324585245458", "1107165432198765432"

EXOTEL_TROUBLES: dict[Trouble, dict[str, Any]] = {
    "throttled": {"refuse": "503:40405"},
    "throttled_for": {"refuse": "429:40402", "retry_after": RETRY_AFTER_S},
    "refused": {"refuse": "400:40206"},
    "server_error": {"refuse": "500:40000"},
    "answer_lost": {"answer": "dropped"},
    "answer_garbled": {"answer": "garbled"},
    "timed_out": {"answer": "hung"},
    "fails_later": {"ends": "23035"},
    "statuses_scrambled": {"copies": 2, "order": "backwards"},
    "statuses_late": {"late": 2},
    "numeric_ids": {"numeric_ids": True},
}
SNS_TROUBLES: dict[Trouble, dict[str, Any]] = {
    **EXOTEL_TROUBLES,
    "throttled": {"refuse": "Throttling"},
    "refused": {"refuse": "InvalidParameter"},
    "server_error": {"refuse": "InternalError"},
}
PINPOINT_TROUBLES: dict[Trouble, dict[str, Any]] = {
    **EXOTEL_TROUBLES,
    "throttled": {"refuse": "ThrottlingException"},
    "refused": {"refuse": "ConflictException:DESTINATION_PHONE_NUMBER_OPTED_OUT"},
    "server_error": {"refuse": "InternalServerException"},
    "fails_later": {"ends": "TEXT_CARRIER_BLOCKED"},
}
TROUBLES: Mapping[str, Mapping[Trouble, dict[str, Any]]] = {
    "exotel": EXOTEL_TROUBLES,
    "sns": SNS_TROUBLES,
    "pinpoint": PINPOINT_TROUBLES,
}


@dataclass
class Ear:
    """Everything that the providers have called, in order."""

    calls: list[bytes] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, raw: bytes) -> None:
        async with self.arrived:
            self.calls.append(raw)
            self.arrived.notify_all()

    async def until(self, number: int) -> None:
        """Wait until so many calls have come."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.calls) >= number)


@dataclass
class SmsRig:
    """The adapter at one end of the wire, and what the emulator tells at the other."""

    provider: str
    client: httpx.AsyncClient
    adapter: Sms
    hasty: Sms
    door: SmsDoor
    ear: Ear
    malformed: type[Exception] = Malformed
    numeric: bool = False
    delivered: int = 0

    async def send_text(self, text: str, *, reference: str) -> Outcome:
        return await self._send(text, reference)

    async def send_template(self, *, reference: str) -> Outcome:
        return await self._send("Dear Rahul, your invoice is due.", reference)

    async def contact_says(self, text: str, *, quoting: str | None = None, copies: int = 1) -> None:
        said = {"from": PHONE, "text": text, "provider": self.provider, "quoted": quoting, "copies": copies}
        await self.control("POST", "/inbound", said | {"numeric_ids": self.numeric})

    async def trouble(self, trouble: Trouble) -> None:
        if trouble == "no_connection":
            at = (
                {"base_url": "http://127.0.0.1:9"}
                if isinstance(self.door, ExotelDoor)
                else {"endpoint_url": "http://127.0.0.1:9"}
            )
            self.door = replace(self.door, **at)  # type: ignore[arg-type]  # each door has its own
            return
        if trouble == "timed_out":
            self.adapter = self.hasty
        self.numeric = trouble == "numeric_ids"
        await self.control("POST", "/faults", TROUBLES[self.provider][trouble])

    async def sent(self, reference: str) -> list[str]:
        """SNS keeps no id of ours: of a message that it knows only the words tell which it was."""
        messages = await self.control("GET", f"/messages?provider={self.provider}")
        if self.provider == "sns":
            return [each["text"] for each in messages]
        return [each["text"] for each in messages if each["reference"] == reference]

    async def delivery(self) -> Delivery:
        self.delivered += 1
        await self.ear.until(self.delivered)
        return Delivery(self.ear.calls[self.delivered - 1], None)

    def verify(self, raw: bytes, signature: str | None) -> bool:
        raise NotImplementedError("SMS signs fields or nothing: tests/libs/channels/test_sms_envelope.py")

    def read(self, raw: bytes) -> list[Told | Heard]:
        match self._item(raw):
            case Status() as status:
                return [Told(status.id, status.reference, status.state)]
            case Inbound() as said:
                return [Heard(said.id, said.text, said.reply_to)]
            case _:
                return []

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, f"/_sandbox/sms{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def _item(self, raw: bytes) -> Status | Inbound | None:
        if self.provider != "exotel":
            return sms_pinpoint.read(read_envelope(raw).Message, NOW)
        given = sms_exotel.fields(raw, sms_exotel.JSON if raw.startswith(b"{") else sms_exotel.FORM)
        return sms_exotel.read_status(given, NOW) if "Status" in given else sms_exotel.read_inbound(given)

    async def _send(self, text: str, reference: str) -> Outcome:
        registered = sms.Registered(entity_id=ENTITY, template_id=TEMPLATE, filled=text, variables={})
        message = sms.Message(to=PHONE, text=text, reference=reference, registered=registered)
        request: Any
        match self.door:
            case ExotelDoor(account_sid=account):
                request = sms_exotel.write(message, account_sid=account, sender="ACMECO", callback=None)
            case AwsDoor(provider="sns"):
                request = sms_sns.write(message, sender="ACMECO", max_price=None)
            case AwsDoor():
                request = sms_pinpoint.write(
                    message,
                    sender="ACMECO",
                    tenant="default",
                    configuration_set="followup",
                    max_price="0.02000",
                    ttl_seconds=3600,
                )
        assert not isinstance(request, Refused)
        return await self.adapter.send(request, self.door, 0)


@asynccontextmanager
async def sms_rig(
    provider: str, settings: SmsSettings | None = None, clock: Clock | None = None
) -> AsyncIterator[SmsRig]:
    """A running sandbox whose SMS providers call an ear."""
    ear = Ear()

    @route(
        ["/webhooks/sms", "/webhooks/sms/{secret:str}", "/webhooks/sms/{secret:str}/status"],
        http_method=[HttpMethod.GET, HttpMethod.POST],
    )
    async def hear(request: Request[Any, Any, Any]) -> Response[None]:
        await ear.take(request.scope["query_string"] if request.method == "GET" else await request.body())
        return Response(None, status_code=200)

    await asyncio.to_thread(sms_aws.warm)
    known = settings or SmsSettings(delivered_after=0, webhook_backoff=0.01)
    async with AsyncExitStack() as stack:
        sandbox = build(Settings(sms=known), now=(clock or Clock(NOW)).now)
        origin = await stack.enter_async_context(serving(part(sandbox, "sms", "contacts"), App("business", [hear])))
        client = await stack.enter_async_context(http.client(origin))
        outgoing = await stack.enter_async_context(http.client(timeout=TIMEOUT))
        impatient = await stack.enter_async_context(http.client(timeout=HASTY))
        adapter, hasty = Sms(GatewaySettings(), outgoing, TIMEOUT), Sms(GatewaySettings(), impatient, HASTY)
        stack.push_async_callback(adapter.close)
        stack.push_async_callback(hasty.close)
        door = sandbox_door(provider, base_urls(origin)["sms"], SmsOptions(sender_id="ACMECO"))
        rig = SmsRig(provider, client, adapter, hasty, door, ear)
        await rig.control("PUT", "/callback", {"url": f"{origin}/webhooks/sms"})
        yield rig
