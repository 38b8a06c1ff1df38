"""WhatsApp over Meta's Graph API: one call a message, one signed webhook for all that comes back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels import whatsapp
from libs.channels.outcome import Broken, Outcome, Refused
from libs.channels.whatsapp_items import Inbound, Item, Status
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.kit.buckets import Limits
from libs.kit.problems import Problem
from libs.kit.requests import durably
from libs.kit.serve import Loop
from services.gateways import decide
from services.gateways.desk import DEFAULT_TENANT, Desk
from services.gateways.settings import WHATSAPP, Settings, recipients_allow

log = structlog.get_logger(__name__)

GRAPH = "https://graph.facebook.com"
MAX_WEBHOOK = 3 * 1024 * 1024  # bytes; Meta's own bound


@dataclass(frozen=True, slots=True)
class WhatsAppDoor:
    """A tenant's business number: where it is called, by what right, and whom it may write to (None: anybody)."""

    mode: ChannelMode
    base_url: str
    phone_id: str
    access_token: str = field(repr=False)
    verify_token: str = field(repr=False)
    app_secret: str = field(repr=False)
    test_recipients: tuple[str, ...] | None = None

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)


def sandbox_door(base_url: str) -> WhatsAppDoor:
    """The door to the emulator of services/sandbox: what it takes and signs with is no secret of anybody's."""
    return WhatsAppDoor(
        mode="sandbox",
        base_url=base_url,
        phone_id="106540352242922",
        access_token="sandbox-access-token",  # noqa: S106 - the emulator takes any
        verify_token="sandbox-verify-token",  # noqa: S106 - whoever subscribes the emulator gives the same
        app_secret="sandbox-app-secret",  # noqa: S106 - the emulator's own, known to everybody
    )


class WhatsApp:
    """The adapter of the WhatsApp Cloud API."""

    channel = WHATSAPP
    limits = Limits(rate=80, burst=80, concurrency=40)  # messages a second of one number, in and out
    evidence = timedelta(minutes=10)

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    def door(self, bundle: Bundle) -> WhatsAppDoor:
        mode = self._settings.mode(bundle, WHATSAPP)
        if mode == "sandbox":
            return sandbox_door(self._settings.sandbox_url(WHATSAPP))
        channel = bundle.settings.channels[WHATSAPP]
        credentials = self._settings.credentials(bundle, WHATSAPP)
        return WhatsAppDoor(
            mode=mode,
            base_url=self._settings.resolved(channel.base_url) or GRAPH,
            phone_id=credentials["phone_id"],
            access_token=credentials["access_token"],
            verify_token=credentials["verify_token"],
            app_secret=credentials["app_secret"],
            test_recipients=self._settings.test_recipients(bundle, WHATSAPP),
        )

    def write(
        self, intent: Recorded[MessageRequested], door: WhatsAppDoor, bundle: Bundle, now: datetime
    ) -> whatsapp.Request | Refused:
        return request(intent, door)

    async def send(self, request: whatsapp.Request, door: WhatsAppDoor, attempt: int) -> Outcome:
        headers = {"authorization": f"Bearer {door.access_token}", "content-type": "application/json"}
        url = door.base_url.rstrip("/") + request.path
        status, answer, retry_after = await self._post(url, msgspec.json.encode(request.body), headers)
        return whatsapp.classify(status, answer, retry_after=retry_after, attempt=attempt)

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        """`GET|POST /webhooks/whatsapp` for the only tenant, `/webhooks/{tenant}/whatsapp` for several."""

        @get(["/webhooks/whatsapp", "/webhooks/{tenant:str}/whatsapp"], tags=["webhooks"], media_type="text/plain")
        async def whatsapp_handshake(
            request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT
        ) -> Response[str]:
            """Meta's handshake: answers the challenge where the verify token is right."""
            door = await desk.door(tenant, self.door)
            return handshake(dict(request.query_params), door.verify_token)

        @post(
            ["/webhooks/whatsapp", "/webhooks/{tenant:str}/whatsapp"],
            status_code=200,
            tags=["webhooks"],
            request_max_body_size=MAX_WEBHOOK,
        )
        async def whatsapp_webhook(
            request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT
        ) -> Response[None]:
            """Messages and statuses, signed by Meta; 200 means that all of them are stored."""
            door = await desk.door(tenant, self.door)
            items = read(await request.body(), request.headers.get("x-hub-signature-256"), door)
            await durably(asyncio.gather(*(_take(desk, tenant, item) for item in items)))
            return Response(None, status_code=200)

        return [whatsapp_handshake, whatsapp_webhook]

    def loops(self) -> Sequence[Loop]:
        return ()

    async def close(self) -> None:
        """The HTTP client is shared, and the service's."""

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | Broken, bytes, float | None]:
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return "not_connected", b"", None
        except httpx.RequestError:
            return "no_answer", b"", None
        return answer.status_code, answer.content, _seconds(answer.headers.get("retry-after"))


def request(intent: Recorded[MessageRequested], door: WhatsAppDoor) -> whatsapp.Request | Refused:
    """The call that says it; our message id travels along and comes back in every status."""
    event = intent.event
    body = event.body
    said: whatsapp.TextMessage | whatsapp.TemplateMessage
    if body.template_name is None:
        said = whatsapp.TextMessage(body.text)
    else:
        positional = all(name.isdigit() for name in body.variables)
        values = tuple(body.variables.values()) if positional else body.variables
        said = whatsapp.TemplateMessage(body.template_name, body.language or "en", values)
    return whatsapp.write(said, to=event.to, account=door.phone_id, reference=str(intent.id), reply_to=event.reply_to)


def handshake(query: Mapping[str, str], verify_token: str) -> Response[str]:
    """The challenge, or 403."""
    challenge = whatsapp.handshake(query, verify_token)
    if isinstance(challenge, Refused):
        raise Problem(403, "The handshake failed", challenge.reason)
    return Response(challenge, media_type="text/plain")


def read(raw: bytes, signature: str | None, door: WhatsAppDoor) -> Sequence[Item]:
    """Everything that a webhook tells. Raises Problem 401 for a wrong signature, 400 or 422 for a wrong shape."""
    if not whatsapp.verify(raw, signature, door.app_secret):
        Desk.refuse(WHATSAPP, "signature")
        raise Problem(401, "The signature is wrong", "X-Hub-Signature-256 must sign the raw body")
    try:
        return whatsapp.read(raw)
    except whatsapp.Malformed as malformed:
        Desk.refuse(WHATSAPP, "shape")
        raise Problem(
            400 if malformed.problem.startswith("must be JSON") else 422,
            "The webhook has the wrong shape",
            str(malformed),
            errors=[{"in": "body", "path": malformed.path, "message": malformed.problem}],
        ) from malformed


async def _take(desk: Desk, tenant: str, item: Item) -> None:
    match item:
        case Inbound():
            digest = await desk.digest(tenant, WHATSAPP, decide.address_of(item))
            await desk.take(tenant, WHATSAPP, item.id, decide.received(item, digest))
        case Status():
            await desk.take(tenant, WHATSAPP, f"{item.id} {item.state}", decide.status_received(item))
        case _:
            desk.count(WHATSAPP, type(item).__name__.lower())
            log.info("a webhook told something that is not a message", item=type(item).__name__)


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; a date is left to our own backoff."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
