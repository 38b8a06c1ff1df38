"""The providers' webhooks: verified on raw bytes, read, stored, and only then acknowledged."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from events.base import Cause, Draft, Event
from libs.channels import whatsapp
from libs.channels.outcome import Refused
from libs.channels.whatsapp_items import Inbound, Item, Status
from libs.kit import ids, telemetry
from libs.kit.bundles import NothingPublished
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.requests import durably
from libs.kit.store import Store, StreamMoved
from services.gateways import decide
from services.gateways.handle import Bundles
from services.gateways.settings import WHATSAPP, ChannelOff, Settings, WhatsAppDoor, whatsapp_door

log = structlog.get_logger(__name__)

SOURCE = "gateways"
DEFAULT_TENANT = "default"
MAX_WEBHOOK = 3 * 1024 * 1024  # bytes; Meta's own bound

_RECEIVED = telemetry.counter("webhook_items", "What webhooks told, by kind.", "channel", "kind")
_REFUSED = telemetry.counter("webhooks_refused", "Webhooks that were not taken, by reason.", "channel", "reason")


class Webhooks:
    """Takes what the providers post."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, bundles: Bundles) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._bundles = bundles

    def routes(self) -> Sequence[ControllerRouterHandler]:
        """`GET|POST /webhooks/whatsapp` for the only tenant, `/webhooks/{tenant}/whatsapp` for several."""

        @get(["/webhooks/whatsapp", "/webhooks/{tenant:str}/whatsapp"], tags=["webhooks"], media_type="text/plain")
        async def whatsapp_handshake(
            request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT
        ) -> Response[str]:
            """Meta's handshake: answers the challenge where the verify token is right."""
            return await self.handshake(tenant, dict(request.query_params))

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
            await self.take(tenant, await request.body(), request.headers.get("x-hub-signature-256"))
            return Response(None, status_code=200)

        return [whatsapp_handshake, whatsapp_webhook]

    async def handshake(self, tenant: str, query: dict[str, str]) -> Response[str]:
        """The challenge, or 403."""
        door = await self._door(tenant)
        challenge = whatsapp.handshake(query, door.verify_token)
        if isinstance(challenge, Refused):
            raise Problem(403, "The handshake failed", challenge.reason)
        return Response(challenge, media_type="text/plain")

    async def take(self, tenant: str, raw: bytes, signature: str | None) -> None:
        """Store everything that a webhook tells, or nothing: raises Problem."""
        door = await self._door(tenant)
        if not whatsapp.verify(raw, signature, door.app_secret):
            _REFUSED.labels(WHATSAPP, "signature").inc()
            raise Problem(401, "The signature is wrong", "X-Hub-Signature-256 must sign the raw body")
        try:
            items = whatsapp.read(raw)
        except whatsapp.Malformed as malformed:
            _REFUSED.labels(WHATSAPP, "shape").inc()
            raise Problem(
                400 if malformed.problem.startswith("must be JSON") else 422,
                "The webhook has the wrong shape",
                str(malformed),
                errors=[{"in": "body", "path": malformed.path, "message": malformed.problem}],
            ) from malformed
        await durably(asyncio.gather(*(self._append(tenant, item) for item in items)))

    async def _door(self, tenant: str) -> WhatsAppDoor:
        try:
            return whatsapp_door(await self._bundles.current(tenant), self._settings)
        except (ChannelOff, NothingPublished) as error:
            raise Problem(404, "There is no such webhook", str(error)) from error

    async def _append(self, tenant: str, item: Item) -> None:
        match item:
            case Inbound():
                digest = (await self._store.keyring.lookup(tenant, WHATSAPP, decide.address_of(item))).hex()
                await self._once(tenant, item.id, decide.received(item, digest))
            case Status():
                await self._once(tenant, f"{item.id} {item.state}", decide.status_received(item))
            case _:
                log.info("a webhook told something that is not a message", item=type(item).__name__)
        _RECEIVED.labels(WHATSAPP, type(item).__name__.lower()).inc()

    async def _once(self, tenant: str, provider_id: str, event: Event) -> None:
        """Append a fact of the outside; one that is known already is a success."""
        cause_id = ids.cause_id(tenant, WHATSAPP, provider_id)
        cause = Cause(
            id=cause_id,
            correlation_id=cause_id,
            occurred_at=self._clock.now(),
            source=SOURCE,
            traceparent=telemetry.traceparent(),
        )
        stream = f"inbound-{WHATSAPP}-{ids.digest(provider_id)}"
        try:
            await self._store.append(tenant, stream, 0, [Draft(stream, event)], cause)
        except StreamMoved:
            log.debug("a webhook told what is known", stream=stream)
