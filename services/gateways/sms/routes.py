"""The webhooks of SMS: signed envelopes of SNS, and Exotel's callbacks, which a secret in their path makes known."""

import asyncio
import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from litestar import HttpMethod, Request, Response, head, post, route
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.channels import sms_exotel, sms_pinpoint
from libs.channels.sms_items import Inbound, Item, Malformed, Status
from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.problems import Problem
from libs.kit.requests import durably
from services.gateways import decide
from services.gateways.desk import Desk
from services.gateways.settings import SMS
from services.gateways.sms import facts as sms_facts
from services.gateways.sms.door import AwsDoor, ExotelDoor, SmsDoor
from services.gateways.sms.topic import RAW_DELIVERY, Topics, malformed, refused

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]
ASKING = [HttpMethod.GET, HttpMethod.POST]
MAX_WEBHOOK = 512 * 1024  # bytes; an envelope of SNS has 256 KB at most


class SmsRoutes:
    """`/webhooks/sms` for the only tenant, `/webhooks/{tenant}/sms` for several."""

    def __init__(self, desk: Desk, topics: Topics, door_of: Callable[[Bundle], SmsDoor]) -> None:
        self._desk = desk
        self._topics = topics
        self._door_of = door_of

    def handlers(self) -> Sequence[ControllerRouterHandler]:
        """The route handlers, made once."""

        @route(
            ["/webhooks/sms", "/webhooks/{tenant:str}/sms"],
            http_method=ASKING,
            status_code=200,
            tags=["webhooks"],
            media_type="text/plain",
            request_max_body_size=MAX_WEBHOOK,
        )
        async def sms_webhook(request: AnyRequest, tenant: FromPath[str] = DEFAULT_TENANT) -> Response[str]:
            """SNS's signed envelopes, or Exotel's messages with the secret as password (basic auth)."""
            door = await self._desk.door(tenant, self._door_of)
            if isinstance(door, AwsDoor):
                return await self._envelope(request, tenant, door)
            known_by(_password(request.headers.get("authorization")), door)
            return await self._inbound(request, tenant)

        @route(
            ["/webhooks/sms/{secret:str}", "/webhooks/{tenant:str}/sms/{secret:str}"],
            http_method=ASKING,
            status_code=200,
            tags=["webhooks"],
            media_type="text/plain",
        )
        async def sms_inbound(
            request: AnyRequest, secret: FromPath[str], tenant: FromPath[str] = DEFAULT_TENANT
        ) -> Response[str]:
            """A message of a contact, by Exotel's classic GET or a POST. The empty answer is no reply."""
            known_by(secret, await self._exotel(tenant))
            return await self._inbound(request, tenant)

        @head(
            ["/webhooks/sms/{secret:str}", "/webhooks/{tenant:str}/sms/{secret:str}"],
            include_in_schema=False,
            media_type="text/plain",
        )
        async def sms_looked_at(secret: FromPath[str], tenant: FromPath[str] = DEFAULT_TENANT) -> None:
            """Exotel looks at the content type before it asks."""
            known_by(secret, await self._exotel(tenant))

        @post(
            ["/webhooks/sms/{secret:str}/status", "/webhooks/{tenant:str}/sms/{secret:str}/status"],
            status_code=200,
            tags=["webhooks"],
            media_type="text/plain",
        )
        async def sms_status(
            request: AnyRequest, secret: FromPath[str], tenant: FromPath[str] = DEFAULT_TENANT
        ) -> Response[str]:
            """How far a message got, by Exotel's StatusCallback."""
            known_by(secret, await self._exotel(tenant))
            try:
                status = sms_exotel.read_status(await _fields(request), self._desk.clock.now())
            except Malformed as error:
                raise malformed(error) from error
            await self._take(tenant, status)
            return _empty()

        return [sms_webhook, sms_inbound, sms_looked_at, sms_status]

    async def _exotel(self, tenant: str) -> ExotelDoor:
        door = await self._desk.door(tenant, self._door_of)
        if not isinstance(door, ExotelDoor):
            raise Problem(
                404, "There is no such webhook", "the SMS of this tenant go over AWS: it posts to /webhooks/sms"
            )
        return door

    async def _inbound(self, request: AnyRequest, tenant: str) -> Response[str]:
        try:
            given = dict(request.query_params) if request.method == "GET" else await _fields(request)
            item = sms_exotel.read_inbound(given)
        except Malformed as error:
            raise malformed(error) from error
        await self._take(tenant, item)
        return _empty()

    async def _envelope(self, request: AnyRequest, tenant: str, door: AwsDoor) -> Response[str]:
        if request.method != "POST":
            raise Problem(405, None, "SNS posts to this address", headers={"allow": "POST"})
        now = self._desk.clock.now()
        try:
            envelope = await self._topics.open(await request.body(), request.headers.get(RAW_DELIVERY), door, now)
            item = sms_pinpoint.read(envelope.Message, envelope.at) if envelope.Type == "Notification" else None
        except Malformed as error:
            raise malformed(error) from error
        match envelope.Type:
            case "SubscriptionConfirmation":
                await self._topics.confirm(envelope, door)
            case "UnsubscribeConfirmation":
                log.warning("a topic no longer posts to us", topic=envelope.TopicArn)
            case "Notification":
                await self._take(tenant, item)
        return _empty()

    async def _take(self, tenant: str, item: Item | None) -> None:
        """Store what was told; it is durable when this returns."""
        match item:
            case Inbound():
                digest = await self._desk.digest(tenant, SMS, item.sender)
                await durably(self._desk.take(tenant, SMS, item.id, sms_facts.received(item, digest)))
            case Status():
                if item.refused is not None and item.refused.scope == "account":
                    Desk.alarm(SMS, item.refused.code)
                await durably(asyncio.gather(*await self._facts(tenant, item)))
            case None:
                self._desk.count(SMS, "other")
                log.info("a webhook told something that is no message and no state that we know")

    async def _facts(self, tenant: str, status: Status) -> list[Any]:
        told = [self._desk.take(tenant, SMS, f"{status.id} {status.state}", sms_facts.status_received(status))]
        if status.refused is not None and status.refused.opted_out and status.recipient is not None:
            digest = await self._desk.digest(tenant, SMS, status.recipient)
            stopped = decide.unsubscribed(SMS, status.recipient, digest, status.reference)
            told.append(self._desk.take(tenant, SMS, f"{status.id} opted out", stopped))
        return told


def known_by(secret: str, door: ExotelDoor) -> None:
    """Raises Problem 401 where it is not the tenant's secret."""
    if not door.webhook_secret or not hmac.compare_digest(
        secret.encode("utf-8", "replace"), door.webhook_secret.encode()
    ):
        raise refused(401, "secret", "the webhook's secret is wrong: see webhook_secret of channels.sms")


async def _fields(request: AnyRequest) -> Mapping[str, str]:
    """What a POST brings, as form (either kind) or JSON."""
    media_type = request.headers.get("content-type", sms_exotel.FORM).partition(";")[0].strip().lower()
    match media_type:
        case sms_exotel.FORM | sms_exotel.JSON:
            return sms_exotel.fields(await request.body(), media_type)
        case "multipart/form-data":
            parts = list((await request.form()).multi_items())
            if any(not isinstance(value, str) for _, value in parts):
                raise Malformed("$", "must have no files")
            return dict(parts)
        case _:
            raise Problem(415, "Unsupported media type", f"send a form or JSON, not {media_type!r}")


def _password(authorization: str | None) -> str:
    """The password of basic authentication; empty where there is none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2] if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _empty() -> Response[str]:
    """Exotel would send a text that we answer to the contact."""
    return Response("", media_type="text/plain")
